package webhook

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestCloseCutsAShutdownOffThatStillWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(status(500))}
		e := start(t, to)
		emit(t, e, occupied(1))
		time.Sleep(time.Second)
		result := make(chan error)
		go func() { result <- e.Shutdown(context.Background()) }()
		time.Sleep(time.Second)
		began := time.Now()
		_ = e.Close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("Close returned after %v", took)
		}
		if err := <-result; err == nil {
			t.Error("Shutdown returned nil, although a job was left")
		}
	})
}

func TestShutdownReturnsInTimeWhenTheQueueHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		var hung atomic.Bool
		q.onNack = func(ctx context.Context, n []queue.Nack) error {
			if hung.Load() {
				return hang(ctx)
			}
			return q.Memory.Nack(ctx, n)
		}
		to := &endpoint{answer: takes(100 * time.Millisecond)}
		e := start(t, to, with(q), unbatched)
		for i := range 1000 {
			emit(t, e, occupied(i))
		}
		time.Sleep(2 * time.Second) // by now it receives ahead
		hung.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		began := time.Now()
		_ = e.Shutdown(ctx)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Shutdown with half a second returned after %v", took)
		}
		checkTotals(t, e)
	})
}

func TestFlushWaitsForABatchThatIsJustBeingCut(t *testing.T) {
	t.Parallel()
	e := start(t, &endpoint{})
	emit(t, e, occupied(1))
	s := e.apps.get("my-app").hooks[0].slot
	s.mu.Lock()
	for popped := false; !popped; time.Sleep(time.Millisecond) {
		e.batcher.mu.Lock()
		popped = e.batcher.head == nil
		e.batcher.mu.Unlock()
	}
	flushed := make(chan error, 1)
	go func() { flushed <- e.Flush(t.Context()) }()
	select {
	case err := <-flushed:
		t.Errorf("Flush returned %v before the event was handed over", err)
		s.mu.Unlock()
		return
	case <-time.After(100 * time.Millisecond):
	}
	s.mu.Unlock()
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	if n := e.stats.enqueued.Load(); n != 1 {
		t.Errorf("%d events enqueued when Flush returned", n)
	}
}

func TestShutdownOfANodeThatOnlyEmitsSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{}, func(o *Options) { o.Workers = -1 })
		emit(t, e, occupied(1))
		err := e.Shutdown(t.Context())
		if err == nil || err.Error() != "webhook: shutdown: 1 deliveries are left undone" {
			t.Errorf("Shutdown returned %v", err)
		}
	})
}
