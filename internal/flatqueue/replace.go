package flatqueue

import (
	"context"
	"fmt"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// split is a message that was replaced by parts which live in this process only. The message stays
// hidden, and so keeps its place in its lane, until all parts are settled. If the process dies
// before, the message is received again, whole.
type split struct {
	job  string // ID of the job that the message carries
	left int    // parts that are not settled
}

// others reports whether more than one part is left.
func (s *split) others() bool { return s != nil && s.left > 1 }

// settlePart notes that a part is done. The caller holds q.mu.
func (q *Queue) settlePart(m *message) {
	if m.split == nil {
		return
	}
	q.taken.add(m.ID)
	if m.split.left--; m.split.left == 0 {
		q.settled.add(m.split.job)
	}
}

// Replace sends jobs with the First and the age of l, and deletes l. In an ordered lane the jobs
// take the place of l in this process instead, and its message is deleted when all of them are
// settled.
func (q *Queue) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	for i := range jobs {
		if jobs[i].Lane != l.Lane {
			return fmt.Errorf("queue: Replace: job %q is of lane %q; it must be of lane %q", jobs[i].ID, jobs[i].Lane, l.Lane)
		}
	}
	b, err := q.settle([]queue.Lease{l})
	if err != nil {
		return err
	}
	if b.failed != nil {
		return queue.ErrLeaseLost
	}
	m := b.messages[0]
	if err := q.checkSizes(jobs); err != nil {
		b.end([]error{err}, nil)
		return err
	}
	if l.Ordered && q.opts.Groups {
		if done, err := q.splitUp(m, jobs); done || err != nil {
			return err
		}
	} else if err := q.send(ctx, jobs, q.origin(m)); err != nil {
		b.end([]error{err}, nil)
		return err
	}
	b.end(q.remove(ctx, b.messages), q.set.Remove)
	return queue.ErrorOf(b.failed.Err(), 0)
}

// checkSizes refuses jobs that the store could not keep as dead letters.
func (q *Queue) checkSizes(jobs []queue.Job) error {
	for i := range jobs {
		if n := q.opts.MaxJobBytes; n > 0 && len(jobs[i].Data) > n {
			return fmt.Errorf("queue: Replace: job %q has %d bytes; %w", jobs[i].ID, len(jobs[i].Data), queue.ErrTooLarge)
		}
	}
	return nil
}

// origin returns what a message's parts have of it.
func (q *Queue) origin(m *message) Origin {
	o := Origin{Enqueued: q.set.Time(m.job.Enqueued())}
	if first, ok := m.job.First(); ok {
		o.First = q.set.Time(first)
	}
	return o
}

// splitUp puts those jobs that are not known in the place of a message. It does nothing and reports
// false if there is none.
func (q *Queue) splitUp(m *message, jobs []queue.Job) (done bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.tick()
	if m.job.State() == lanes.Gone {
		return false, queue.ErrLeaseLost
	}
	s := m.split
	if s == nil {
		s = &split{job: m.ID, left: 1}
	}
	var parts []*lanes.Job[*message]
	for i, job := range jobs {
		if q.known(job.ID) {
			continue
		}
		part := &message{Message: m.Message, until: m.until, limit: m.limit, parked: now, split: s}
		part.Job.Job = job
		part.MessageID = fmt.Sprintf("%s/%d", m.MessageID, i)
		part.job = q.set.New(job.Lane, job.Ordered, int64(len(job.Data)), part, now)
		part.job.Inherit(m.job)
		q.byID[part.MessageID], q.byJob[part.ID] = part, part
		parts = append(parts, part.job)
	}
	if len(parts) == 0 {
		return false, nil
	}
	s.left += len(parts) - 1
	q.set.Remove(m.job, now)
	q.forget(m)
	q.set.EnterFirst(parts...)
	q.lookBy(m.until - q.opts.Lease/2)
	return true, nil
}
