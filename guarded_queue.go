package webhook

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"

	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/queue"
)

// guardedQueue is a queue whose panics are errors, and whose errors can be looked at. The enqueuer and
// the scheduler use it. Texts that come from the driver, and reasons that go to it, are one line of at
// most 1 KiB.
type guardedQueue struct {
	queue.Queue
	log *logger
}

var (
	errQueuePanicked = errors.New("webhook: the queue panicked")
	errQueueError    = errors.New("webhook: the queue returned an error that panics")
)

// recovered is deferred in each method.
func (q *guardedQueue) recovered(err *error) {
	if v := recover(); v != nil {
		q.log.panicked("queue", panicText(v), debug.Stack())
		*err = errQueuePanicked
		return
	}
	*err = readable(*err)
}

// queueErrors are the errors that the callers tell apart.
var queueErrors = []error{
	queue.ErrFull, queue.ErrLaneFailing, queue.ErrLaneUntried, queue.ErrTooLarge, queue.ErrLeaseLost,
	queue.ErrLaneHealthy, queue.ErrClosed,
}

// readable returns err if its methods can be called, and else an error that says that they cannot. Its
// text may hold what a server or another program wrote; it becomes one line. Of a *queue.BatchError it
// keeps the errors that are some; without any, such as in a nil one, it is none.
func readable(err error) (read error) {
	if err == nil {
		return nil
	}
	defer func() {
		if recover() != nil {
			read = errQueueError
		}
	}()
	var batch *queue.BatchError
	if errors.As(err, &batch) {
		return readableBatch(batch)
	}
	for _, known := range queueErrors {
		_ = errors.Is(err, known)
	}
	return oneline.Error(err)
}

func readableBatch(b *queue.BatchError) error {
	if b == nil {
		return nil
	}
	var read *queue.BatchError
	var last, lastRead error // a full queue's refusals are often one error
	for i, err := range b.Failed {
		if !same(err, last) {
			last, lastRead = err, readable(err)
		}
		if lastRead != nil {
			read = read.Fail(i, lastRead)
		}
	}
	return read.Err()
}

// same reports whether two errors are one pointer. Errors of other kinds may not be comparable.
func same(a, b error) bool {
	return a != nil && b != nil && reflect.TypeOf(a).Kind() == reflect.Pointer && a == b //nolint:errorlint // identity is meant
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

// lanes lists lanes of the queue. The error wraps errors.ErrUnsupported where it has no list.
func (q *guardedQueue) lanes(ctx context.Context, after string, limit int) (infos []queue.LaneInfo, err error) {
	defer q.recovered(&err)
	lister, ok := q.Queue.(queue.LaneLister)
	if !ok {
		return nil, fmt.Errorf("webhook: %T has no list of its lanes: %w", q.Queue, errors.ErrUnsupported)
	}
	return lister.Lanes(ctx, after, limit)
}

// lane returns what the queue has of a lane, nil if that is nothing.
func (q *guardedQueue) lane(ctx context.Context, name string) (*queue.LaneInfo, error) {
	infos, err := q.lanes(ctx, predecessor(name), 1)
	if err != nil || len(infos) == 0 || infos[0].Lane != name {
		return nil, err
	}
	return &infos[0], nil
}

// predecessor returns a name that is before lane in the order of bytes, and behind every other name
// before it: no byte of UTF-8 is 0xff. The name of a webhook's lane does not end in a zero byte.
func predecessor(lane string) string {
	last := len(lane) - 1
	return lane[:last] + string([]byte{lane[last] - 1, 0xff})
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
