package queuetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/queuetest"
)

// handle is one of several handles of a memory queue, which outlives them.
type handle struct {
	*queue.Memory
	open  context.Context // until Close
	close context.CancelCauseFunc
}

func newHandle(m *queue.Memory) handle {
	ctx, cancel := context.WithCancelCause(context.Background())
	return handle{m, ctx, cancel}
}

// closed returns ErrClosed after Close.
func (q handle) closed() error { return context.Cause(q.open) }

func (q handle) Close() error {
	q.close(queue.ErrClosed)
	return nil
}

func (q handle) Traits() queue.Traits {
	t := q.Memory.Traits()
	t.Durable = true
	return t
}

func (q handle) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	either, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.open, cancel)()
	leases, err := q.Memory.Receive(either, w)
	if err != nil && ctx.Err() == nil {
		err = errors.Join(q.closed(), err)
	}
	return leases, err
}

// either returns ErrClosed after Close, and before it what do returns.
func either[T any](q handle, do func() (T, error)) (T, error) {
	if err := q.closed(); err != nil {
		var none T
		return none, err
	}
	return do()
}

// plain is either for methods that return nothing else.
func (q handle) plain(do func() error) error {
	_, err := either(q, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

func (q handle) Enqueue(ctx context.Context, jobs []queue.Job) error {
	return q.plain(func() error { return q.Memory.Enqueue(ctx, jobs) })
}

func (q handle) Extend(ctx context.Context, leases []queue.Lease) error {
	return q.plain(func() error { return q.Memory.Extend(ctx, leases) })
}

func (q handle) Ack(ctx context.Context, leases []queue.Lease) error {
	return q.plain(func() error { return q.Memory.Ack(ctx, leases) })
}

func (q handle) Nack(ctx context.Context, nacks []queue.Nack) error {
	return q.plain(func() error { return q.Memory.Nack(ctx, nacks) })
}

func (q handle) Release(ctx context.Context, leases []queue.Lease) error {
	return q.plain(func() error { return q.Memory.Release(ctx, leases) })
}

func (q handle) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	return q.plain(func() error { return q.Memory.Replace(ctx, l, jobs) })
}

func (q handle) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	return q.plain(func() error { return q.Memory.DeadLetter(ctx, l, reason) })
}

func (q handle) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	return q.plain(func() error { return q.Memory.SetLane(ctx, u) })
}

func (q handle) DeadLetters(ctx context.Context, after string, limit int) ([]queue.DeadLetter, error) {
	return either(q, func() ([]queue.DeadLetter, error) { return q.Memory.DeadLetters(ctx, after, limit) })
}

func (q handle) Replay(ctx context.Context, letters []queue.Replayed) (int, error) {
	return either(q, func() (int, error) { return q.Memory.Replay(ctx, letters) })
}

func (q handle) Discard(ctx context.Context, ids []string) (int, error) {
	return either(q, func() (int, error) { return q.Memory.Discard(ctx, ids) })
}

func (q handle) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	return either(q, func() ([]queue.LaneInfo, error) { return q.Memory.Lanes(ctx, after, limit) })
}

func (q handle) Stats(ctx context.Context) (queue.Stats, error) {
	return either(q, func() (queue.Stats, error) { return q.Memory.Stats(ctx) })
}

// A durable store passes with several handles and after a reopen.
func TestADurableDriverWithManyHandles(t *testing.T) {
	t.Parallel()
	again := func(_ *testing.T, q queue.Queue) queue.Queue { return newHandle(q.(handle).Memory) }
	queuetest.Run(t, queuetest.Harness{
		Virtual: true,
		Open: func(t *testing.T) queue.Queue {
			m, err := queue.NewMemory(queue.MemoryOptions{Lease: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.Close() })
			return newHandle(m)
		},
		Another: again,
		Reopen:  again,
		Delay:   100 * time.Millisecond,
	})
}
