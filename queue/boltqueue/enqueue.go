package boltqueue

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// Enqueue takes jobs, as many as there is room for, and returns when they are on the disk. Their
// Data is not copied. When the disk fails, none of the jobs is taken.
func (q *Queue) Enqueue(ctx context.Context, jobs []queue.Job) error {
	if len(jobs) == 0 {
		return nil
	}
	o := &enqueueOp{opts: &q.opts, jobs: slices.Clone(jobs)}
	if err := q.do(ctx, o); err != nil {
		return err
	}
	return o.failed.Err()
}

// enqueueOp takes jobs at the end of their lanes.
type enqueueOp struct {
	opts    *Options
	jobs    []queue.Job
	entries []*entry // nil for a job that is not taken
	failed  *queue.BatchError
}

func (o *enqueueOp) admit(x *index, now time.Duration) bool {
	o.entries = make([]*entry, len(o.jobs))
	var refused map[string]bool // ordered lanes
	any := false
	for i := range o.jobs {
		job := &o.jobs[i]
		h := x.hash(job.ID)
		if x.has(h) {
			continue
		}
		if err := o.refuse(x, job, refused[job.Lane]); err != nil {
			o.failed = o.failed.Fail(i, err)
			if job.Ordered {
				refused = with(refused, job.Lane)
			}
			continue
		}
		o.entries[i] = x.add(h, job, x.newSeq(), seqSpan, now)
		any = true
	}
	return any
}

// with returns set with name in it.
func with(set map[string]bool, name string) map[string]bool {
	if set == nil {
		set = make(map[string]bool)
	}
	set[name] = true
	return set
}

// refuse returns why a job is not taken. Behind reports that an earlier one of its lane was
// refused.
func (o *enqueueOp) refuse(x *index, job *queue.Job, behind bool) error {
	if err := checkJob(job); err != nil {
		return err
	}
	if behind && job.Ordered {
		return fmt.Errorf("an earlier job of the ordered lane %q was refused: %w", job.Lane, queue.ErrFull)
	}
	return x.room(o.opts, job)
}

// checkJob returns what is wrong with a job's names.
func checkJob(job *queue.Job) error {
	if len(job.ID) < 1 || len(job.ID) > maxID {
		return fmt.Errorf("boltqueue: job ID of %d bytes; it must have 1 to %d", len(job.ID), maxID)
	}
	for _, c := range []byte(job.ID) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("boltqueue: job ID %q; it must be printable ASCII without spaces", job.ID)
		}
	}
	if err := checkLane(job.Lane); err != nil {
		return fmt.Errorf("boltqueue: job %s: %w", job.ID, err)
	}
	return nil
}

func checkLane(name string) error {
	if len(name) < 1 || len(name) > maxLane || !utf8.ValidString(name) {
		return fmt.Errorf("lane %q; it must be valid UTF-8 of 1 to %d bytes", name, maxLane)
	}
	return nil
}

// room returns why a job does not fit, or nil.
func (x *index) room(opts *Options, job *queue.Job) error {
	size := int64(len(job.Data))
	if limit := opts.maxJob(); size > limit {
		return fmt.Errorf("%w: it has %d bytes, of at most %d", queue.ErrTooLarge, size, limit)
	}
	switch x.set.Room(job.Lane, size, opts.bounds()) {
	case lanes.LaneFull:
		return fmt.Errorf("lane %q holds its share: %w", job.Lane, queue.ErrFull)
	case lanes.FailingFull:
		return fmt.Errorf("lane %q: %w", job.Lane, queue.ErrLaneFailing)
	case lanes.Fits:
		return nil
	}
	return queue.ErrFull
}

func (o *enqueueOp) write(t *tables) error {
	for i, e := range o.entries {
		if e == nil {
			continue
		}
		if err := t.putJob(e, &o.jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (o *enqueueOp) finish(x *index, now time.Duration, err error) {
	for i, e := range o.entries {
		if e != nil {
			x.arrive(e, &o.jobs[i], now, err)
		}
	}
}

// arrive makes a new job ready, the last of its lane, or forgets it if it could not be written.
func (x *index) arrive(e *entry, job *queue.Job, now time.Duration, err error) {
	if err != nil {
		x.forget(e, job.ID, now)
		return
	}
	x.recent.put(e.Value.seq, job)
	x.set.Enter(e)
}
