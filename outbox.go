package webhook

import (
	"context"
	"sync"
	"sync/atomic"
)

// outbox keeps the account of everything that Emit took and the queue has not: it reserves room, takes cut
// batches, and knows when all of them have been handed over. Handing over is the courier's work.
type outbox struct {
	limit int64
	used  atomic.Int64  // bytes reserved for events and charged for batches
	wake  chan struct{} // capacity 1: there are fresh batches
	ended chan struct{} // closed when nothing will be handed over any more

	mu     sync.Mutex
	fresh  []*batch      // cut, and not yet seen by the courier
	epoch  int           // grows with every flush
	counts map[int]int   // batches not handed over, by the epoch of their cut
	moved  chan struct{} // closed when batches were handed over, if somebody waits
}

// A webhook may hold this many times the outbox's free room, so that one whose lane is full leaves room for
// all others: the dynamic threshold of Choudhury and Hahne (1998).
const laneFactor = 8

func newOutbox(limit int64, ended chan struct{}) *outbox {
	return &outbox{limit: limit, ended: ended, counts: map[int]int{}, wake: make(chan struct{}, 1)}
}

// reserve makes room for one event of this size at each of the hooks, or for none.
func (o *outbox) reserve(hooks []*hook, size int64) bool {
	total := size * int64(len(hooks))
	free := o.limit - o.used.Add(total)
	fits := free >= 0
	for _, h := range hooks {
		fits = h.slot.held.Add(size) <= laneFactor*(free+size) && fits
	}
	if !fits {
		o.unreserve(hooks, size)
	}
	return fits
}

func (o *outbox) unreserve(hooks []*hook, size int64) {
	for _, h := range hooks {
		o.charge(h.slot, -size)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tell()
}

// tell wakes who waits for the account to change. The outbox is locked.
func (o *outbox) tell() {
	if o.moved != nil {
		close(o.moved)
		o.moved = nil
	}
}

// charge counts bytes that the slot holds, without asking for room.
func (o *outbox) charge(s *slot, size int64) {
	s.held.Add(size)
	o.used.Add(size)
}

// push takes a cut batch.
func (o *outbox) push(b *batch) {
	o.mu.Lock()
	b.epoch = o.epoch
	o.counts[b.epoch]++
	o.fresh = append(o.fresh, b)
	first := len(o.fresh) == 1
	o.mu.Unlock()
	if first {
		nudge(o.wake)
	}
}

// nudge wakes who waits on a channel of capacity 1, now or at its next wait.
func nudge(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// take moves the fresh batches out.
func (o *outbox) take() []*batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	fresh := o.fresh
	o.fresh = nil
	return fresh
}

// done strikes batches off the account: the queue has them, or they were dropped.
func (o *outbox) done(batches []*batch) {
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
	o.tell()
}

// wait returns when every batch that was cut before the call has been handed over, or with ctx's error.
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

// until returns when the condition holds, which is looked at after every handover, or with ctx's error.
func (o *outbox) until(ctx context.Context, holds func() bool) error {
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
