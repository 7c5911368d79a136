package webhook

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// slot is where events for one webhook are collected. It belongs to the webhook's identity: when
// the configuration changes, the new hook has the old one's slot.
type slot struct {
	account  account      // what it holds in the outbox
	line     []*waiter    // EmitWaits; guarded by the outbox's mutex
	sizeHint atomic.Int32 // size of the last full batch, for the next one's buffer
	maxBody  atomic.Int64 // largest body that the receiver is thought to accept; 0: any
	refused  atomic.Int64 // when it refused a larger one, in Unix nanoseconds

	mu   sync.Mutex
	open *batch
}

// batch is a job in the making: first its body, then all of it.
type batch struct {
	hook   *hook
	due    time.Time
	timeMS int64
	events int
	buf    []byte
	job    queue.Job // once it is packed
	size   int64     // what is reserved in the outbox
	open   bool      // guarded by the slot's mutex
	epoch  int       // of the outbox, when it was cut
	next   *batch
}

// batcher gathers events into batches and cuts them: when they are full, in Emit; when their time
// has come, in run.
type batcher struct {
	window   time.Duration // 0: every event is a batch
	maxCount int
	maxBytes int
	outbox   *outbox

	// Batches are due in the order in which they were opened, because the window is the same for
	// all: a list and one timer do for any number of webhooks.
	cutting    sync.Mutex // held by who takes batches off the list to cut them
	mu         sync.Mutex
	head, tail *batch
	closing    atomic.Bool // the emitter is closing: nothing waits any more
	wake       chan struct{}
}

// jobOverhead is the room for what a job has besides its events, charged to each batch.
const jobOverhead = 512

// envelopeRoom is how many bytes a job has besides its events and the names in its envelope; a few
// more do no harm.
const envelopeRoom = 352

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

// add appends an encoded event, for which room is reserved, to the webhook's open batch.
func (b *batcher) add(h *hook, event []byte) {
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
	if o.events > 0 {
		o.buf = append(o.buf, ',')
	}
	o.buf = append(o.buf, event...)
	o.events++
	o.size += reservation(event)
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
	if m > 0 && time.Now().UnixNano()-s.refused.Load() > int64(refusalLasts) {
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
	o := &batch{hook: h, timeMS: now.UnixMilli(), open: true, size: jobOverhead}
	b.outbox.charge(s, jobOverhead)
	room := size + envelopeRoom + len(h.lane) + len(h.app.key)
	if b.window > 0 {
		room = max(room, int(s.sizeHint.Load()))
	}
	o.buf = appendBodyStart(make([]byte, 0, room), o.timeMS)
	s.open = o
	if b.window > 0 {
		o.due = now.Add(b.window)
		b.schedule(o)
	}
}

func (b *batcher) schedule(o *batch) {
	b.mu.Lock()
	first := b.head == nil
	if first {
		b.head = o
	} else {
		b.tail.next = o
	}
	b.tail = o
	b.mu.Unlock()
	if first {
		notify(b.wake)
	}
}

// cut closes the slot's open batch and hands it to the outbox. The slot is locked, so that a
// webhook's batches enter the outbox in order.
func (b *batcher) cut(s *slot) {
	o := s.open
	s.open, o.open = nil, false
	o.buf = append(o.buf, bodyEnd...)
	s.sizeHint.Store(int32(min(len(o.buf)+jobOverhead, b.maxBytes+jobOverhead)))
	b.outbox.push(o)
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
	o = b.head
	if o == nil {
		return nil, time.Time{}
	}
	if !now.IsZero() && o.due.After(now) {
		return nil, o.due
	}
	if b.head = o.next; b.head == nil {
		b.tail = nil
	}
	o.next = nil
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
