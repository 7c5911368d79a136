package webhook

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

// batch is a job in the making: first its body, then all of it.
type batch struct {
	hook     *hook
	due      time.Time // when it is cut at the latest
	timeMS   int64
	events   int
	buf      []byte
	job      queue.Job      // once it is packed
	sealedMS int64          // when the job was sealed
	size     int64          // bytes that it takes, which are charged in the outbox
	epoch    int            // of the outbox, when it was cut
	open     bool           // guarded by the slot's mutex
	listed   bool           // it is in the list of open batches
	receipts []batchReceipt // of the EmitSyncs that wait for it

	prev, next *batch // in the list of open batches
}

// batchReceipt is the receipt of the batch's event with this index.
type batchReceipt struct {
	*receipt
	event int
}

const (
	// batchOverhead is what a batch takes besides its buffer: its record, its job's ID, its places
	// in the lists of the outbox and the enqueuer, and the records of a lane that is blocked.
	batchOverhead = 640

	// envelopeRoom is how many bytes a job has besides its events and the names in its envelope; a
	// few more do no harm.
	envelopeRoom = 352

	// firstBuffer is the largest buffer that a batch begins with, since a webhook may have few
	// events in most windows and many in one. If a batch was full less than a window ago, the next
	// one begins with a buffer of that size.
	firstBuffer = 4 << 10
)

// smallestBatch is what a batch takes besides its event and the names in its envelope.
const smallestBatch = batchOverhead + envelopeRoom + bodyOverhead

// newBatch makes a batch with a buffer of this size.
func newBatch(h *hook, now time.Time, room int) *batch {
	o := &batch{hook: h, timeMS: now.UnixMilli(), due: now, open: true}
	o.buf = appendBodyStart(make([]byte, 0, room), o.timeMS)
	o.size = o.held()
	return o
}

// tail is the room for what comes after the events.
func tail(h *hook) int { return envelopeRoom + len(h.lane) + len(h.app.key) }

// held returns how many bytes the batch takes.
func (o *batch) held() int64 { return int64(cap(o.buf)) + batchOverhead }

// need returns how large the buffer has to be at least for one more event of n bytes.
func (o *batch) need(n int) int { return len(o.buf) + 1 + n + tail(o.hook) }

// roomFor returns how large the buffer has to be for one more event of n bytes. It doubles when it
// is full, up to the size of the largest body.
func (o *batch) roomFor(n, maxBody int) int {
	need := o.need(n)
	if need <= cap(o.buf) {
		return cap(o.buf)
	}
	return max(need, min(2*cap(o.buf), maxBody+tail(o.hook)))
}

// append adds an event, for which the buffer has room.
func (o *batch) append(event []byte, r *receipt) {
	if o.events > 0 {
		o.buf = append(o.buf, ',')
	}
	o.buf = append(o.buf, event...)
	if r != nil {
		r.add()
		o.receipts = append(o.receipts, batchReceipt{r, o.events})
	}
	o.events++
}

func (o *batch) resize(room int) {
	o.buf = append(make([]byte, 0, room), o.buf...)
	o.size = o.held()
}

// close ends the body. The buffer becomes the job's, which may be held for long, so what it has to
// spare is given back if that is much.
func (o *batch) close() {
	o.buf = append(o.buf, bodyEnd...)
	if need := len(o.buf) + tail(o.hook); cap(o.buf)-need > need/8 {
		o.resize(need)
	}
}

// packed makes the batch's job of its sealed data.
func (o *batch) packed(env *envelope, data []byte) {
	o.buf, o.sealedMS = nil, env.sealedMS
	o.job = queue.Job{ID: env.id, Lane: o.hook.lane, Ordered: o.hook.Ordered, Data: data}
}

// settle tells the EmitSyncs that wait for the batch that the queue has it, or why it never will.
func (o *batch) settle(err error) {
	for _, r := range o.receipts {
		r.done(err)
	}
	o.receipts = nil
}

// openBatches are the batches that a window's end will cut. Their windows are equal, so they are
// due in the order in which they were opened: a list and one timer do for any number of webhooks.
// One that is cut earlier leaves it, so that it keeps nothing that was delivered.
type openBatches struct{ head, tail *batch }

func (l *openBatches) push(o *batch) {
	o.listed = true
	if o.prev = l.tail; o.prev == nil {
		l.head = o
	} else {
		o.prev.next = o
	}
	l.tail = o
}

func (l *openBatches) remove(o *batch) {
	if !o.listed {
		return
	}
	if o.prev == nil {
		l.head = o.next
	} else {
		o.prev.next = o.next
	}
	if o.next == nil {
		l.tail = o.prev
	} else {
		o.next.prev = o.prev
	}
	o.listed, o.prev, o.next = false, nil, nil
}
