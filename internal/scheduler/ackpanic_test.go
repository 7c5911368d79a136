package scheduler

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// ackEnds is a queue of another process whose next Ack panics or ends its goroutine.
type ackEnds struct {
	queue.Queue
	next atomic.Pointer[func()]
}

func (q *ackEnds) Traits() queue.Traits {
	traits := q.Queue.Traits()
	traits.InProcess = false
	return traits
}

func (q *ackEnds) Ack(ctx context.Context, l []queue.Lease) error {
	if end := q.next.Swap(nil); end != nil {
		(*end)()
	}
	return q.Queue.Ack(ctx, l)
}

func TestAnAckThatPanicsStopsNoWorker(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){"panic": func() { panic("rogue") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := &ackEnds{Queue: memory(t)}
				w := newWorld(t, q).start(4, 1)
				q.next.Store(&end)
				w.emit("a")
				time.Sleep(time.Second)
				for range 20 {
					w.emit("b")
				}
				time.Sleep(5 * time.Minute)
				if n := w.delivered(); n < 20 {
					t.Errorf("%d of 21 jobs were delivered", n)
				}
				w.stop()
			})
		})
	}
}
