package scheduler

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// A server that is emptied under load loses all leases at once. The race detector looks on, in real
// time, while renewals, settlements and new attempts meet.
func TestQueueThatIsEmptiedUnderLoadLosesItsLeasesAlone(t *testing.T) {
	t.Parallel()
	m, err := queue.NewMemory(queue.MemoryOptions{Lease: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	q := &riggedQueue{Memory: m, traits: queue.Traits{Lease: 30 * time.Millisecond, Durable: true, SharedLanes: true}}
	var emptied atomic.Bool
	lose := func(n int) error {
		if !emptied.Load() {
			return nil
		}
		var failed *queue.BatchError
		for i := range n {
			failed = failed.Fail(i, queue.ErrLeaseLost)
		}
		return failed.Err()
	}
	q.onExtend = func(ctx context.Context, l []queue.Lease) error {
		if err := lose(len(l)); err != nil {
			return err
		}
		return m.Extend(ctx, l)
	}
	q.onAck = func(ctx context.Context, l []queue.Lease) error {
		if err := lose(len(l)); err != nil {
			return err
		}
		return m.Ack(ctx, l)
	}
	q.onNack = func(ctx context.Context, l []queue.Nack) error {
		if err := lose(len(l)); err != nil {
			return err
		}
		return m.Nack(ctx, l)
	}
	w := newWorld(t, q)
	w.fallback = func(ctx context.Context, task *Task) Result {
		r := takes(time.Duration(rand.IntN(60))*time.Millisecond)(ctx, task)
		r.Delay = 0
		return r
	}
	w.start(20, 2)
	for range 10 {
		for _, lane := range names("lane", 40) {
			w.emit(lane)
		}
		emptied.Store(!emptied.Load())
		time.Sleep(40 * time.Millisecond)
	}
	emptied.Store(false)
	for end := time.Now().Add(10 * time.Second); w.delivered() < 400 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	w.stop()
	if n := w.delivered(); n != 400 || w.losses() == 0 {
		t.Errorf("%d of 400 delivered, %d leases lost", n, w.losses())
	}
	if n := w.failures("extend"); n > 0 {
		t.Errorf("%d renewals were told of as failures of the queue", n)
	}
}

func TestEveryAckCallHasItsWholeTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		var calls atomic.Int64
		w := newWorld(t, q)
		w.healthy("a", "b", "c")
		q.onAck = func(ctx context.Context, l []queue.Lease) error {
			calls.Add(1)
			if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) < settleTime {
				t.Errorf("a call for %d jobs has %v", len(l), time.Until(deadline))
			}
			time.Sleep(8 * time.Second)
			return q.Memory.Ack(ctx, l)
		}
		w.start(20, 1)
		// each joins while the call of the one before is under way
		for _, lane := range []string{"a", "b", "c"} {
			w.emit(lane)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		if w.delivered() != 3 || calls.Load() != 2 || w.failures("settle") > 0 {
			t.Errorf("%d of 3 delivered by %d calls, %d failures", w.delivered(), calls.Load(), w.failures("settle"))
		}
		w.stop()
	})
}
