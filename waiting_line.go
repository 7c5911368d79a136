package webhook

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
)

// waiter is an EmitWait, or an EmitSync with its receipt. A nil waiter is an Emit, which does not
// wait.
type waiter struct {
	ctx     context.Context
	receipt *receipt // nil: nobody waits for the queue
	hooks   []*hook
	size    int64
	tried   bool // it found no room before it was in a line
	lined   bool // it is in the line of each of its webhooks
	done    bool // admitted, or refused with err
	err     error
	n       int           // admitted: how many of hooks there is room for; those come first
	ready   chan struct{} // closed when it is done
}

// noteDropped tells an EmitSync that its event was dropped for some of its webhooks.
func (w *waiter) noteDropped(n, of int) {
	if n > 0 {
		w.receipt.fail(fmt.Errorf("%w: dropped for %d of %d webhooks", ErrOverflow, n, of))
	}
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

// waitFor makes room for w's event, waiting until all webhooks that are not failing have it. It
// returns how many of the hooks there is room for; it puts those first.
func (o *outbox) waitFor(w *waiter, hooks []*hook, size int64) (int, error) {
	o.mu.Lock()
	w.hooks, w.size, w.ready = hooks, size, make(chan struct{})
	o.line.join(w)
	if w.tried { // what it tried to reserve may have been missing for those before it
		o.line.serve(o)
	}
	o.line.admit(o, w)
	o.mu.Unlock()
	select {
	case <-w.ready:
	case <-w.ctx.Done():
		o.mu.Lock()
		defer o.mu.Unlock()
		w.finish(0, w.ctx.Err()) // until it has left its lines it must get no room
	}
	return w.n, w.err
}

// leave has w leave the line, when its event is in its batches or has not been taken. The next one
// comes forward.
func (o *outbox) leave(w *waiter) {
	if !w.lined {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.line.leave(w)
	o.line.serve(o)
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
		close(w.ready)
	}
}

func (l *waitingLine) join(w *waiter) {
	w.lined = true
	l.length.Add(1)
	for _, h := range w.hooks {
		if len(h.slot.line) == 0 {
			l.slots = append(l.slots, h.slot)
		}
		h.slot.line = append(h.slot.line, w)
	}
	if l.closed {
		w.finish(0, ErrClosed)
	}
}

func (l *waitingLine) leave(w *waiter) {
	w.lined = false
	l.length.Add(-1)
	for _, h := range w.hooks {
		s := h.slot
		if i := slices.Index(s.line, w); i >= 0 {
			s.line = slices.Delete(s.line, i, i+1)
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
	if n, ok := o.reserveAll(w.hooks, w.size); ok {
		w.finish(n, nil)
	}
}

// reserveAll makes room for an event at all of the hooks that are not failing, and at those failing
// ones that have room, or at none. It returns how many have it; it puts those first.
func (o *outbox) reserveAll(hooks []*hook, size int64) (n int, ok bool) {
	for i, h := range hooks {
		result := o.reserveOne(h.slot, size)
		switch {
		case result == roomFound:
			hooks[n], hooks[i] = h, hooks[n]
			n++
		case result == shareFull && h.slot.account.isFailing() && !h.slot.untried.Load():
		default:
			for _, h := range hooks[:n] {
				o.charge(h.slot, -size)
			}
			return 0, false
		}
	}
	return n, true
}
