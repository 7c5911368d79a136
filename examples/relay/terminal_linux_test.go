package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/webhooktest"
)

// On a terminal a table is as wide as that at most, and progress is shown on a line that is gone at
// the end.
func TestTablesAndProgressOnATerminal(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	r.Otherwise(webhooktest.Status(http.StatusGone))
	hook := namedHook(strings.Repeat("orders-", 12), r.URL)
	config := writeConfig(t, diskQueue(t), oneByOne, testApp(hook))
	relayed(t, numberedLines(0, 250), "-config", config)
	out, log := newTerminal(t, 100), newTerminal(t, 100)
	for _, command := range [][]string{{"-status"}, {"-dead"}, {"-replay", "-all"}} {
		if code := run(t.Context(), append(command, "-config", config), strings.NewReader(""), out.File, log.File); code != exitOK {
			t.Errorf("%q ends with %d", command, code)
		}
	}
	eventually(t, 30*time.Second, "it is printed", func() bool { return strings.Contains(out.text(), "replayed 250 dead letters\n") })
	for line := range strings.Lines(out.text()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	eventually(t, 30*time.Second, "progress was shown and is gone", func() bool {
		return strings.Contains(log.text(), "replayed 100 of ") && log.screen() == ""
	})
}

func TestProgressIsShownWhileTheRelayDrains(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	release := make(chan struct{})
	r.Script(webhooktest.Status(http.StatusOK), webhooktest.Status(http.StatusInternalServerError))
	r.Otherwise(webhooktest.Hang(release))
	config := writeConfig(t, nil, object{"batching": object{"enabled": false}, "concurrency": 1}, testApp(hookTo(r.URL)))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := newTerminal(t, 100)
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"-drain", "60s", "-config", config}, numberedLines(0, 5), io.Discard, log.File)
	}()
	eventually(t, 30*time.Second, "progress is shown", func() bool {
		return strings.Contains(log.screen(), "delivered 1, waiting 4, ")
	})
	if !strings.Contains(log.screen(), "webhook attempt failed") {
		t.Errorf("the log is not above the progress:\n%s", log.screen())
	}
	close(release)
	r.Otherwise(webhooktest.Status(http.StatusOK))
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d:\n%s", code, log.screen())
	}
	eventually(t, 30*time.Second, "the progress is gone", func() bool { return !strings.Contains(log.screen(), "waiting") })
}
