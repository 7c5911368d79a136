package scheduler

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// goneOffline has a process whose lanes are healthy suspect itself.
func (w *world) goneOffline(lanes ...string) {
	w.tb.Helper()
	for _, lane := range lanes {
		w.emit(lane)
	}
	time.Sleep(500 * time.Millisecond)
	if !w.s.Suspect() {
		w.tb.Fatal("the process does not suspect itself")
	}
}

// The one attempt of a process that suspects itself must be of a lane that may begin it: all the
// others wait for it.
func TestASuspicionWaitsForNoRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		lanes := names("lane", 4)
		w.healthy(append(lanes, "slow")...)
		w.rates["slow"] = Rate{PerSecond: 1. / 600, Burst: 1}
		w.start(20, 2)
		w.emit("slow") // its token
		time.Sleep(time.Second)
		w.offline(0)
		w.goneOffline(lanes...)
		w.emit("slow")
		w.mu.Lock()
		w.fallback = takes(5 * time.Millisecond)
		w.mu.Unlock()
		time.Sleep(30 * time.Second)
		if w.s.Suspect() {
			t.Errorf("the network is back for 30 s, and the process still suspects itself")
		}
		if n := w.delivered(); n < 5 {
			t.Errorf("%d of 5 jobs were delivered in 30 s", n)
		}
		w.stop()
	})
}

// A lane that may begin nothing, because one of its attempts is slow, must not be received again
// and again instead of the others.
func TestASuspicionPassesOverALaneThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		lanes := names("lane", 3)
		w.healthy("hangs")
		w.set("hangs", func(_ context.Context, task *Task) Result {
			select {
			case <-time.After(10 * time.Minute): // its timeout
			case <-w.done:
			}
			return failure(task)
		})
		w.offline(0)
		q := &counted{Queue: w.q}
		w.q = q
		w.start(20, 2)
		w.emit("hangs")
		time.Sleep(5 * time.Second)
		w.goneOffline(lanes...) // they are untried
		for range 5 {
			w.emit("hangs")
		}
		w.mu.Lock()
		w.fallback = takes(5 * time.Millisecond)
		w.mu.Unlock()
		q.receives.Store(0)
		time.Sleep(time.Minute)
		if w.s.Suspect() {
			t.Errorf("the network is back for a minute, and the process still suspects itself; %d Receives", q.receives.Load())
		}
		w.stop()
	})
}

type counted struct {
	queue.Queue
	receives atomic.Int64
}

func (q *counted) Receive(ctx context.Context, want queue.Want) ([]queue.Lease, error) {
	q.receives.Add(1)
	return q.Queue.Receive(ctx, want)
}
