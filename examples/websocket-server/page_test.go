package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// chromium is a real browser, whose tabs have a profile each. It notes what pages complain about.
type chromium struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

func startChromium(t *testing.T) *chromium {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("WEBHOOK_TEST_SERVERS") != "require" {
		t.Skip("chromium is needed for this test: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	timed, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	allocator, cancel := chromedp.NewExecAllocator(timed, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b := &chromium{t: t, ctx: ctx}
	b.do(ctx)
	return b
}

func (b *chromium) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, "console."+string(e.Type))
	}
}

// open opens the demo page in a tab, and waits until it is connected.
func (b *chromium) open(url string) context.Context {
	b.t.Helper()
	tab, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	b.t.Cleanup(cancel)
	b.do(tab, chromedp.EmulateViewport(1200, 750), chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS("#state.connected")))
	return tab
}

func (b *chromium) do(tab context.Context, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(tab, actions...); err != nil {
		b.t.Fatal(err)
	}
}

func (b *chromium) text(tab context.Context, element string) string {
	b.t.Helper()
	text, err := chromedp.Run(tab, chromedp.Evaluate[string]("document.querySelector("+strconv.Quote(element)+").textContent"))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// shows waits until the element contains the text.
func (b *chromium) shows(tab context.Context, element, text string) {
	b.t.Helper()
	eventually(b.t, element+" shows "+text, func() bool { return strings.Contains(b.text(tab, element), text) })
}

// It is not parallel, because a browser alone takes both cores.
func TestTwoBrowsersChatOnTheDemoPage(t *testing.T) {
	b := startChromium(t)
	c := runCommand(t)
	page := c.after("demo page")
	ann, bob := b.open(page), b.open(page)
	annName, bobName := b.text(ann, "#me"), b.text(bob, "#me")
	for _, tab := range []context.Context{ann, bob} {
		b.shows(tab, "#members", annName)
		b.shows(tab, "#members", bobName)
	}
	const text = `<img src=x onerror="console.error(1)"> hello`
	b.do(ann, chromedp.SendKeys(chromedp.CSS("#text"), text+"\r"))
	b.shows(bob, "#messages", annName+text)
	b.do(bob, chromedp.SendKeys(chromedp.CSS("#text"), "hello yourself\r"))
	b.shows(ann, "#messages", bobName+"hello yourself")
	for _, webhook := range []string{
		"channel_occupiedpresence-chat", "member_addedpresence-chatuser_id=" + bobName, "cache_misscache-news", "client_eventpresence-chat",
		"subscription_countcache-newssubscription_count=2",
	} {
		b.shows(ann, "#hooks", webhook)
	}
	b.picture(ann, "demo")
	b.do(bob, chromedp.Navigate("about:blank"))
	b.shows(ann, "#messages", bobName+" has left")
	b.shows(ann, "#hooks", "member_removedpresence-chatuser_id="+bobName)
	b.mu.Lock()
	for _, complaint := range b.complaints {
		t.Error("the browser complains: ", complaint)
	}
	b.mu.Unlock()

	// The server ends and comes back: the page connects again by itself, while the browser complains.
	front := strings.TrimPrefix(c.after("sockets, API"), "http://")
	internal := strings.TrimSuffix(strings.TrimPrefix(page, "http://"), "/")
	if err := c.end(); err != nil {
		t.Error(err)
	}
	b.shows(ann, "#state", "disconnected")
	again := runCommand(t, "-listen", front, "-internal", internal)
	b.do(ann, chromedp.WaitVisible(chromedp.CSS("#state.connected")))
	b.shows(ann, "#members", annName)
	if err := again.end(); err != nil {
		t.Error(err)
	}
}

// picture writes screenshots in both themes to the directory SCREENSHOTS, if it is set.
func (b *chromium) picture(tab context.Context, name string) {
	b.t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	for _, theme := range []string{"light", "dark"} {
		b.do(tab, func(ctx context.Context, target *chromedp.Target) (v chromedp.Void, err error) {
			_, err = cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
			})
			return v, err
		}, chromedp.Sleep(2*time.Second))
		png, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s.png", name, theme)), png, 0o600)
		}
		if err != nil {
			b.t.Error(err)
		}
	}
}
