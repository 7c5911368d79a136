package boltqueue

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/pushhooks/webhook/queue"
)

// Enqueue takes jobs, as many as there is room for, and returns when they are on the disk. Their Data
// is not copied. When the disk fails, none of the jobs is taken.
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

func (o *enqueueOp) admit(x *index) bool {
	o.entries = make([]*entry, len(o.jobs))
	var refused map[string]bool // ordered lanes
	some := false
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
		o.entries[i] = x.add(h, job, x.newSeq(), seqSpan)
		some = true
	}
	return some
}

// with returns set with name in it.
func with(set map[string]bool, name string) map[string]bool {
	if set == nil {
		set = make(map[string]bool)
	}
	set[name] = true
	return set
}

// refuse says why a job is not taken. Behind says that an earlier one of its lane was refused.
func (o *enqueueOp) refuse(x *index, job *queue.Job, behind bool) error {
	if err := checkJob(job); err != nil {
		return err
	}
	if behind && job.Ordered {
		return fmt.Errorf("an earlier job of the ordered lane %q was refused: %w", job.Lane, queue.ErrFull)
	}
	return x.room(o.opts, job.Lane, int64(len(job.Data)))
}

// checkJob says what is wrong with a job's names.
func checkJob(job *queue.Job) error {
	if len(job.ID) < 1 || len(job.ID) > maxID {
		return fmt.Errorf("boltqueue: job ID of %d bytes; it must have 1 to %d", len(job.ID), maxID)
	}
	for _, c := range []byte(job.ID) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("boltqueue: job ID %q; it must be printable ASCII without spaces", job.ID)
		}
	}
	if len(job.Lane) < 1 || len(job.Lane) > maxLane || !utf8.ValidString(job.Lane) {
		return fmt.Errorf("boltqueue: job %s: lane %q; it must be valid UTF-8 of 1 to %d bytes", job.ID, job.Lane, maxLane)
	}
	return nil
}

// greed is how many times the free room a lane may hold; see [queue.Memory].
const greed = 16

// room says why a job of that size does not fit, or nil.
func (x *index) room(opts *Options, name string, size int64) error {
	if most := min(opts.MaxBytes, maxData); size > most {
		return fmt.Errorf("%w: it has %d bytes, of at most %d", queue.ErrTooLarge, size, most)
	}
	freeJobs, freeBytes := opts.MaxJobs-x.live(), opts.MaxBytes-x.bytes
	if freeJobs < 1 || freeBytes < size {
		return queue.ErrFull
	}
	if l := x.lanes[name]; l != nil && (l.jobs/greed >= freeJobs || l.bytes/greed >= freeBytes) {
		return fmt.Errorf("lane %q holds its share: %w", name, queue.ErrFull)
	}
	return nil
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

func (o *enqueueOp) finish(x *index, err error) {
	for i, e := range o.entries {
		if e != nil {
			x.arrive(e, &o.jobs[i], err)
		}
	}
}

// arrive makes a new job ready, the last of its lane, or forgets it if it could not be written.
func (x *index) arrive(e *entry, job *queue.Job, err error) {
	if err != nil {
		x.forget(e, job.ID)
		return
	}
	x.recent.put(e.seq, job)
	e.at = int64(e.seq)
	x.move(e, ready)
}

// forget removes a new job that could not be written.
func (x *index) forget(e *entry, id string) {
	delete(x.known, x.hash(id))
	x.remove(e)
}
