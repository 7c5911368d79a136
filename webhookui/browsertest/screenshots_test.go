package browsertest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/pushhooks/webhook/queue"
)

var screenshots = flag.String("screenshots", "", "write the pictures of the documentation into this folder")

// TestScreenshots takes the pictures of the documentation. They are written only if the flag asks for it.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	m, err := queue.NewMemory(queue.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d := newDemo(t, longAgo{m}, "")
	d.emit(t, 3)
	d.dead(t, "old-dashboard", 6)
	d.emit(t, 20)
	d.held(t, "billing")
	d.held(t, "crm-sync")
	time.Sleep(time.Second) // what waits is a second old
	for _, name := range []string{"light", "dark"} {
		b := open(t)
		b.run(t, chromedp.EmulateViewport(1280, 860), theme(name), chromedp.Navigate(d.server.URL+"/"), chromedp.WaitVisible(css("#live")))
		picture := get(t, b, chromedp.CaptureScreenshot())
		file := "status-" + name + ".png"
		if len(picture) == 0 || len(picture) > 200<<10 {
			t.Errorf("%s has %d bytes", file, len(picture))
		}
		if *screenshots == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(*screenshots, file), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
