package boltqueue

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Extend renews leases. It writes nothing.
func (q *Queue) Extend(_ context.Context, leases []queue.Lease) error {
	x, err := q.begin()
	if err != nil {
		return err
	}
	defer q.end()
	until := x.now() + int64(q.opts.Lease)
	var failed *queue.BatchError
	for i := range leases {
		e := x.held(leases[i].ID, leases[i].Receipt)
		if e == nil {
			failed = failed.Fail(i, queue.ErrLeaseLost)
			continue
		}
		e.at = until
		heap.Fix(&x.timers, int(e.timer))
	}
	return failed.Err()
}

// claim makes a leased job's entry settling, so that the lease does not end while its settlement is written. It
// is nil if the lease is lost.
func (x *index) claim(l *queue.Lease) *entry {
	e := x.held(l.ID, l.Receipt)
	if e != nil {
		x.move(e, settling)
	}
	return e
}

// unclaim undoes a claim.
func (x *index) unclaim(e *entry) { x.move(e, leased) }

// Ack settles delivered jobs. When the disk fails, none is settled.
func (q *Queue) Ack(ctx context.Context, leases []queue.Lease) error {
	if len(leases) == 0 {
		return nil
	}
	o := &ackOp{leases: slices.Clone(leases)}
	if err := q.do(ctx, o); err != nil {
		return err
	}
	return o.failed.Err()
}

type ackOp struct {
	leases  []queue.Lease
	entries []*entry // nil where the lease was lost
	failed  *queue.BatchError
}

func (o *ackOp) admit(x *index) bool {
	o.entries = make([]*entry, len(o.leases))
	for i := range o.leases {
		if o.entries[i] = x.claim(&o.leases[i]); o.entries[i] == nil {
			o.failed = o.failed.Fail(i, queue.ErrLeaseLost)
		}
	}
	return o.failed == nil || len(o.failed.Failed) < len(o.leases)
}

func (o *ackOp) write(t *tables) error {
	for i, e := range o.entries {
		if e == nil {
			continue
		}
		if err := t.removeJob(e.seq, o.leases[i].ID); err != nil {
			return err
		}
	}
	return nil
}

func (o *ackOp) finish(x *index, err error) {
	for _, e := range o.entries {
		switch {
		case e == nil:
		case err != nil:
			x.unclaim(e)
		default:
			x.remove(e)
		}
	}
}

// Nack gives jobs back. A release writes nothing, as a rule; when the disk fails, none of the others is given back.
func (q *Queue) Nack(ctx context.Context, nacks []queue.Nack) error {
	o := &nackOp{}
	if err := q.release(nacks, o); err != nil {
		return err
	}
	if len(o.nacks) > 0 {
		if err := q.do(ctx, o); err != nil {
			return err
		}
	}
	return o.failed.Err()
}

// release gives back the jobs that are only released, and puts the other nacks into o.
func (q *Queue) release(nacks []queue.Nack, o *nackOp) error {
	x, err := q.begin()
	if err != nil {
		return err
	}
	defer q.end()
	for i := len(nacks) - 1; i >= 0; i-- { // each release goes in front of the later ones
		n := &nacks[i]
		e := x.held(n.ID, n.Receipt)
		switch {
		case e == nil:
			o.failed = o.failed.Fail(i, queue.ErrLeaseLost)
		case n.Delay > 0 || n.Counted || e.suspect:
			o.nacks = append(o.nacks, nacking{Nack: *n, index: i})
		default:
			x.release(e)
		}
	}
	return nil
}

// nackOp gives back jobs whose progress changes.
type nackOp struct {
	nacks  []nacking
	failed *queue.BatchError
}

// nacking is one nack of a call.
type nacking struct {
	queue.Nack
	index int // in the call
	entry *entry
	to    progress
	until int64 // end of the delay on the index's clock
}

func (o *nackOp) admit(x *index) bool {
	some := false
	for i := range o.nacks {
		n := &o.nacks[i]
		if n.entry = x.claim(&n.Lease); n.entry == nil {
			o.failed = o.failed.Fail(n.index, queue.ErrLeaseLost)
			continue
		}
		n.plan(x)
		some = true
	}
	return some
}

// plan works out the job's progress after the nack.
func (n *nacking) plan(x *index) {
	n.to = n.entry.progress(0)
	if n.Counted {
		n.to.attempts++
	}
	if n.Counted || n.Delay > 0 {
		n.to.first = n.entry.first
	}
	if n.Delay > 0 {
		n.to.due = time.Now().Add(n.Delay).UnixNano()
		n.until = x.now() + int64(n.Delay)
	}
}

