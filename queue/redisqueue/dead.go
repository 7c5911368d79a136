package redisqueue

import (
	"cmp"
	"context"
	"fmt"
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

const (
	// maxList is how many dead letters are listed in one call.
	maxList = 1000

	// deadPage is how many dead letters one script lists or forgets. Redis does nothing else
	// meanwhile.
	deadPage = 100

	// readBytes is how much data one command reads, unless a single job is larger.
	readBytes = 1 << 20
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
	all, err := first(ctx, q, limit,
		// by the same clock as the next page
		func(a, b *letter) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.ID, b.ID)) },
		func(p *partition, last *letter, n int) ([]letter, error) {
			if last != nil {
				return q.lettersOf(ctx, p, last.at, last.ID, n)
			}
			return q.lettersOf(ctx, p, from, after, n)
		})
	if err != nil {
		return nil, err
	}
	if err := q.readLetters(ctx, all); err != nil {
		return nil, err
	}
	letters := make([]queue.DeadLetter, len(all))
	for i := range all {
		letters[i] = all[i].DeadLetter
	}
	return letters, nil
}

// lettersOf lists dead letters of a partition, page by page, without the data of large jobs.
func (q *Queue) lettersOf(ctx context.Context, p *partition, from int, after string, limit int) ([]letter, error) {
	var letters []letter
	for len(letters) < limit {
		start, page := time.Now(), min(limit-len(letters), deadPage)
		answer, err := q.eval(ctx, listScript, p, append(q.deadLimits(), page, from, after))
		if err != nil {
			return nil, err
		}
		fields := list(answer)
		if len(fields) == 0 {
			continue // a script drops a hundred of those beyond the bounds
		}
		p.noteClock(start, int64(number(fields[0])))
		for f := range slices.Chunk(fields[1:], 3) {
			id, _ := f[1].(string)
			value, _ := f[2].(string)
			letters = append(letters, readLetter(p, f[0], id, value))
			from, after = number(f[0]), id
		}
		if len(fields) < 1+3*page {
			break
		}
	}
	return letters, nil
}

// readLetters reads the data of large jobs among dead letters, a part at a time.
func (q *Queue) readLetters(ctx context.Context, letters []letter) error {
	byPart := make(map[*partition][]*letter)
	for i := range letters {
		if d := &letters[i]; d.size > inlineBytes {
			p := q.parts[q.ofLane(d.Lane)]
			byPart[p] = append(byPart[p], d)
		}
	}
	if len(byPart) == 0 {
		return nil
	}
	_, err := gather(ctx, q, func(p *partition) (any, error) {
		for large := byPart[p]; len(large) > 0; {
			n, err := q.readSome(ctx, p, large)
			if err != nil {
				return nil, err
			}
			large = large[n:]
		}
		return nil, nil
	})
	return err
}

// readSome reads the data of the first n of these dead letters.
func (q *Queue) readSome(ctx context.Context, p *partition, letters []*letter) (n int, err error) {
	var ids []any
	bytes := 0
	for _, d := range letters {
		if n > 0 && bytes+d.size > readBytes {
			break
		}
		n++
		bytes += d.size
		ids = append(ids, d.ID)
	}
	data, err := q.readData(ctx, p, ids)
	if err != nil {
		return n, fmt.Errorf("redisqueue: read dead letters of partition %d: %w", p.number, err)
	}
	for i, d := range letters[:n] {
		text, _ := data[i].(string)
		d.Data = bytesOf(text)
	}
	return n, nil
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
				n, args, large := replayArgs(p, letters, indexes)
				answer, err := q.evalAfter(ctx, large, replayScript, p, args)
				if isFull(err) {
					err = fmt.Errorf("%w: %w", queue.ErrFull, err)
				}
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

// replayArgs returns the arguments for the first n of these letters, and the command that writes
// the data of large jobs before, nil if there are none.
func replayArgs(p *partition, letters []queue.Replayed, indexes []int) (n int, args, large []any) {
	bytes := 0
	for _, i := range indexes {
		j := &letters[i].Job
		if n > 0 && (n == enqueueJobs || bytes+len(j.Data) > enqueueBytes) {
			break
		}
		n++
		bytes += len(j.Data)
		var data []byte
		data, large = p.dataArgs(j, large)
		args = append(args, letters[i].ID, ticketTail(j), j.Lane, flag(j.Ordered), data)
	}
	return n, args, large
}

// Discard forgets dead letters. An ID does not tell where its letter is, so every partition is
// asked.
func (q *Queue) Discard(ctx context.Context, ids []string) (int, error) {
	ids = slices.Clone(ids)
	answers, err := gather(ctx, q, func(p *partition) (int, error) {
		n := 0
		for chunk := range slices.Chunk(ids, deadPage) {
			args := make([]any, len(chunk))
			for i, id := range chunk {
				args[i] = id
			}
			answer, err := q.eval(ctx, discardScript, p, args)
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
