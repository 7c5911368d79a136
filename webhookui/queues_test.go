package webhookui

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
)

func memory(t testing.TB) *queue.Memory {
	t.Helper()
	q, err := queue.NewMemory(queue.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// countingQueue counts the calls that a page makes.
type countingQueue struct {
	queue.Queue
	all         atomic.Int64 // of Lanes for many
	most, calls atomic.Int64 // at once
}

func (q *countingQueue) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	if limit > 1 {
		q.all.Add(1)
	}
	n := q.calls.Add(1)
	defer q.calls.Add(-1)
	for m := q.most.Load(); n > m && !q.most.CompareAndSwap(m, n); m = q.most.Load() {
	}
	return q.Queue.(queue.LaneLister).Lanes(ctx, after, limit)
}

func (q *countingQueue) Stats(ctx context.Context) (queue.Stats, error) {
	return q.Queue.(queue.StatsReader).Stats(ctx)
}

// awayQueue is a queue whose server is away for a while: calls fail, or hang until their time is over.
type awayQueue struct {
	*queue.Memory
	away, hangs atomic.Bool
	dead        atomic.Int64 // calls of DeadLetters
}

var errAway = errors.New("dial tcp 10.0.0.1:6379: connect: connection refused")

func (q *awayQueue) check(ctx context.Context) error {
	if q.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if q.away.Load() {
		return errAway
	}
	return nil
}

func (q *awayQueue) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	if err := q.check(ctx); err != nil {
		return nil, err
	}
	return q.Memory.Lanes(ctx, after, limit)
}

func (q *awayQueue) Stats(ctx context.Context) (queue.Stats, error) {
	if err := q.check(ctx); err != nil {
		return queue.Stats{}, err
	}
	return q.Memory.Stats(ctx)
}

func (q *awayQueue) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	if err := q.check(ctx); err != nil {
		return err
	}
	return q.Memory.SetLane(ctx, u)
}

func (q *awayQueue) DeadLetters(ctx context.Context, after string, limit int) ([]queue.DeadLetter, error) {
	q.dead.Add(1)
	if err := q.check(ctx); err != nil {
		return nil, err
	}
	return q.Memory.DeadLetters(ctx, after, limit)
}

// plainQueue has no list of its lanes, counts no jobs and lists no dead letters.
type plainQueue struct{ queue.Queue }

// waitFor waits until the webhook's status is as it should be.
func waitFor(t testing.TB, s *site, appID, id string, is func(webhook.WebhookStatus) bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		status, err := s.em.Webhook(t.Context(), appID, id)
		if err == nil && is(status) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v, %v", status, err)
		}
	}
}
