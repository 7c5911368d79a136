package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// largeLines reads as more large events than there is room for, and counts those that were read.
type largeLines struct {
	left atomic.Int64
	line string
	rest string
}

const largeSize = 128 << 10

func newLargeLines() *largeLines {
	l := &largeLines{line: clientEvent(largeSize) + "\n"}
	l.left.Store(moreThanFits)
	return l
}

func (l *largeLines) Read(p []byte) (int, error) {
	if l.rest == "" {
		if l.left.Add(-1) < 0 {
			return 0, io.EOF
		}
		l.rest = l.line
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// waitUntilStuck returns when what certainly fits was read, and then nothing for a while. It says
// whether there was more.
func (l *largeLines) waitUntilStuck() bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, since := l.left.Load(), time.Now()
	for now := range tick.C {
		if left := l.left.Load(); left != last {
			last, since = left, now
		}
		if last <= moreThanFits-fits && now.Sub(since) > 500*time.Millisecond {
			break
		}
	}
	return last > 0
}

// The outbox and the queue hold 24 MiB each: so many large events fit certainly, and so many don't.
const (
	fits         = 24 << 20 / largeSize
	moreThanFits = 60 << 20 / largeSize
)

// counting is a receiver that counts events and does not read them, and that answers after hold.
func counting(t *testing.T, hold func(*http.Request)) (url string, arrived *atomic.Int64) {
	arrived = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if hold(r); err == nil {
			arrived.Add(int64(bytes.Count(body, []byte(`"name":"client_event"`))))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, arrived
}

// A receiver that answers nothing fills the queue, and then the outbox. relay waits, and goes on
// when there is room.
func TestNothingIsDroppedWhenThereIsNoRoom(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	url, arrived := counting(t, func(*http.Request) { <-release })
	input, stuck := newLargeLines(), make(chan bool, 1)
	go func() {
		stuck <- input.waitUntilStuck()
		close(release)
	}()
	got := relayed(t, input, "-config", writeConfig(t, nil, object{"request_timeout_ms": 25_000}, testApp(hookTo(url))))
	got.want(exitOK, totals{Emitted: moreThanFits, Matched: moreThanFits, Delivered: moreThanFits, Attempts: got.Attempts})
	if !<-stuck {
		t.Error("all of the input was taken at once")
	}
	if n := arrived.Load(); n != moreThanFits {
		t.Errorf("%d events arrived, want %d", n, moreThanFits)
	}
	if strings.Contains(got.stderr, "line ") {
		t.Errorf("a line was refused:\n%s", tail(got.stderr))
	}
}

// The line for which there is no room is not taken then.
func TestSIGTERMEndsTheWaitForRoom(t *testing.T) {
	t.Parallel()
	url, _ := counting(t, func(r *http.Request) { <-r.Context().Done() })
	input, stuck := newLargeLines(), make(chan bool, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		stuck <- input.waitUntilStuck()
		stop()
	}()
	var stdout, stderr bytes.Buffer
	config := writeConfig(t, nil, object{"request_timeout_ms": 25_000}, testApp(hookTo(url)))
	code := run(ctx, []string{"-drain", "300ms", "-config", config}, input, &stdout, &stderr)
	got := read(t, code, stdout.String(), stderr.String())
	got.want(exitLeft, totals{Emitted: got.Emitted, Matched: got.Emitted, Pending: got.Emitted, Attempts: got.Attempts})
	got.says("stopped before line", "waiting for room")
	if !<-stuck || got.Emitted < fits {
		t.Errorf("%d of %d events were emitted", got.Emitted, moreThanFits)
	}
}

// Only what is for a webhook that is down, and whose share is full, is dropped.
func TestOnlyAFailingWebhooksEventsAreDropped(t *testing.T) {
	t.Parallel()
	url, arrived := counting(t, func(*http.Request) {})
	down := httptest.NewServer(nil)
	down.Close() // nobody listens there any more
	input := newLargeLines()
	got := relayed(t, input, "-drain", "2s", "-config", writeConfig(t, nil, nil, testApp(hookTo(url), hookTo(down.URL))))
	got.want(exitLeft, totals{
		Emitted: moreThanFits, Matched: 2 * moreThanFits, Delivered: moreThanFits,
		Dropped: got.Dropped, Pending: moreThanFits - got.Dropped, Attempts: got.Attempts,
	})
	// Half of the queue and half of the outbox are the failing webhook's.
	if kept := got.Pending; kept > fits || kept < fits*3/4 || arrived.Load() != moreThanFits {
		t.Errorf("%d events are kept for the webhook that is down, and %d arrived at the other one", kept, arrived.Load())
	}
}
