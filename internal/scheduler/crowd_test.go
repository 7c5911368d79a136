package scheduler

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// tallied counts what is received and released.
type tallied struct {
	queue.Queue
	receives, released atomic.Int64
}

func (q *tallied) Receive(ctx context.Context, want queue.Want) ([]queue.Lease, error) {
	q.receives.Add(1)
	return q.Queue.Receive(ctx, want)
}

func (q *tallied) Release(ctx context.Context, l []queue.Lease) error {
	q.released.Add(int64(len(l)))
	return q.Queue.Release(ctx, l)
}

// crowd has lanes with a backlog and a low rate limit, and one that has an event a second.
func crowd(t *testing.T, workers int) (*world, *tallied) {
	t.Helper()
	w := newWorld(t, nil)
	q := &tallied{Queue: w.q}
	w.q = q
	lanes := names("limited", 1500)
	w.healthy(append(lanes, "good")...)
	for _, l := range lanes {
		w.rates[l] = Rate{PerSecond: 0.05, Burst: 1}
		for range 10 {
			w.emit(l)
		}
	}
	w.start(workers, 3)
	time.Sleep(10 * time.Second) // the tokens of the beginning
	w.every(time.Second, 2*time.Minute, "good")
	return w, q
}

// The tasks that wait for their tokens fill the room for tasks that can't begin: nothing else is
// received, although the workers have nothing to do.
func TestManyRateLimitedLanesStarveNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := crowd(t, 20)
		time.Sleep(2 * time.Minute)
		if wait := p99(w.waits("good")); wait > 2*time.Second {
			t.Errorf("events of a healthy lane wait up to %v while 1,500 rate-limited lanes have a backlog", wait)
		}
		w.stop()
	})
}
