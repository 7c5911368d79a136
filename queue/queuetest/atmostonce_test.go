package queuetest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/queuetest"
)

// atMostOnce is a queue whose jobs are gone when they have been received: it keeps their leases to
// itself, and they outlast every check.
type atMostOnce struct {
	queue.Queue           // no more than its methods
	leases      *sync.Map // of the memory queue, by job ID
}

func (q atMostOnce) Traits() queue.Traits {
	return queue.Traits{AtMostOnce: true, Lease: time.Second, SharedLanes: true}
}

func (q atMostOnce) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Queue.Receive(ctx, w)
	for i := range leases {
		q.leases.Store(leases[i].ID, leases[i])
		leases[i].Receipt, leases[i].Until = "", time.Now().Add(time.Second)
	}
	return leases, err
}

// lease returns the lease that was kept, or l.
func (q atMostOnce) lease(l queue.Lease) queue.Lease {
	if kept, ok := q.leases.Load(l.ID); ok {
		return kept.(queue.Lease)
	}
	return l
}

func (q atMostOnce) kept(leases []queue.Lease) []queue.Lease {
	kept := make([]queue.Lease, len(leases))
	for i, l := range leases {
		kept[i] = q.lease(l)
	}
	return kept
}

func (q atMostOnce) Extend(ctx context.Context, _ []queue.Lease) error {
	return q.Queue.Extend(ctx, nil)
}

func (q atMostOnce) Ack(ctx context.Context, leases []queue.Lease) error {
	return q.Queue.Ack(ctx, q.kept(leases))
}

func (q atMostOnce) Release(ctx context.Context, leases []queue.Lease) error {
	return q.Queue.Release(ctx, q.kept(leases))
}

func (q atMostOnce) Nack(ctx context.Context, nacks []queue.Nack) error {
	for _, n := range nacks {
		n.Lease = q.lease(n.Lease)
		var err error
		if n.Counted {
			err = q.Queue.Replace(ctx, n.Lease, nil)
		} else {
			err = q.Queue.Nack(ctx, []queue.Nack{n})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (q atMostOnce) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	return q.Queue.Replace(ctx, q.lease(l), jobs)
}

func (q atMostOnce) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	return q.Queue.DeadLetter(ctx, q.lease(l), reason)
}

func (q atMostOnce) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	u.Since = q.lease(u.Since)
	return q.Queue.SetLane(ctx, u)
}

// A driver that keeps no leases passes what applies to it.
func TestAnAtMostOnceDriver(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, queuetest.Harness{
		Virtual: true,
		Open: func(t *testing.T) queue.Queue {
			m, err := queue.NewMemory(queue.MemoryOptions{Lease: 100 * time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return atMostOnce{m, new(sync.Map)}
		},
		Another: func(_ *testing.T, q queue.Queue) queue.Queue { return q },
		Delay:   100 * time.Millisecond,
	})
}
