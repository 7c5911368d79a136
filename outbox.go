package webhook

import (
	"context"
	"sync"
	"sync/atomic"
)

// outbox keeps the account of everything that Emit took and the queue has not: it reserves room,
// takes cut batches, and knows when all of them have been handed over. It is in memory. Handing
// over is the enqueuer's work.
//
// Failing webhooks share at most half of it, and so do those that have not worked yet and that the
// queue has no room for. Whatever half a webhook is in, it may have a multiple of the room that is
// free there, so that one whose lane is full leaves room for all others.
type outbox struct {
	limit   int64
	used    atomic.Int64  // bytes of batches, and those reserved for events that are in none yet
	failing atomic.Int64  // of those, bytes of failing webhooks
	wake    chan struct{} // capacity 1: there are fresh batches, or webhooks that work again
	closed  *atomic.Bool  // the emitter is
	ended   chan struct{} // closed when nothing will be handed over any more
	backlog backlog

	watchers atomic.Int64 // calls of until under way
	refused  atomic.Int64 // webhooks that have not worked yet and that the queue has no room for
	waiters  sync.Pool    // of *waiter: at full speed there are some for each batch

	mu        sync.Mutex
	fresh     []*batch      // cut, and not yet seen by the enqueuer
	recovered []string      // lanes that are not failing any more, and not yet seen by the enqueuer
	epoch     int           // grows with every flush
	counts    map[int]int   // batches not handed over, by the epoch of their cut
	moved     chan struct{} // closed when batches were handed over, if somebody waits
	line      waitingLine   // EmitWaits
}

// A webhook may hold this many times the room that is free: the dynamic threshold (alpha) of
// Choudhury and Hahne (1998).
const alpha = 8

func newOutbox(limit int64, closed *atomic.Bool, ended chan struct{}) *outbox {
	return &outbox{limit: limit, closed: closed, ended: ended, counts: map[int]int{}, wake: make(chan struct{}, 1)}
}

// account is what a webhook holds in the outbox: bytes, doubled, plus 1 while the webhook is
// failing. Being one number, it is always known which bytes count as those of failing webhooks.
type account struct{ atomic.Int64 }

func (a *account) isFailing() bool { return a.Load()&1 != 0 }

// holds reports whether the webhook holds anything.
func (a *account) holds() bool { return a.Load()>>1 != 0 }

// setFailing returns the bytes that are held, and reports whether anything has changed.
func (a *account) setFailing(failing bool) (held int64, changed bool) {
	for {
		old := a.Load()
		if old&1 != 0 == failing {
			return 0, false
		}
		if a.CompareAndSwap(old, old^1) {
			return old >> 1, true
		}
	}
}

// charge counts bytes that the slot holds, without asking for room. It returns what the slot holds
// and whether it is failing.
func (o *outbox) charge(s *slot, size int64) (held int64, failing bool) {
	n := s.account.Add(2 * size)
	o.used.Add(size)
	if failing = n&1 != 0; failing {
		o.failing.Add(size)
	}
	return n >> 1, failing
}

// setUntried notes that the queue has no room for a webhook that has not worked yet. It shares the
// room of the failing ones until the queue has all of its jobs, but an EmitWait waits for it.
func (o *outbox) setUntried(h *hook) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if h.slot.account.isFailing() {
		return
	}
	if h.slot.untried.CompareAndSwap(false, true) {
		o.refused.Add(1)
	}
	o.setHalf(h, true)
}

// setFailing notes that a webhook fails, or works again.
func (o *outbox) setFailing(h *hook, failing bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.setHalf(h, failing)
	if !failing { // also if it did not seem to fail: the queue may be refusing its first job
		o.recovered = append(o.recovered, h.lane)
		notify(o.wake)
	}
	// after it, so that it never seems to fail when it works
	if h.slot.untried.CompareAndSwap(true, false) {
		o.refused.Add(-1)
	}
}

// setHalf notes in which half of the outbox a webhook is. The outbox is locked.
func (o *outbox) setHalf(h *hook, failing bool) {
	held, changed := h.slot.account.setFailing(failing)
	if !changed {
		return
	}
	if failing {
		o.failing.Add(held)
	} else {
		o.failing.Add(-held)
	}
	o.change()
}

type room uint8

const (
	roomFound   room = iota
	shareFull        // the webhook has all that it may have now
	outboxFull       // the outbox as a whole is full
	noneTaken        // the emitter is closed
	othersFirst      // EmitWaits wait that were first
)

// reserve sets bytes aside at a webhook, if it has room for them.
func (o *outbox) reserve(s *slot, size int64) room { return o.reserveStep(s, size, size) }

// reserveStep charges size bytes of a batch's buffer if the webhook has room for its next n bytes.
// After the emitter was closed there is none: Shutdown waits for what was charged before.
func (o *outbox) reserveStep(s *slot, size, n int64) room {
	held, failing := o.charge(s, size)
	free, result := o.limit-o.used.Load()+size-n, roomFound
	if free < 0 {
		result = outboxFull
	} else if failing || o.refused.Load() > 0 && !s.worked.Load() {
		free = o.limit/2 - o.failing.Load() + size - n
	}
	switch {
	case o.closed.Load():
		result = noneTaken
	case result == roomFound && (free < 0 || (held-size+n)/alpha > free+n):
		result = shareFull
	}
	if result != roomFound {
		o.charge(s, -size)
	}
	return result
}

