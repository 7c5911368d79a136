package webhook

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/queue"
)

// guardedQueue is a queue whose panics are errors. The enqueuer and the scheduler use it. Texts that
// come from the driver, and reasons that go to it, are one line of at most 1 KiB.
type guardedQueue struct {
	queue.Queue
	log *logger
}

var errQueuePanicked = errors.New("webhook: the queue panicked")

// recovered is deferred in each method.
func (q *guardedQueue) recovered(err *error) {
	if v := recover(); v != nil {
		q.log.panicked("queue", panicText(v), debug.Stack())
		*err = errQueuePanicked
	}
	*err = shortened(*err)
}

// shortened returns an error of a queue, which may hold what a server or another program wrote, with
// its text on one line.
func shortened(err error) error {
	var batch *queue.BatchError
	if errors.As(err, &batch) {
		for i := range batch.Failed {
			batch.Failed[i] = oneline.Error(batch.Failed[i])
		}
	}
	return oneline.Error(err)
}

func (q *guardedQueue) Enqueue(ctx context.Context, jobs []queue.Job) (err error) {
	defer q.recovered(&err)
	return q.Queue.Enqueue(ctx, jobs)
}

func (q *guardedQueue) Receive(ctx context.Context, w queue.Want) (leases []queue.Lease, err error) {
	defer q.recovered(&err)
	return q.Queue.Receive(ctx, w)
}

// stats reads the queue's Stats with r, which is the queue.
func (q *guardedQueue) stats(ctx context.Context, r queue.StatsReader) (s queue.Stats, err error) {
	defer q.recovered(&err)
	return r.Stats(ctx)
}

func (q *guardedQueue) Extend(ctx context.Context, leases []queue.Lease) (err error) {
	defer q.recovered(&err)
	return q.Queue.Extend(ctx, leases)
}

func (q *guardedQueue) Ack(ctx context.Context, leases []queue.Lease) (err error) {
	defer q.recovered(&err)
	return q.Queue.Ack(ctx, leases)
}

func (q *guardedQueue) Nack(ctx context.Context, nacks []queue.Nack) (err error) {
	defer q.recovered(&err)
	return q.Queue.Nack(ctx, nacks)
}

func (q *guardedQueue) Release(ctx context.Context, leases []queue.Lease) (err error) {
	defer q.recovered(&err)
	return q.Queue.Release(ctx, leases)
}

func (q *guardedQueue) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) (err error) {
	defer q.recovered(&err)
	return q.Queue.Replace(ctx, l, jobs)
}

func (q *guardedQueue) DeadLetter(ctx context.Context, l queue.Lease, reason string) (err error) {
	defer q.recovered(&err)
	return q.Queue.DeadLetter(ctx, l, oneline.Text(reason))
}

func (q *guardedQueue) SetLane(ctx context.Context, u queue.LaneUpdate) (err error) {
	defer q.recovered(&err)
	u.Reason = oneline.Cut(u.Reason, queue.MaxReasonBytes)
	return q.Queue.SetLane(ctx, u)
}
