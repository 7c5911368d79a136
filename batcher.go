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
	account account // what it holds in the outbox
	// the account counts as failing because the queue has no room for new webhooks
	untried atomic.Bool
	worked  atomic.Bool  // it has taken a delivery of this process
	line    []*waiter    // EmitWaits; guarded by the outbox's mutex
	queued  atomic.Int32 // their number
	// largest body that the receiver and the queue are thought to accept; 0: any
	maxBody atomic.Int64
	refused atomic.Int64          // when it refused a larger one, in Unix nanoseconds
	dropped atomic.Int64          // events for which it had no room
	tally   atomic.Pointer[tally] // of its attempts; nil: none is kept

	lost    atomic.Uint32 // events for which it had no room since a line told of some
	failing atomic.Bool   // the log knows it as failing

	mu       sync.Mutex
	open     *batch
	sizeHint int       // a little more than the size of the last batch's body
	filled   time.Time // when a batch was last full before its time
}

// isFailing reports whether EmitWait does not wait for the webhook.
func (s *slot) isFailing() bool { return s.account.isFailing() && !s.untried.Load() }

// batcher gathers events into batches and cuts them: when they are full, in Emit; when their time
// has come, in run.
type batcher struct {
	window   time.Duration // 0: every event is a batch
	maxCount int
	maxBytes int // of a body
	maxJob   int // of a job's Data; 0: any
	outbox   *outbox

	cutting sync.Mutex // held while batches are taken off the list and cut
	mu      sync.Mutex
	list    openBatches // open batches; guarded by mu
	closing atomic.Bool // the emitter is closing: nothing waits any more
	wake    chan struct{}
}

// reservation is the room that an encoded event takes in a batch: its own and a comma's.
func reservation(event []byte) int64 { return int64(len(event)) + 1 }

func newBatcher(b Batching, maxJob int, out *outbox) *batcher {
	window := b.Duration
	if b.Disabled {
		window = 0
	}
	count := b.Size
	if count < 0 {
		count = 1 << 30
	}
	return &batcher{window: window, maxCount: count, maxBytes: b.Bytes, maxJob: maxJob, outbox: out, wake: make(chan struct{}, 1)}
}

// offer appends an encoded event to the webhook's open batch if the outbox has room for it. It
// counts the event before anything can happen to it.
func (b *batcher) offer(h *hook, event []byte, m emitMode, count *atomic.Int64) room {
	h.slot.mu.Lock()
	defer h.slot.mu.Unlock()
	found := b.makeRoomNow(h, len(event), m.waits())
	if found == roomFound {
		count.Add(1)
		b.append(h.slot, event, m.receipt)
	}
	return found
}

// prepare makes room for an event in the open batches of the hooks, as roomAt says.
func (b *batcher) prepare(hooks []*hook, f *forms, waits bool) (int, room) {
	return roomAt(hooks, waits, func(h *hook) room {
		h.slot.mu.Lock()
		defer h.slot.mu.Unlock()
		return b.makeRoomNow(h, len(f.of(h)), waits)
	}, func(n int) { b.unprepare(hooks[:n]) })
}

// unprepare takes back what prepare did where no event has come since.
func (b *batcher) unprepare(hooks []*hook) {
	for _, h := range hooks {
		h.slot.mu.Lock()
		if o := h.slot.open; o != nil && o.events == 0 {
			b.cut(h.slot, false)
		}
		h.slot.mu.Unlock()
	}
}

// add appends an encoded event to the webhook's open batch, whether the outbox has room or not:
// reserved bytes were set aside for the event, or its batch was prepared. Without room the batch
// grows by no more than the event needs. What it needs less than was reserved is given back.
func (b *batcher) add(h *hook, event []byte, reserved int64, r *receipt) {
	h.slot.mu.Lock()
	defer h.slot.mu.Unlock()
	if b.makeRoom(h, len(event), &reserved) != roomFound {
		b.makeExactRoom(h, len(event))
		b.outbox.changed()
	}
	b.append(h.slot, event, r)
	if reserved > 0 {
		b.outbox.charge(h.slot, -reserved)
	}
}

// makeRoomNow is makeRoom for an event that has no bytes reserved. One that may wait leaves the
// room to those that wait already, but an event that fits the open batch as it is takes none: so at
// full speed a webhook's producers wait once a batch, and not once an event. The slot is locked.
func (b *batcher) makeRoomNow(h *hook, n int, waits bool) room {
	if waits && b.outbox.line.length.Load() > 0 && (h.slot.queued.Load() > 0 || !b.fits(h, n)) {
		return othersFirst
	}
	var none int64
	return b.makeRoom(h, n, &none)
}

// fits reports whether the slot's open batch has room for an event of n bytes. The slot is locked.
func (b *batcher) fits(h *hook, n int) bool {
	o := h.slot.open
	return o != nil && !b.exceeds(h, n) && o.need(n) <= cap(o.buf)
}

// exceeds reports whether the body would be too long with an event of n bytes more.
func (b *batcher) exceeds(h *hook, n int) bool {
	return len(h.slot.open.buf)+n+len(bodyEnd)+1 > b.limit(h)
}

