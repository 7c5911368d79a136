package redisqueue

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Stats returns what the queue holds. The partitions are asked at about the same time. Oldest is
// the age of the oldest ready job that is at the head of its lane.
func (q *Queue) Stats(ctx context.Context) (queue.Stats, error) {
	c, err := q.counts(ctx)
	if err != nil {
		return queue.Stats{}, err
	}
	ages, err := gather(ctx, q, func(p *partition) (time.Duration, error) { return q.oldest(ctx, p) })
	for _, age := range ages {
		c.Oldest = max(c.Oldest, age)
	}
	return c.Stats, err
}

// counts is what the stats script returns.
type counts struct {
	queue.Stats       // without Oldest
	deadBytes   int64 // of the dead letters
}

// counts returns the statistics of all partitions together. It also drops dead letters that are too
// old.
func (q *Queue) counts(ctx context.Context) (counts, error) {
	answers, err := gather(ctx, q, func(p *partition) (any, error) {
		return q.eval(ctx, statsScript, p, q.deadLimits())
	})
	var c counts
	for _, answer := range answers {
		if n := numbers(answer); len(n) == 7 {
			c.Ready += n[0]
			c.Delayed += n[1]
			c.Leased += n[2]
			c.Dead += n[3]
			c.Bytes += int64(n[4])
			c.DeadDropped += int64(n[5])
			c.deadBytes += int64(n[6])
		}
	}
	return c, err
}

// oldest asks the lanes of a partition, page by page.
func (q *Queue) oldest(ctx context.Context, p *partition) (time.Duration, error) {
	var oldest time.Duration
	for after := ""; ; {
		answer, err := q.eval(ctx, oldestScript, p, []any{after, lanePage})
		if err != nil {
			return 0, err
		}
		parts := list(answer)
		if len(parts) != 2 {
			return oldest, nil
		}
		oldest = max(oldest, micros(parts[0]))
		if after, _ = parts[1].(string); after == "" {
			return oldest, nil
		}
	}
}
