package sqsqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// split is a message that was replaced by parts which live in this process only. The
// message stays in flight, and so keeps its place in its group, until all parts are settled.
// If the process dies before, the message is received again, whole.
type split struct {
	job  string // id of the job that the message carries
	left int    // parts that are not settled
}

// others tells whether more than one part is left.
func (s *split) others() bool { return s != nil && s.left > 1 }

// settlePart notes that a part is done. The caller holds q.mu.
func (q *Queue) settlePart(m *message) {
	if m.split == nil {
		return
	}
	q.taken.add(m.job.ID)
	if m.split.left--; m.split.left == 0 {
		q.acked.add(m.split.job)
	}
}

// Replace implements queue.Queue. In an ordered lane the jobs take the place of l in this
// process, and the message is deleted when all of them are settled. In other lanes they are
// enqueued before l is acked, and are the last of the lane.
func (q *Queue) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	if q.isClosed() {
		return queue.ErrClosed
	}
	if _, lost := q.lookUp([]queue.Lease{l}); lost != nil {
		return queue.ErrLeaseLost
	}
	if l.Ordered && q.opts.FIFO {
		return q.splitOrdered(ctx, l, jobs)
	}
	if err := q.Enqueue(ctx, jobs); err != nil {
		return err
	}
	return queue.ErrorOf(q.Ack(ctx, []queue.Lease{l}), 0)
}

func (q *Queue) splitOrdered(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	if err := q.fitting(jobs); err != nil {
		return err
	}
	q.mu.Lock()
	m := q.current(l.Receipt, time.Now())
	if m == nil {
		q.mu.Unlock()
		return queue.ErrLeaseLost
	}
	parts := q.partsOf(m, jobs)
	if len(parts) > 0 {
		q.park.replace(m, parts)
		q.broadcast()
		q.mu.Unlock()
		q.wakeKeeper()
		return nil
	}
	q.mu.Unlock()
	return queue.ErrorOf(q.Ack(ctx, []queue.Lease{l}), 0)
}

// fitting refuses parts that could not be dead-lettered.
func (q *Queue) fitting(jobs []queue.Job) error {
	for _, job := range jobs {
		if size, limit := encode(job).size, q.maxSize-deadRoom; size > limit {
			return fmt.Errorf("sqsqueue: job %s has %d bytes, the queue takes %d: %w", job.ID, size, limit, queue.ErrTooLarge)
		}
	}
	return nil
}

// partsOf makes messages of those jobs that are not known. The caller holds q.mu.
func (q *Queue) partsOf(m *message, jobs []queue.Job) (parts []*message) {
	for i, job := range jobs {
		if q.taken.has(job.ID) || q.acked.has(job.ID) || q.park.byJob[job.ID] != nil {
			continue
		}
		parts = append(parts, &message{
			job: job, id: fmt.Sprintf("%s/%d", m.id, i), handle: m.handle,
			sent: m.sent, until: m.until, limit: m.limit,
		})
	}
	s := m.split
	if s == nil {
		s = &split{job: m.job.ID, left: 1}
	}
	if len(parts) > 0 {
		s.left += len(parts) - 1
	}
	for _, part := range parts {
		part.split = s
	}
	return parts
}