// claim takes size bytes for a batch out of those that are reserved, if these suffice; else it is
// reserveStep.
func (o *outbox) claim(s *slot, size, n int64, reserved *int64) room {
	if size > *reserved {
		return o.reserveStep(s, size, n)
	}
	*reserved -= size
	return roomFound
}

// fits reports whether an event of this size can ever have room at so many webhooks.
func (o *outbox) fits(webhooks int, size int64) bool { return size <= o.limit/int64(webhooks) }

// roomAt finds room for an event at as many of the hooks as have it, and puts those first. An event
// that may wait needs it at all hooks that are not failing. Where it is not found, or the outbox as
// a whole is full, undo gives back what the first n have.
func roomAt(hooks []*hook, waits bool, find func(*hook) room, undo func(n int)) (n int, result room) {
	for i, h := range hooks {
		switch found := find(h); {
		case found == roomFound:
			hooks[n], hooks[i] = h, hooks[n]
			n++
		case found == shareFull && (!waits || h.slot.isFailing()):
		default:
			undo(n)
			return 0, found
		}
	}
	return n, roomFound
}

// reserveAt sets bytes aside at the hooks, as roomAt says.
func (o *outbox) reserveAt(hooks []*hook, size int64, waits bool) (n int, result room) {
	return roomAt(hooks, waits,
		func(h *hook) room { return o.reserve(h.slot, size) },
		func(n int) { o.unreserve(hooks[:n], size) })
}

// unreserve gives room back. The caller says changed.
func (o *outbox) unreserve(hooks []*hook, size int64) {
	for _, h := range hooks {
		o.charge(h.slot, -size)
	}
}

// enter begins an Emit that looks for room in several batches before it uses any. Until exit its
// bytes are held besides, because a batch that had room may have to grow after all; and Shutdown
// waits for it.
func (o *outbox) enter(bytes int64) room {
	used := o.used.Add(bytes)
	switch {
	case o.closed.Load():
		o.exit(bytes)
		return noneTaken
	case used > o.limit:
		o.exit(bytes)
		return outboxFull
	}
	return roomFound
}

func (o *outbox) exit(bytes int64) {
	if o.used.Add(-bytes) == 0 && o.closed.Load() {
		o.changed()
	}
}

// changed tells whoever waits that bytes were given back, or were asked for in vain and may have
// been missing for others in that moment.
func (o *outbox) changed() {
	if o.line.length.Load() == 0 && o.watchers.Load() == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.change()
}

// change tells whoever waits that the account has changed. The outbox is locked.
func (o *outbox) change() {
	if o.moved != nil {
		close(o.moved)
		o.moved = nil
	}
	o.line.serve(o)
}

// push takes a cut batch.
func (o *outbox) push(b *batch) {
	o.mu.Lock()
	b.epoch = o.epoch
	o.counts[b.epoch]++
	o.fresh = append(o.fresh, b)
	first := len(o.fresh) == 1
	o.mu.Unlock()
	o.backlog.add()
	if first {
		notify(o.wake)
	}
}

// notify wakes whoever waits on a channel of capacity 1, now or at its next wait.
func notify(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// take moves the fresh batches out, and the lanes of webhooks that work again.
func (o *outbox) take() (fresh []*batch, recovered []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fresh, recovered = o.fresh, o.recovered
	o.fresh, o.recovered = nil, nil
	return fresh, recovered
}

// done strikes batches off the account: the queue has them, or they were dropped.
func (o *outbox) done(batches []*batch) {
	if len(batches) == 0 {
		return
	}
	for _, b := range batches {
		o.charge(b.hook.slot, -b.size)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range batches {
		if o.counts[b.epoch]--; o.counts[b.epoch] == 0 {
			delete(o.counts, b.epoch)
		}
	}
	o.change()
}

// replace puts batches in the place of one.
func (o *outbox) replace(b *batch, parts []*batch) {
	size := -b.size
	for _, part := range parts {
		part.epoch = b.epoch
		size += part.size
	}
	o.charge(b.hook.slot, size)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[b.epoch] += len(parts) - 1
}

// wait returns when every batch that was cut before the call has been handed over, or with ctx's
// error.
func (o *outbox) wait(ctx context.Context) error {
	o.mu.Lock()
	until := o.epoch
	o.epoch++
	o.mu.Unlock()
	return o.until(ctx, func() bool { return !o.anyOf(until) })
}

// empty returns when nothing is reserved any more, or with ctx's error.
func (o *outbox) empty(ctx context.Context) error {
	return o.until(ctx, func() bool { return o.used.Load() == 0 })
}

// until returns when the condition holds, which is checked after every hand-over, or with ctx's
// error.
func (o *outbox) until(ctx context.Context, holds func() bool) error {
	o.watchers.Add(1)
	defer o.watchers.Add(-1)
	for {
		o.mu.Lock()
		if holds() {
			o.mu.Unlock()
			return nil
		}
		if o.moved == nil {
			o.moved = make(chan struct{})
		}
		moved := o.moved
		o.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-o.ended:
			return ErrClosed
		}
	}
}

// anyOf reports whether a batch of this epoch or an earlier one is left. The outbox is locked.
func (o *outbox) anyOf(epoch int) bool {
	for e := range o.counts {
		if e <= epoch {
			return true
		}
	}
	return false
}
