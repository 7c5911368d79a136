package boltqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Replace settles l and puts jobs in its place, in one step. Because l's room had been given
// already, and its parts are next in line, they are taken even if the queue is full.
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

func (o *replaceOp) admit(x *index, now time.Duration) bool {
	if o.whole = x.claim(&o.lease, now); o.whole == nil {
		o.err = queue.ErrLeaseLost
		return false
	}
	seq, step, span, ok := o.whole.Value.split(len(o.jobs))
	if !ok {
		o.err = errSplit
		x.set.Abort(o.whole)
		return false
	}
	o.parts = make([]*entry, len(o.jobs))
	for i := range o.jobs {
		if h := x.hash(o.jobs[i].ID); !x.has(h) {
			o.parts[i] = x.add(h, &o.jobs[i], seq, span, now)
			o.parts[i].Inherit(o.whole)
		}
		seq += step
	}
	return true
}

func (o *replaceOp) write(t *tables) error {
	if err := t.deleteJob(o.whole.Value.seq); err != nil { // at once, since a part has its number
		return err
	}
	t.marked = append(t.marked, t.x.marker(o.lease.ID))
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

func (o *replaceOp) finish(x *index, now time.Duration, err error) {
	if o.err != nil {
		return
	}
	if err != nil {
		x.set.Abort(o.whole)
	} else {
		x.set.Remove(o.whole, now)
	}
	for i, e := range slices.Backward(o.parts) { // each goes in front of the later ones
		switch {
		case e == nil:
		case err != nil:
			x.forget(e, o.jobs[i].ID, now)
		default:
			x.recent.put(e.Value.seq, &o.jobs[i])
			x.set.EnterFirst(e)
		}
	}
}
