package redisqueue

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Stats returns what the queue holds. The partitions are asked at about the same time. Oldest is
// the age of the oldest ready job that is at the head of its lane.
func (q *Queue) Stats(ctx context.Context) (queue.Stats, error) {
	s, err := q.counts(ctx)
	if err != nil {
		return queue.Stats{}, err
	}
	ages, err := gather(ctx, q, func(p *partition) (time.Duration, error) { return q.oldest(ctx, p) })
	for _, age := range ages {
		s.Oldest = max(s.Oldest, age)
	}
	return s, err
}

// counts is what the stats script returns.
type counts struct {
	queue.Stats // without Oldest
	burden
}

// counts returns the statistics of all partitions together. It also drops dead letters that are too
// old.
func (q *Queue) counts(ctx context.Context) (queue.Stats, error) {
	all, err := gather(ctx, q, func(p *partition) (counts, error) { return q.countsOf(ctx, p) })
	var s queue.Stats
	for i := range all {
		c := &all[i]
		s.Ready, s.Delayed, s.Leased, s.Bytes = s.Ready+c.Ready, s.Delayed+c.Delayed, s.Leased+c.Leased, s.Bytes+c.Bytes
		s.Dead, s.DeadDropped = s.Dead+c.letters, s.DeadDropped+c.DeadDropped
	}
	return s, err
}

// countsOf returns the statistics of a partition. A script ends a hundred of what is due, and drops a
// hundred dead letters beyond the bounds, so it may take several.
func (q *Queue) countsOf(ctx context.Context, p *partition) (counts, error) {
	for {
		answer, err := q.eval(ctx, statsScript, p, q.deadLimits())
		if err != nil {
			return counts{}, err
		}
		n := numbers(answer)
		if len(n) < 6 {
			return counts{}, nil
		}
		if n[5] == 0 {
			s := queue.Stats{Ready: n[0], Delayed: n[1], Leased: n[2], Bytes: int64(n[3]), DeadDropped: int64(n[4])}
			return counts{s, readBurden(n[6:])}, nil
		}
	}
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
