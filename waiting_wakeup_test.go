package webhook

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Reservations that fail take room for a moment. An EmitWait that finds none because of that must
// look again, since nothing else may ever happen in the outbox.
func TestNoEmitWaitOverlooksRoom(t *testing.T) {
	t.Parallel()
	o := newOutbox(1000, new(atomic.Bool), make(chan struct{}))
	h := &hook{slot: &slot{}}
	const size = 600
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var rounds, stuck atomic.Int64
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			for range 20_000 {
				hooks := []*hook{h}
				n, found := 0, shareFull
				if o.line.length.Load() == 0 { // as Emitter.take does
					if n, found = o.reserveAt(hooks, size, true); found != roomFound {
						o.changed()
					}
				}
				if found != roomFound {
					w := o.newWaiter(emitMode{ctx: ctx}, hooks, size)
					if o.await(w) != nil {
						stuck.Add(1)
						o.leave(w)
						return
					}
					n = w.n
					o.leave(w)
				}
				o.unreserve(hooks[:n], size)
				o.changed()
				rounds.Add(1)
			}
		})
	}
	all.Wait()
	if stuck.Load() > 0 {
		t.Errorf("after %d rounds, %d EmitWaits wait although the outbox is empty: %d bytes", rounds.Load(), stuck.Load(), o.used.Load())
	}
}