// step returns how many bytes of the outbox the webhook's batch takes next, for an event of n bytes
// and those that will probably follow.
func (b *batcher) step(h *hook, n int) int64 {
	h.slot.mu.Lock()
	defer h.slot.mu.Unlock()
	if o := h.slot.open; o != nil && !b.exceeds(h, n) {
		return int64(o.roomFor(n, b.maxBytes) - cap(o.buf))
	}
	return int64(b.firstRoom(h, n, time.Now())) + batchOverhead
}

// makeRoom has the slot's open batch ready for an event of n bytes: it opens one, or enlarges its
// buffer, with bytes of the outbox, first of all with those that are reserved. Most events fit the
// buffer as it is, and cost the outbox nothing. The slot is locked.
func (b *batcher) makeRoom(h *hook, n int, reserved *int64) room {
	s := h.slot
	if s.open != nil && b.exceeds(h, n) {
		b.cut(s, true)
	}
	if s.open == nil {
		now := time.Now()
		size := b.firstRoom(h, n, now)
		if found := b.outbox.claim(s, int64(size)+batchOverhead, int64(n), reserved); found != roomFound {
			return found
		}
		b.start(h, size, now)
		return roomFound
	}
	size := s.open.roomFor(n, b.maxBytes)
	if size == cap(s.open.buf) {
		return roomFound
	}
	found := b.outbox.claim(s, int64(size-cap(s.open.buf)), int64(n), reserved)
	if found == roomFound {
		s.open.resize(size)
	}
	return found
}

// makeExactRoom has the slot's open batch ready for an event of n bytes, with no byte to spare and
// whether the outbox has room or not. The slot is locked, and makeRoom has found no room.
func (b *batcher) makeExactRoom(h *hook, n int) {
	s := h.slot
	if s.open == nil {
		size := n + bodyOverhead + tail(h)
		b.outbox.charge(s, int64(size)+batchOverhead)
		b.start(h, size, time.Now())
		return
	}
	size := s.open.need(n)
	b.outbox.charge(s, int64(size-cap(s.open.buf)))
	s.open.resize(size)
}

// firstRoom returns how large the buffer of the webhook's next batch should be, for an event of n
// bytes and, if events are gathered, for those that will probably follow.
func (b *batcher) firstRoom(h *hook, n int, now time.Time) int {
	room := n + bodyOverhead
	if b.window > 0 {
		hint := h.slot.sizeHint
		if hint > firstBuffer && now.Sub(h.slot.filled) > b.window {
			hint = firstBuffer
		}
		room = max(room, hint)
	}
	return room + tail(h)
}

// append adds an event to the slot's open batch, which has room for it.
func (b *batcher) append(s *slot, event []byte, r *receipt) {
	s.open.append(event, r)
	if s.open.events >= b.maxCount || b.window == 0 || b.closing.Load() {
		b.cut(s, true)
	}
}

// limit returns how large a body of several events may be.
func (b *batcher) limit(h *hook) int {
	limit := b.maxBytes
	if m := h.slot.bodyLimit(); m > 0 {
		limit = min(limit, int(m))
	}
	if b.maxJob > 0 {
		limit = min(limit, b.maxJob-tail(h))
	}
	return limit
}

// refusalLasts is how long a receiver's refusal of a body's size is remembered.
const refusalLasts = 10 * time.Minute

// bodyLimit returns the largest body that the receiver and the queue are thought to accept, or 0
// for any.
func (s *slot) bodyLimit() int64 {
	m := s.maxBody.Load()
	if m == 0 {
		return 0
	}
	// or the clock was set back
	if age := time.Now().UnixNano() - s.refused.Load(); age < 0 || age > int64(refusalLasts) {
		return 0
	}
	return m
}

// refuse remembers that a body of this size is too large for the receiver, or for the queue.
func (s *slot) refuse(size int) {
	half := int64(max(size/2, 1))
	if now := s.bodyLimit(); now > 0 && now < half {
		return
	}
	s.refused.Store(time.Now().UnixNano())
	s.maxBody.Store(half)
}

// start opens a batch with a buffer of this size. The slot is locked and has none.
func (b *batcher) start(h *hook, room int, now time.Time) {
	o := newBatch(h, now, room)
	h.slot.open = o
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

// cut closes the slot's open batch, because it is full or because its time has come, and hands it
// to the outbox, or forgets it if it was prepared and has got no event. The slot is locked, so that
// a webhook's batches enter the outbox in order. The batch leaves the list last: flush finds it
// there, or in the outbox.
func (b *batcher) cut(s *slot, full bool) {
	o := s.open
	s.open, o.open = nil, false
	if o.events == 0 {
		b.outbox.charge(s, -o.size)
	} else {
		if s.sizeHint = len(o.buf) + len(o.buf)/16; full {
			s.filled = time.Now()
		}
		charged := o.size
		o.close()
		if o.size != charged {
			b.outbox.charge(s, o.size-charged)
		}
		b.outbox.push(o)
	}
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
			b.cut(s, false)
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
