package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// largeLines reads as n large events, and counts those that were read.
type largeLines struct {
	left atomic.Int64
	line string
	rest string
}

const largeSize = 128 << 10

func newLargeLines(n int) *largeLines {
	l := &largeLines{line: clientEvent(largeSize) + "\n"}
	l.left.Store(int64(n))
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

// waitUntilStuck returns when nothing has been read for a while. It says whether there was more.
func (l *largeLines) waitUntilStuck() bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, since := l.left.Load(), time.Now()
	for now := range tick.C {
		if left := l.left.Load(); left != last {
			last, since = left, now
		}
		if now.Sub(since) > 500*time.Millisecond {
			break
		}
	}
	return last > 0
}

// moreThanFits is a number of large events that the outbox and the queue can't hold, of 64 MiB each.
const moreThanFits = 160 << 20 / largeSize

// A receiver that answers nothing fills the queue, and then the outbox. relay waits, and goes on when there is room.
func TestNothingIsDroppedWhenThereIsNoRoom(t *testing.T) {
	t.Parallel()
	s, release := newSink(t), make(chan struct{})
	s.answer = func(http.ResponseWriter, *http.Request) { <-release }
	input := newLargeLines(moreThanFits)
	go func() {
		defer close(release)
		if !input.waitUntilStuck() {
			t.Error("all of the input was taken at once")
		}
	}()
	got := relayed(t, input, "-config", writeConfig(t, nil, object{"request_timeout_ms": 25_000}, testApp(hookTo(s.URL))))
	got.want(exitOK, totals{Emitted: moreThanFits, Matched: moreThanFits, Delivered: moreThanFits, Attempts: got.Attempts})
	if all, _ := s.arrived(); all != moreThanFits {
		t.Errorf("%d events arrived, want %d", all, moreThanFits)
	}
	if strings.Contains(got.stderr, "line ") {
		t.Errorf("a line was refused:\n%s", tail(got.stderr))
	}
}

// The line for which there is no room is then as good as not read.
func TestSIGTERMEndsTheWaitForRoom(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	s.answer = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	input := newLargeLines(moreThanFits)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		if !input.waitUntilStuck() {
			t.Error("all of the input was taken at once")
		}
	}()
	var stdout, stderr bytes.Buffer
	config := writeConfig(t, nil, object{"request_timeout_ms": 25_000}, testApp(hookTo(s.URL)))
	code := run(ctx, []string{"-drain", "300ms", "-config", config}, input, &stdout, &stderr)
	got := read(t, code, stdout.String(), stderr.String())
	got.want(exitLeft, totals{Emitted: got.Emitted, Matched: got.Emitted, Pending: got.Emitted, Attempts: got.Attempts})
	got.says("stopped before line", "no room for the event")
	if got.Emitted < 64<<20/largeSize {
		t.Errorf("only %d events were emitted", got.Emitted)
	}
}
