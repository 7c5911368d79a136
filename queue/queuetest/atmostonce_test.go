package queuetest_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/queuetest"
)

// atMostOnce is a queue whose jobs are gone when they have been received. A job that is given back is enqueued
// again; since Memory remembers its ID, it gets a number that Receive takes off.
type atMostOnce struct {
	queue.Queue // no more than its methods
	memory      *queue.Memory
	given       *atomic.Int64 // jobs given back
}

const mark = "!"

// closed returns ErrClosed after Close.
func (q atMostOnce) closed(ctx context.Context) error {
	_, err := q.memory.Stats(ctx)
	return err
}

func (q atMostOnce) Traits() queue.Traits {
	return queue.Traits{AtMostOnce: true, Lease: time.Second}
}

func (q atMostOnce) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.memory.Receive(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := q.memory.Ack(ctx, leases); err != nil {
		return nil, err
	}
	for i := range leases {
		leases[i].ID, _, _ = strings.Cut(leases[i].ID, mark)
		leases[i].Receipt = ""
	}
	return leases, nil
}

func (q atMostOnce) Extend(ctx context.Context, _ []queue.Lease) error { return q.closed(ctx) }
func (q atMostOnce) Ack(ctx context.Context, _ []queue.Lease) error    { return q.closed(ctx) }

func (q atMostOnce) Nack(ctx context.Context, nacks []queue.Nack) error {
	for _, n := range nacks {
		n.ID += mark + strconv.FormatInt(q.given.Add(1), 10)
		switch {
		case n.Counted:
		case n.Delay > 0:
			time.AfterFunc(n.Delay, func() { _ = q.memory.Enqueue(ctx, []queue.Job{n.Job}) })
		default:
			_ = q.memory.Enqueue(ctx, []queue.Job{n.Job})
		}
	}
	return q.closed(ctx)
}

func (q atMostOnce) Release(ctx context.Context, leases []queue.Lease) error {
	for _, l := range leases {
		_ = q.Nack(ctx, []queue.Nack{{Lease: l}})
	}
	return q.closed(ctx)
}

func (q atMostOnce) Replace(ctx context.Context, _ queue.Lease, jobs []queue.Job) error {
	return q.memory.Enqueue(ctx, jobs)
}

func (q atMostOnce) DeadLetter(ctx context.Context, _ queue.Lease, _ string) error {
	return q.closed(ctx)
}

// A driver that keeps no leases passes what applies to it.
func TestAnAtMostOnceDriver(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, queuetest.Harness{
		Virtual: true,
		Open: func(t *testing.T) queue.Queue {
			m, err := queue.NewMemory(queue.MemoryOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return atMostOnce{m, m, new(atomic.Int64)}
		},
		Lacks: queuetest.Lacks{Order: true},
	})
}
