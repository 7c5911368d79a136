package webhook

import (
	"context"
	"slices"
	"sync/atomic"
)

// emitMode is how an event is taken: by an Emit, which is the zero value; by an EmitWait, which
// waits for room until ctx ends; or by an EmitSync, whose receipt learns when the queue has it.
type emitMode struct {
	ctx     context.Context //nolint:containedctx // of the EmitWait, which the waiter does not outlive
	receipt *receipt
	emitted *atomic.Int64 // counts the event if a Trace function ends the Emit that has taken it
}

// ended counts an event whose Emit does not return.
func (m emitMode) ended() {
	if m.emitted != nil {
		m.emitted.Add(1)
	}
}

func (m emitMode) waits() bool { return m.ctx != nil }

// waiter is an EmitWait or EmitSync that found no room at once.
type waiter struct {
	emitMode
	hooks []*hook
	size  int64
	done  bool // admitted, or refused with err
	err   error
	n     int           // admitted: how many of hooks there is room for; those come first
	ready chan struct{} // capacity 1: notified when it is done
	few   [4]*hook      // what hooks are in, if they are few
}

// waitingLine holds the EmitWaits that wait for room or have got it and not yet used it, in the
// order of their arrival for each webhook. An EmitWait is first in all of its webhooks' lines when
// it is its turn. The outbox's mutex guards it.
type waitingLine struct {
	slots  []*slot      // with a line
	length atomic.Int64 // EmitWaits in it
	turn   int          // where serve begins
	closed bool
}

// newWaiter joins the line with a copy of hooks. The caller has it leave when its event is in its
// batches, or was not taken, and uses it no longer then.
func (o *outbox) newWaiter(m emitMode, hooks []*hook, size int64) *waiter {
	w, ok := o.waiters.Get().(*waiter)
	if !ok {
		w = &waiter{ready: make(chan struct{}, 1)}
	}
	w.emitMode, w.size, w.done, w.err, w.n = m, size, false, nil, 0
	w.hooks = append(w.few[:0], hooks...)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line.join(w)
	o.line.admit(o, w)
	return w
}

// await returns when there is room for w's event at all of its webhooks that are not failing.
func (o *outbox) await(w *waiter) error {
	select {
	case <-w.ready:
	case <-w.ctx.Done():
		o.mu.Lock()
		defer o.mu.Unlock()
		w.finish(0, w.ctx.Err()) // until it has left its lines it must get no room
	}
	return w.err
}

// found returns for how many of the hooks there is room, and puts those first. w was admitted.
func (w *waiter) found(hooks []*hook) int {
	copy(hooks, w.hooks)
	return w.n
}

// leave has w leave the line. The next one comes forward.
func (o *outbox) leave(w *waiter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line.leave(w)
	o.line.serve(o)
	select { // it may have been given up
	case <-w.ready:
	default:
	}
	w.emitMode, w.hooks, w.few = emitMode{}, nil, [4]*hook{}
	o.waiters.Put(w)
}

// refuseWaiters ends every EmitWait that waits, and those to come.
func (o *outbox) refuseWaiters() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line.closed = true
	for _, s := range o.line.slots {
		for _, w := range s.line {
			w.finish(0, ErrClosed)
		}
	}
}

func (w *waiter) finish(n int, err error) {
	if !w.done {
		w.n, w.err, w.done = n, err, true
		w.ready <- struct{}{}
	}
}

func (l *waitingLine) join(w *waiter) {
	l.length.Add(1)
	for _, h := range w.hooks {
		if len(h.slot.line) == 0 {
			l.slots = append(l.slots, h.slot)
		}
		h.slot.line = append(h.slot.line, w)
		h.slot.queued.Store(int32(len(h.slot.line)))
	}
	if l.closed {
		w.finish(0, ErrClosed)
	}
}

func (l *waitingLine) leave(w *waiter) {
	l.length.Add(-1)
	for _, h := range w.hooks {
		s := h.slot
		if i := slices.Index(s.line, w); i >= 0 {
			s.line = slices.Delete(s.line, i, i+1)
			s.queued.Store(int32(len(s.line)))
		}
		if len(s.line) == 0 {
			s.line = nil
			l.slots = slices.DeleteFunc(l.slots, func(other *slot) bool { return other == s })
		}
	}
}

// serve admits those that are first in their lines and have room. It begins with another webhook
// each time.
func (l *waitingLine) serve(o *outbox) {
	n := len(l.slots)
	if n == 0 {
		return
	}
	l.turn++
	for i := range n {
		if o.used.Load() >= o.limit {
			return
		}
		l.admit(o, l.slots[(l.turn+i)%n].line[0])
	}
}

// admit makes room for w if it is its turn and there is room. An event for a failing webhook whose
// share is full does not wait for it.
func (l *waitingLine) admit(o *outbox, w *waiter) {
	if w.done {
		return
	}
	for _, h := range w.hooks {
		if h.slot.line[0] != w {
			return
		}
	}
	if n, found := o.reserveAt(w.hooks, w.size, true); found == roomFound {
		w.finish(n, nil)
	}
}
