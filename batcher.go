package webhook

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// slot is where events for one webhook are collected. It belongs to the webhook's identity: when
// the configuration changes, the new hook has the old one's slot.
type slot struct {
	account  account      // what it holds in the outbox
	untried  atomic.Bool  // the account counts as failing because the queue has no room for new webhooks
	worked   atomic.Bool  // it has taken a delivery of this process
	line     []*waiter    // EmitWaits; guarded by the outbox's mutex
	sizeHint atomic.Int32 // size of the last batch's body, for the next one's buffer
	maxBody  atomic.Int64 // largest body that the receiver is thought to accept; 0: any
	refused  atomic.Int64 // when it refused a larger one, in Unix nanoseconds

	mu   sync.Mutex
	open *batch
}

// batcher gathers events into batches and cuts them: when they are full, in Emit; when their time
// has come, in run.
type batcher struct {
	window   time.Duration // 0: every event is a batch
	maxCount int
	maxBytes int
	outbox   *outbox

	cutting sync.Mutex // held while batches are taken off the list and cut
	mu      sync.Mutex
	list    openBatches // open batches; guarded by mu
	closing atomic.Bool // the emitter is closing: nothing waits any more
	wake    chan struct{}
}

// reservation is the room that an encoded event takes in the outbox: its own and a comma's.
func reservation(event []byte) int64 { return int64(len(event)) + 1 }

func newBatcher(b Batching, out *outbox) *batcher {
	window := b.Duration
	if b.Disabled {
		window = 0
	}
	count := b.Size
	if count < 0 {
		count = 1 << 30
	}
	return &batcher{window: window, maxCount: count, maxBytes: b.Bytes, outbox: out, wake: make(chan struct{}, 1)}
}

// add appends an encoded event, for which room is reserved, to the webhook's open batch. The receipt
// is an EmitSync's, or nil.
func (b *batcher) add(h *hook, event []byte, receipt *receipt) {
	s := h.slot
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.open; o != nil && len(o.buf)+len(event)+len(bodyEnd)+1 > b.limit(s) {
		b.cut(s)
	}
	if s.open == nil {
		b.start(h, len(event))
	}
	o := s.open
	o.append(event, receipt, b.maxBytes)
	b.outbox.charge(s, o.underCharged())
	if o.events >= b.maxCount || b.window == 0 || b.closing.Load() {
		b.cut(s)
	}
}

func (b *batcher) limit(s *slot) int {
	if m := s.bodyLimit(); m > 0 {
		return min(b.maxBytes, int(m))
	}
	return b.maxBytes
}

// refusalLasts is how long a receiver's refusal of a body's size is remembered.
const refusalLasts = 10 * time.Minute

// bodyLimit returns the largest body that the receiver is thought to accept, or 0 for any.
func (s *slot) bodyLimit() int64 {
	m := s.maxBody.Load()
	if m == 0 {
		return 0
	}
	if age := time.Now().UnixNano() - s.refused.Load(); age < 0 || age > int64(refusalLasts) { // or the clock was set back
		return 0
	}
	return m
}

// refuse remembers that a body of this size is too large for the receiver.
func (s *slot) refuse(size int) {
	half := int64(max(size/2, 1))
	if now := s.bodyLimit(); now > 0 && now < half {
		return
	}
	s.refused.Store(time.Now().UnixNano())
	s.maxBody.Store(half)
}

// start opens a batch for an event of this size. The slot is locked and has none.
func (b *batcher) start(h *hook, size int) {
	s := h.slot
	now := time.Now()
	o := newBatch(h, now, size, b.window > 0)
	b.outbox.charge(s, o.size)
	s.open = o
	if b.window == 0 {
		return
	}
	o.due = now.Add(b.window)
	b.mu.Lock()
	first := b.list.head == nil
	b.list.push(o)
	b.mu.Unlock()
	if first {
		notify(b.wake)
	}
}

// cut closes the slot's open batch and hands it to the outbox. The slot is locked, so that a
// webhook's batches enter the outbox in order. The batch leaves the list last: flush finds it there,
// or in the outbox.
func (b *batcher) cut(s *slot) {
	o := s.open
	s.open, o.open = nil, false
	s.sizeHint.Store(int32(len(o.buf)))
	o.close()
	b.outbox.charge(s, -o.overCharged())
	b.outbox.push(o)
	b.mu.Lock()
	b.list.remove(o)
	b.mu.Unlock()
}

// flush cuts every batch that is open now. When it returns, those that run was about to cut have
// been cut too.
func (b *batcher) flush() { b.cutDue(time.Now().Add(b.window)) }

// cutDue cuts the batches that are due at the time, or all of them if it is zero, and returns when
// the next one is, or zero.
func (b *batcher) cutDue(now time.Time) time.Time {
	b.cutting.Lock()
	defer b.cutting.Unlock()
	for {
		o, next := b.take(now)
		if o == nil {
			return next
		}
		s := o.hook.slot
		s.mu.Lock()
		if o.open {
			b.cut(s)
		}
		s.mu.Unlock()
	}
}

func (b *batcher) take(now time.Time) (o *batch, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o = b.list.head
	if o == nil {
		return nil, time.Time{}
	}
	if !now.IsZero() && o.due.After(now) {
		return nil, o.due
	}
	b.list.remove(o)
	return o, time.Time{}
}

// run cuts batches when they are due, until ctx ends.
func (b *batcher) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		var now time.Time
		if !b.closing.Load() {
			now = time.Now()
		}
		if next := b.cutDue(now); !next.IsZero() {
			// A millisecond's grace lets one wake-up serve many batches.
			timer.Reset(max(next.Sub(now), time.Millisecond))
		}
		select {
		case <-timer.C:
		case <-b.wake:
		case <-ctx.Done():
			return
		}
	}
}

// finish makes every batch, open or to come, due at once.
func (b *batcher) finish() {
	b.closing.Store(true)
	notify(b.wake)
}
