package scheduler

import (
	"context"
	"testing"

	"github.com/pushhooks/webhook/queue"
)

// riggedQueue is a memory queue with other traits, and whose methods go through the test's
// functions, where it has any.
type riggedQueue struct {
	*queue.Memory
	traits    queue.Traits
	onReceive func(ctx context.Context, w queue.Want) ([]queue.Lease, error)
	onExtend  func(ctx context.Context, leases []queue.Lease) error
	onAck     func(ctx context.Context, leases []queue.Lease) error
	onNack    func(ctx context.Context, nacks []queue.Nack) error
	onRelease func(ctx context.Context, leases []queue.Lease) error
	onDead    func(ctx context.Context, l queue.Lease, reason string) error
	onSetLane func(ctx context.Context, u queue.LaneUpdate) error
}

// rig makes a riggedQueue that is durable and not in this process, as one on a server is.
func rig(tb testing.TB) *riggedQueue {
	m := memory(tb)
	traits := m.Traits()
	traits.Durable, traits.InProcess = true, false
	return &riggedQueue{Memory: m, traits: traits}
}

func (q *riggedQueue) Traits() queue.Traits { return q.traits }

func (q *riggedQueue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	if q.onReceive != nil {
		return q.onReceive(ctx, w)
	}
	return q.Memory.Receive(ctx, w)
}

func (q *riggedQueue) Extend(ctx context.Context, leases []queue.Lease) error {
	if q.onExtend != nil {
		return q.onExtend(ctx, leases)
	}
	return q.Memory.Extend(ctx, leases)
}

func (q *riggedQueue) Ack(ctx context.Context, leases []queue.Lease) error {
	if q.onAck != nil {
		return q.onAck(ctx, leases)
	}
	return q.Memory.Ack(ctx, leases)
}

func (q *riggedQueue) Nack(ctx context.Context, nacks []queue.Nack) error {
	if q.onNack != nil {
		return q.onNack(ctx, nacks)
	}
	return q.Memory.Nack(ctx, nacks)
}

func (q *riggedQueue) Release(ctx context.Context, leases []queue.Lease) error {
	if q.onRelease != nil {
		return q.onRelease(ctx, leases)
	}
	return q.Memory.Release(ctx, leases)
}

func (q *riggedQueue) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	if q.onDead != nil {
		return q.onDead(ctx, l, reason)
	}
	return q.Memory.DeadLetter(ctx, l, reason)
}

func (q *riggedQueue) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	if q.onSetLane != nil {
		return q.onSetLane(ctx, u)
	}
	return q.Memory.SetLane(ctx, u)
}

// hang waits until ctx ends, as a call to a server that is not there does.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
