package redisqueue

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/pushhooks/webhook/queue"
)

// DeadLetter moves a job to the dead letters. Invalid UTF-8 in the reason is replaced.
func (q *Queue) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	r := readReceipt(l.Receipt)
	args := append(q.marking(), l.ID, l.Receipt, r.size, r.lane(l.Lane), reason)
	args = append(args, q.burial()...)
	args = append(args, flag(q.opts.AtMostOnce))
	if q.opts.AtMostOnce {
		args = append(args, l.Data, l.Attempts, micros(l.First))
	}
	answer, err := q.ask(ctx, buryScript, l.Lane, args)
	switch n := number(answer); {
	case err != nil:
		return err
	case n < 0:
		return queue.ErrLeaseLost
	case n > q.opts.MaxDead/len(q.parts):
		// While no partition has more than its share, all of them together keep the bound. This job is settled, whether
		// others could be dropped or not; the next one tries again.
		_ = q.dropDead(ctx)
	}
	return nil
}

// burial is what scripts need to know to keep the bounds on dead letters. Each partition keeps the bound by itself;
// dropDead keeps it for all of them.
func (q *Queue) burial() []any {
	return []any{q.opts.MaxDead, q.opts.DeadAge.Microseconds()}
}

// dropDead drops the oldest dead letters of all partitions together if there are too many.
func (q *Queue) dropDead(ctx context.Context) error {
	if len(q.parts) == 1 {
		return nil
	}
	s, err := q.counts(ctx)
	if err != nil || s.Dead <= q.opts.MaxDead {
		return err
	}
	oldest, err := q.DeadLetters(ctx, "", s.Dead-q.opts.MaxDead)
	if err != nil {
		return err
	}
	ids := make([]string, len(oldest))
	for i := range oldest {
		ids[i] = oldest[i].ID
	}
	_, err = q.discard(ctx, ids, true)
	return err
}

// maxList is how many dead letters are listed in one call.
const maxList = 1000

// DeadLetters lists dead letters, oldest first, at most 1,000 in a call. If after is not one of them (any more), it
// starts at the oldest.
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
	args := append(q.burial(), limit, from, after)
	answers, err := gather(ctx, q, func(p *partition) (any, error) { return q.eval(ctx, listScript, p, args) })
	if err != nil {
		return nil, err
	}
	var list []queue.DeadLetter
	for _, answer := range answers {
		for f := range slices.Chunk(texts(answer), 4) {
			list = append(list, readLetter(f[0], f[1], f[2], f[3]))
		}
	}
	slices.SortFunc(list, func(a, b queue.DeadLetter) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	return list[:min(limit, len(list))], nil
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

// Replay puts dead letters back on their lanes, each in one step. The bounds on jobs and bytes do not apply to it.
func (q *Queue) Replay(ctx context.Context, ids []string) (int, error) {
	return q.count(ctx, ids, func(p *partition, ids []string) (any, error) {
		defer p.wake()
		var args []any
		for _, id := range ids {
			args = append(args, id, queue.ReplayID(id))
		}
		return q.eval(ctx, replayScript, p, args)
	})
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

// count asks every partition to do something with dead letters, since an ID does not tell where it is, and adds up how
// many they had. Of several that fail it returns one error.
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
