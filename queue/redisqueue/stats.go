package redisqueue

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// oldestPage is how many lanes are asked for their oldest job in one step.
const oldestPage = 500

// Stats tells what the queue holds. The partitions are asked at about the same time. Oldest is the age of the
// oldest job that is at the head of its lane and may be received.
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

// counts is Stats without Oldest. It also drops dead letters that are too old.
func (q *Queue) counts(ctx context.Context) (queue.Stats, error) {
	answers, err := gather(ctx, q, func(p *partition) (any, error) {
		return q.eval(ctx, statsScript, p, q.burial())
	})
	var s queue.Stats
	for _, answer := range answers {
		if n := numbers(answer); len(n) == 6 {
			s.Ready += n[0]
			s.Delayed += n[1]
			s.Leased += n[2]
			s.Dead += n[3]
			s.Bytes += int64(n[4])
			s.DeadDropped += int64(n[5])
		}
	}
	return s, err
}

// oldest asks the lanes of a partition, page by page.
func (q *Queue) oldest(ctx context.Context, p *partition) (time.Duration, error) {
	var oldest time.Duration
	for from := 0; ; from += oldestPage {
		answer, err := q.eval(ctx, oldestScript, p, []any{from, oldestPage})
		if err != nil {
			return 0, err
		}
		n := numbers(answer)
		if len(n) != 2 {
			return oldest, nil
		}
		oldest = max(oldest, time.Duration(n[0])*time.Microsecond)
		if n[1] < oldestPage {
			return oldest, nil
		}
	}
}
