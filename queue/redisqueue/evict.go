package redisqueue

import (
	"context"
)

// burden is what a partition has of dead letters.
type burden struct {
	letters int
	bytes   int64
	oldest  int   // when the oldest was given up, by Redis's clock
	heavy   int64 // bytes of the lane that has the most
}

// readBurden reads what the fragment letters returns.
func readBurden(n []int) burden {
	if len(n) != 4 {
		return burden{}
	}
	return burden{letters: n[0], bytes: int64(n[1]), oldest: n[2], heavy: int64(n[3])}
}

// evictAtOnce is how many dead letters one DeadLetter drops at most beyond the bounds on all
// partitions together. Each adds one, so the bounds are reached again after a few.
const evictAtOnce = 10

// dropDead keeps the bounds on dead letters for all partitions together. The oldest are dropped
// while they are too many, and those of the lane with the most bytes while they are too large
// together.
func (q *Queue) dropDead(ctx context.Context) error {
	if len(q.parts) == 1 {
		return nil // its script has kept them
	}
	all, err := gather(ctx, q, func(p *partition) (burden, error) {
		c, err := q.countsOf(ctx, p)
		return c.burden, err
	})
	for range evictAtOnce {
		if err != nil {
			return err
		}
		letters, bytes := 0, int64(0)
		for _, b := range all {
			letters, bytes = letters+b.letters, bytes+b.bytes
		}
		var i int
		switch {
		case letters > q.opts.MaxDead:
			i = extreme(all, func(a, b burden) bool { return a.letters > 0 && (b.letters == 0 || a.oldest < b.oldest) })
		case bytes > q.opts.MaxDeadBytes:
			i = extreme(all, func(a, b burden) bool {
				return a.heavy > b.heavy || a.heavy == b.heavy && a.oldest < b.oldest
			})
		default:
			return nil
		}
		_, all[i], err = q.evict(ctx, q.parts[i], 1, 1, letters <= q.opts.MaxDead)
	}
	return err
}

// extreme returns the index of the burden that goes before all others.
func extreme(all []burden, before func(a, b burden) bool) int {
	first := 0
	for i := range all {
		if before(all[i], all[first]) {
			first = i
		}
	}
	return first
}

// evict drops dead letters of a partition: up to n, until their bytes are enough; those of the lane
// with the most bytes, or else the oldest. It returns how many it dropped and what is left.
func (q *Queue) evict(ctx context.Context, p *partition, n int, enough int64, heavy bool) (dropped int, left burden, err error) {
	answer, err := q.eval(ctx, evictScript, p, []any{n, enough, flag(heavy)})
	if err != nil {
		return 0, burden{}, err
	}
	fields := numbers(answer)
	if len(fields) == 0 {
		return 0, burden{}, nil
	}
	return fields[0], readBurden(fields[1:]), nil
}

// roomBytes is how many bytes of dead letters are dropped for a batch of jobs that Redis has no
// memory for, unless the batch is larger.
const roomBytes = 1 << 20

// makeRoom drops dead letters of a partition when Redis has no memory for a batch of this many
// bytes, so that they do not keep out the jobs of webhooks that work. It reports whether it dropped
// any.
func (q *Queue) makeRoom(ctx context.Context, p *partition, bytes int64) bool {
	dropped, _, err := q.evict(ctx, p, deadPage, max(roomBytes, 2*bytes), true)
	return err == nil && dropped > 0
}
