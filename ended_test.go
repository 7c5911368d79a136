package webhook

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestCloseEndsAFlushThatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.onEnqueue = func(ctx context.Context, _ []queue.Job) error { return hang(ctx) }
		e := start(t, &endpoint{}, with(q))
		emit(t, e, occupied(1))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var flushed atomic.Bool
		go func() { _ = e.Flush(ctx); flushed.Store(true) }()
		time.Sleep(time.Second)
		if err := e.Close(); err == nil {
			t.Error("Close lost an event and said nothing")
		}
		time.Sleep(24 * time.Hour)
		if !flushed.Load() {
			t.Error("Flush still waits a day after Close")
		}
	})
}

func TestDrainAfterShutdownReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		e := start(t, &endpoint{}, with(q), func(o *Options) { o.EmitOnly = true })
		emit(t, e, occupied(1))
		if err := e.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var back atomic.Bool
		go func() { _ = e.Drain(ctx); back.Store(true) }()
		time.Sleep(24 * time.Hour)
		if !back.Load() {
			t.Error("Drain of an emitter that was shut down waits for ever")
		}
	})
}
