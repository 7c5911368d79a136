package redisqueue

import (
	"context"

	"github.com/pushhooks/webhook/queue"
)

// Stats returns what the queue holds. The partitions are asked at about the same time. Oldest is
// the age of the oldest ready job that is at the head of its lane. For it and for Held, which is
// not of the same moment as the rest, all lanes are looked at.
func (q *Queue) Stats(ctx context.Context) (queue.Stats, error) {
	s, err := q.counts(ctx)
	if err != nil {
		return queue.Stats{}, err
	}
	all, err := gather(ctx, q, func(p *partition) (queue.Stats, error) { return q.lookAtLanes(ctx, p) })
	for i := range all {
		s.Oldest, s.Held = max(s.Oldest, all[i].Oldest), s.Held+all[i].Held
	}
	return s, err
}

// counts is what the stats script returns.
type counts struct {
	queue.Stats // without Oldest and Held
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

// countsOf returns the statistics of a partition. A script ends a hundred of what is due, and drops
// a hundred dead letters beyond the bounds, so it may take several.
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

// lookAtLanes returns Oldest and Held of a partition, which it asks page by page.
func (q *Queue) lookAtLanes(ctx context.Context, p *partition) (s queue.Stats, err error) {
	for after := ""; ; {
		answer, err := q.eval(ctx, oldestScript, p, []any{after, lanePage})
		if err != nil {
			return s, err
		}
		parts := list(answer)
		if len(parts) != 3 {
			return s, nil
		}
		s.Oldest, s.Held = max(s.Oldest, micros(parts[0])), s.Held+number(parts[2])
		if after, _ = parts[1].(string); after == "" {
			return s, nil
		}
	}
}
