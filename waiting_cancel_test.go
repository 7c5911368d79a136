package webhook

import (
	"context"
	"sync/atomic"
	"testing"
)

// An EmitWait that has given up is in its lines until it leaves them. Room that becomes free in
// between must not be given to it, since nobody would give it back.
func TestAnEmitWaitThatHasGivenUpGetsNoRoom(t *testing.T) {
	t.Parallel()
	o := newOutbox(1000, new(atomic.Bool), make(chan struct{}))
	h := &hook{slot: &slot{}}
	o.charge(h.slot, 1000) // what the queue has not taken yet
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := o.newWaiter(emitMode{ctx: ctx}, []*hook{h}, 100)
	if o.await(w) == nil {
		t.Fatal("there was room in a full outbox")
	}
	o.unreserve([]*hook{h}, 1000) // the queue takes it
	o.changed()
	o.leave(w)
	if n := o.used.Load(); n != 0 {
		t.Errorf("%d bytes are reserved for an EmitWait that has returned its context's error", n)
	}
}