func (o *nackOp) write(t *tables) error {
	for i := range o.nacks {
		n := &o.nacks[i]
		if n.entry == nil {
			continue
		}
		if err := t.noteProgress(n.entry.seq, n.to); err != nil {
			return err
		}
	}
	return nil
}

func (o *nackOp) finish(x *index, err error) {
	for i := range o.nacks {
		n := &o.nacks[i]
		switch {
		case n.entry == nil:
		case err != nil:
			x.unclaim(n.entry)
		default:
			n.settle(x)
		}
	}
}

func (n *nacking) settle(x *index) {
	e := n.entry
	e.attempts, e.first, e.fresh = n.to.attempts, n.to.first, false
	switch {
	case n.Delay > 0:
		e.at = n.until
		x.move(e, delayed)
	case n.Counted:
		x.again(e)
	default:
		x.first(e)
	}
}

// Replace settles l and puts jobs in its place, in one step. Because l's room had been given already, and
// its parts are next in line, they are taken even if the queue is full.
func (q *Queue) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	for i := range jobs {
		if err := checkJob(&jobs[i]); err != nil {
			return err
		}
		if jobs[i].Lane != l.Lane {
			return fmt.Errorf("boltqueue: Replace: job %q is of lane %q; it must be of lane %q", jobs[i].ID, jobs[i].Lane, l.Lane)
		}
	}
	o := &replaceOp{lease: l, jobs: slices.Clone(jobs)}
	if err := q.do(ctx, o); err != nil {
		return err
	}
	return o.err
}

var errSplit = errors.New("boltqueue: the job was split too often, or into too many jobs, to keep its place")

// replaceOp settles a job and puts its parts in its place.
type replaceOp struct {
	lease queue.Lease
	jobs  []queue.Job
	whole *entry
	parts []*entry // nil for a job that is not taken
	err   error
}

func (o *replaceOp) admit(x *index) bool {
	if o.whole = x.claim(&o.lease); o.whole == nil {
		o.err = queue.ErrLeaseLost
		return false
	}
	seq, step, span, ok := o.whole.split(len(o.jobs))
	if !ok {
		o.err = errSplit
		x.unclaim(o.whole)
		return false
	}
	o.parts = make([]*entry, len(o.jobs))
	for i := range o.jobs {
		if h := x.hash(o.jobs[i].ID); !x.has(h) {
			o.parts[i] = x.add(h, &o.jobs[i], seq, span)
			o.parts[i].enqueued = o.whole.enqueued
		}
		seq += step
	}
	return true
}

func (o *replaceOp) write(t *tables) error {
	if err := t.removeJob(o.whole.seq, o.lease.ID); err != nil {
		return err
	}
	for i, e := range o.parts {
		if e == nil {
			continue
		}
		if err := t.putJob(e, &o.jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (o *replaceOp) finish(x *index, err error) {
	if o.err != nil {
		return
	}
	for i, e := range slices.Backward(o.parts) { // each goes in front of the later ones
		switch {
		case e == nil:
		case err != nil:
			x.forget(e, o.jobs[i].ID)
		default:
			x.recent.put(e.seq, &o.jobs[i])
			x.first(e)
		}
	}
	if err != nil {
		x.unclaim(o.whole)
	} else {
		x.remove(o.whole)
	}
}

// noteOp writes the progress of jobs whose leases ended by themselves, or of suspects before they are handed out.
// Nobody waits for the first kind: if it cannot be written, an attempt is not counted after a crash.
type noteOp struct {
	entries []*entry
	suspect bool // count the lease that has just begun
	notes   []note
}

type note struct {
	seq uint64
	progress
}

func (o *noteOp) admit(x *index) bool {
	for _, e := range o.entries {
		if e.state == gone {
			continue
		}
		n := note{seq: e.seq, progress: e.progress(0)}
		if o.suspect {
			n.first = e.first
			n.attempts++
		}
		o.notes = append(o.notes, n)
	}
	return len(o.notes) > 0
}

func (o *noteOp) write(t *tables) error {
	for _, n := range o.notes {
		if err := t.noteProgress(n.seq, n.progress); err != nil {
			return err
		}
	}
	return nil
}

func (o *noteOp) finish(*index, error) {}
