package boltqueue

import (
	"context"
	"slices"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/internal/limits"
	"github.com/pushhooks/webhook/queue"
)

// Extend renews leases, those that are being settled included. It writes nothing.
func (q *Queue) Extend(_ context.Context, leases []queue.Lease) error {
	x, now, err := q.begin()
	if err != nil {
		return err
	}
	defer q.end()
	var failed *queue.BatchError
	for i := range leases {
		if e := x.current(&leases[i]); e != nil {
			x.set.Extend(e, now+q.opts.Lease)
		} else {
			failed = failed.Fail(i, queue.ErrLeaseLost)
		}
	}
	return failed.Err()
}

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

func (o *ackOp) admit(x *index, now time.Duration) bool {
	o.entries = make([]*entry, len(o.leases))
	for i := range o.leases {
		e := x.claim(&o.leases[i], now)
		if e == nil {
			o.failed = o.failed.Fail(i, queue.ErrLeaseLost)
			continue
		}
		o.entries[i] = e
		if x.set.Succeed(e, now) { // it did, whether or not this can be written
			x.changed(e.Lane().Name)
		}
	}
	return o.failed == nil || len(o.failed.Failed) < len(o.leases)
}

func (o *ackOp) write(t *tables) error {
	for i, e := range o.entries {
		if e != nil {
			t.settle(e, o.leases[i].ID)
		}
	}
	return nil
}

func (o *ackOp) finish(x *index, now time.Duration, err error) {
	for _, e := range o.entries {
		switch {
		case e == nil:
		case err != nil:
			x.set.Abort(e)
		default:
			x.set.Remove(e, now)
		}
	}
}

// Release gives jobs back unused. Those of one call keep their order. Unless one of them was in the
// file at a crash, nothing is written.
func (q *Queue) Release(ctx context.Context, leases []queue.Lease) error {
	nacks := make([]queue.Nack, len(leases))
	for i := range leases {
		nacks[i].Lease = leases[i]
	}
	return q.Nack(ctx, nacks)
}

// Nack gives jobs back that were worked on. When the disk fails, none is given back.
func (q *Queue) Nack(ctx context.Context, nacks []queue.Nack) error {
	if released, err := q.releaseUnwritten(nacks); released {
		return err
	}
	o := &nackOp{nacks: make([]nackEntry, len(nacks))}
	for i := range nacks {
		o.nacks[i].Nack = nacks[i]
		o.nacks[i].Delay = min(nacks[i].Delay, limits.Delay)
	}
	if err := q.do(ctx, o); err != nil {
		return err
	}
	return o.failed.Err()
}

// isRelease reports whether a Nack gives its job back unused.
func isRelease(n *queue.Nack) bool { return n.Delay <= 0 && !n.Counted }

// releaseUnwritten gives jobs back without the committer, if the file need not learn of any of
// them.
func (q *Queue) releaseUnwritten(nacks []queue.Nack) (released bool, err error) {
	x, now, err := q.begin()
	if err != nil {
		return true, err
	}
	defer q.end()
	for i := range nacks {
		if !isRelease(&nacks[i]) {
			return false, nil
		}
		if e := x.current(&nacks[i].Lease); e != nil && e.Value.suspect {
			return false, nil
		}
	}
	var failed *queue.BatchError
	for i := range slices.Backward(nacks) { // each goes in front of the later ones
		if e := x.current(&nacks[i].Lease); e != nil && e.State() == lanes.Leased {
			x.set.Release(e, now)
		} else {
			failed = failed.Fail(i, queue.ErrLeaseLost)
		}
	}
	return true, failed.Err()
}

// nackOp gives back jobs.
type nackOp struct {
	nacks  []nackEntry
	failed *queue.BatchError
}

// nackEntry is one job of a nackOp.
type nackEntry struct {
	queue.Nack
	entry *entry // nil if the lease was lost
	to    progress
}

func (o *nackOp) admit(x *index, now time.Duration) bool {
	any := false
	for i := range o.nacks {
		n := &o.nacks[i]
		if n.entry = x.claim(&n.Lease, now); n.entry == nil {
			o.failed = o.failed.Fail(i, queue.ErrLeaseLost)
			continue
		}
		n.plan(x, now)
		any = true
	}
	return any
}

// plan works out the job's progress after the nack.
func (n *nackEntry) plan(x *index, now time.Duration) {
	n.to = x.progress(n.entry)
	if isRelease(&n.Nack) {
		return
	}
	n.to.returned = true
	if n.Counted {
		n.to.attempts++
		if n.to.first == 0 {
			n.to.first = x.unix(n.entry.Began())
		}
	}
	if n.Delay > 0 {
		n.to.delay = int64(n.Delay)
		n.to.due = x.unix(now + n.Delay)
	}
}

func (o *nackOp) write(t *tables) error {
	for i := range o.nacks {
		n := &o.nacks[i]
		if n.entry == nil {
			continue
		}
		if err := t.noteProgress(n.entry.Value.seq, n.to); err != nil {
			return err
		}
	}
	return nil
}

func (o *nackOp) finish(x *index, now time.Duration, err error) {
	for i := range o.nacks {
		switch n := &o.nacks[i]; {
		case n.entry == nil:
		case err != nil:
			x.set.Abort(n.entry)
		case !isRelease(&n.Nack):
			x.set.Nack(n.entry, n.Delay, n.Counted, now)
		}
	}
	if err != nil {
		return
	}
	for i := range slices.Backward(o.nacks) { // each goes in front of the later ones
		if n := &o.nacks[i]; n.entry != nil && isRelease(&n.Nack) {
			x.set.Release(n.entry, now)
		}
	}
}

// note is a job's progress to write.
type note struct {
	seq uint64
	progress
}

// noteOp writes the progress of jobs whose leases ended by themselves. Nobody waits for it: if it
// cannot be written, an attempt is not counted after a crash.
type noteOp struct {
	entries []*entry
	notes   []note
}

func (o *noteOp) admit(x *index, _ time.Duration) bool {
	for _, e := range o.entries {
		if e.State() != lanes.Gone {
			o.notes = append(o.notes, note{e.Value.seq, x.progress(e)})
		}
	}
	return len(o.notes) > 0
}

func (o *noteOp) write(t *tables) error               { return t.noteAll(o.notes) }
func (o *noteOp) finish(*index, time.Duration, error) {}
