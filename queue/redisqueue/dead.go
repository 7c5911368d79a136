package redisqueue

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// DeadLetter moves a job to the dead letters. Invalid UTF-8 in the reason is replaced.
func (q *Queue) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	if len(l.Receipt) < receiptHead {
		return queue.ErrLeaseLost
	}
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	args := append(q.markerArgs(), timer(&l), reason)
	args = append(args, q.deadLimits()...)
	args = append(args, flag(q.opts.AtMostOnce))
	if q.opts.AtMostOnce {
		args = append(args, l.Data)
	}
	answer, err := q.ask(ctx, buryScript, l.Lane, args)
	if err != nil {
		return err
	}
	n := numbers(answer)
	if len(n) < 2 || n[0] < 0 {
		return queue.ErrLeaseLost
	}
	if parts := len(q.parts); n[0] > q.opts.MaxDead/parts || int64(n[1]) > q.opts.MaxDeadBytes/int64(parts) {
		// While no partition has more than its share, all of them together keep the bound. This job
		// is settled, whether others could be dropped or not; the next one tries again.
		_ = q.dropDead(ctx)
	}
	return nil
}

// deadLimits is what scripts need to know to keep the bounds on dead letters. Each partition keeps
// the bounds by itself; dropDead keeps them for all of them.
func (q *Queue) deadLimits() []any {
	return []any{q.opts.MaxDead, q.opts.MaxDeadAge.Microseconds(), q.opts.MaxDeadBytes}
}

// dropDead drops the oldest dead letters of all partitions together if there are too many.
func (q *Queue) dropDead(ctx context.Context) error {
	if len(q.parts) == 1 {
		return nil
	}
	c, err := q.counts(ctx)
	if err != nil || c.Dead <= q.opts.MaxDead && c.deadBytes <= q.opts.MaxDeadBytes {
		return err
	}
	oldest, err := q.DeadLetters(ctx, "", max(c.Dead-q.opts.MaxDead, dropAtOnce))
	if err != nil {
		return err
	}
	var ids []string
	for i := range oldest {
		if c.Dead <= q.opts.MaxDead && c.deadBytes <= q.opts.MaxDeadBytes {
			break
		}
		c.Dead--
		c.deadBytes -= int64(len(oldest[i].Data))
		ids = append(ids, oldest[i].ID)
	}
	_, err = q.discard(ctx, ids, true)
	return err
}

const (
	// maxList is how many dead letters are listed in one call.
	maxList = 1000

	// dropAtOnce is how many dead letters are looked at when they are too large together.
	dropAtOnce = 10
)

// DeadLetters lists dead letters, oldest first, at most 1,000 in a call. If after is not one of
// them (any more), it starts at the oldest.
func (q *Queue) DeadLetters(ctx context.Context, after string, limit int) ([]queue.DeadLetter, error) {
	limit = min(limit, maxList)
	if limit <= 0 {
		return nil, q.alive()
	}
	from, err := q.find(ctx, after)
	if err != nil {
		return nil, err
	}
	if from == 0 {
		after = ""
	}
	args := append(q.deadLimits(), limit, from, after)
	pages, err := gather(ctx, q, func(p *partition) ([]queue.DeadLetter, error) { return q.lettersOf(ctx, p, args) })
	if err != nil {
		return nil, err
	}
	all := slices.Concat(pages...)
	slices.SortFunc(all, func(a, b queue.DeadLetter) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	return all[:min(limit, len(all))], nil
}

// lettersOf lists dead letters of a partition.
func (q *Queue) lettersOf(ctx context.Context, p *partition, args []any) ([]queue.DeadLetter, error) {
	start := time.Now()
	answer, err := q.eval(ctx, listScript, p, args)
	fields := list(answer)
	if err != nil || len(fields) == 0 {
		return nil, err
	}
	p.noteClock(start, int64(number(fields[0])))
	letters := make([]queue.DeadLetter, 0, len(fields)/3)
	for f := range slices.Chunk(fields[1:], 3) {
		id, _ := f[1].(string)
		value, _ := f[2].(string)
		letters = append(letters, readLetter(p, f[0], id, value))
	}
	return letters, nil
}

// find returns when the dead letter with this ID was given up, in microseconds, or 0.
func (q *Queue) find(ctx context.Context, id string) (int, error) {
	if id == "" {
		return 0, nil
	}
	answers, err := gather(ctx, q, func(p *partition) (any, error) { return q.eval(ctx, findScript, p, []any{id}) })
	at := 0
	for _, answer := range answers {
		at = max(at, number(answer))
	}
	return at, err
}

// Replay puts new jobs in the place of dead letters, each in one step. The bounds on jobs and bytes
// do not apply to it.
func (q *Queue) Replay(ctx context.Context, letters []queue.Replayed) (int, error) {
	letters = slices.Clone(letters)
	var replayed atomic.Int64
	err := q.spread(ctx, len(letters), func(i int) string { return letters[i].Job.Lane },
		func(p *partition, indexes []int, v *results) {
			defer p.wake()
			for len(indexes) > 0 {
				n, args := replayArgs(letters, indexes)
				answer, err := q.eval(ctx, replayScript, p, args)
				if err != nil {
					v.fail(indexes, err)
					return
				}
				replayed.Add(int64(number(answer)))
				indexes = indexes[n:]
			}
		})
	return int(replayed.Load()), err
}

// replayArgs returns the arguments for the first n of these letters.
func replayArgs(letters []queue.Replayed, indexes []int) (n int, args []any) {
	bytes := 0
	for _, i := range indexes {
		j := &letters[i].Job
		if n > 0 && (n == enqueueJobs || bytes+len(j.Data) > enqueueBytes) {
			break
		}
		n++
		bytes += len(j.Data)
		args = append(args, letters[i].ID, ticketTail(j), j.Lane, flag(j.Ordered), j.Data)
	}
	return n, args
}

// Discard forgets dead letters.
func (q *Queue) Discard(ctx context.Context, ids []string) (int, error) {
	return q.discard(ctx, ids, false)
}

func (q *Queue) discard(ctx context.Context, ids []string, dropped bool) (int, error) {
	return q.count(ctx, ids, func(p *partition, ids []string) (any, error) {
		args := []any{flag(dropped)}
		for _, id := range ids {
			args = append(args, id)
		}
		return q.eval(ctx, discardScript, p, args)
	})
}

// count asks every partition to do something with dead letters, since an ID does not tell where it
// is, and adds up how many they had. Of several that fail it returns one error.
func (q *Queue) count(ctx context.Context, ids []string, do func(p *partition, ids []string) (any, error)) (int, error) {
	ids = slices.Clone(ids)
	answers, err := gather(ctx, q, func(p *partition) (int, error) {
		n := 0
		for chunk := range slices.Chunk(ids, maxBatch) {
			answer, err := do(p, chunk)
			if err != nil {
				return n, err
			}
			n += number(answer)
		}
		return n, nil
	})
	n := 0
	for _, k := range answers {
		n += k
	}
	return n, err
}
