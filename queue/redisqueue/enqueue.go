package redisqueue

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// What one script of Enqueue carries, unless a single job is larger. Redis does nothing else
// meanwhile, and workers wait for their acks. The data of large jobs comes before it, in parts between
// which Redis serves others, so there may be more of it where the link is quick.
const (
	enqueueJobs  = 64
	enqueueBytes = 128 << 10
	largeBytes   = 512 << 10

	// quickLink and slowLink are how soon a batch is answered for there to be more data of large jobs
	// in the next one, or no more than enqueueBytes.
	quickLink = 20 * time.Millisecond
	slowLink  = 200 * time.Millisecond
)

// batchBytes is how much data of large jobs a batch of Enqueue has, which follows how soon they are
// answered.
type batchBytes struct{ value atomic.Int64 }

func (b *batchBytes) get() int { return max(enqueueBytes, int(b.value.Load())) }

// note notes how long a batch with so many bytes took.
func (b *batchBytes) note(bytes int, elapsed time.Duration) {
	switch {
	case elapsed > slowLink:
		b.value.Store(enqueueBytes)
	case elapsed < quickLink && bytes > b.get()/2:
		b.value.Store(int64(min(largeBytes, 2*b.get())))
	}
}

// Enqueue takes jobs, in one round trip per partition and batch. A Receive of this Queue that waits
// gets jobs of healthy lanes in the same round trip.
//
// When one master of a cluster does not answer, or ctx ends after some jobs were taken, the error is
// a *queue.BatchError that names the other jobs: they may or may not have been taken, and offering
// them again is right.
func (q *Queue) Enqueue(ctx context.Context, jobs []queue.Job) error {
	jobs = slices.Clone(jobs) // a call that ctx has ended may still be sending them
	return q.spread(ctx, len(jobs), func(i int) string { return jobs[i].Lane },
		func(p *partition, indexes []int, v *results) {
			e := &enqueuer{q: q, p: p, jobs: jobs, results: v}
			if e.all(ctx, indexes); e.leased < len(indexes) {
				p.wake()
				q.wakeups.broadcast() // sooner than the message comes
			}
		})
}

// enqueuer is an Enqueue on one partition.
type enqueuer struct {
	q       *Queue
	p       *partition
	jobs    []queue.Job
	results *results
	leased  int              // jobs that a Receive got which waits in this process
	closed  map[string]error // ordered lanes of which a job was refused (rule E4), and why
}

// all enqueues the jobs with these indexes, batch by batch.
func (e *enqueuer) all(ctx context.Context, indexes []int) {
	for len(indexes) > 0 {
		batch, n := e.batch(indexes)
		err := ctx.Err()
		if err == nil {
			err = e.send(ctx, batch)
		}
		if err != nil {
			e.results.fail(append(batch, indexes[n:]...), err)
			return
		}
		e.results.done(batch)
		indexes = indexes[n:]
	}
}

// batch returns the jobs of the next script, and how many of indexes it has looked at. It refuses
// those that are too large.
func (e *enqueuer) batch(indexes []int) (batch []int, n int) {
	inline, large, most := 0, 0, e.q.batchBytes.get()
	for _, i := range indexes {
		size := len(e.jobs[i].Data)
		if size > inlineBytes {
			large += size
		} else {
			inline += size
		}
		if len(batch) > 0 && (inline > enqueueBytes || inline+large > most || len(batch) == enqueueJobs) {
			break
		}
		n++
		limit, closed := e.q.opts.MaxJobBytes, e.closed[e.jobs[i].Lane]
		switch {
		case closed != nil:
			e.refuse(i, closed)
		case size > limit:
			e.refuse(i, fmt.Errorf("%w: %d bytes, Options.MaxJobBytes is %d", queue.ErrTooLarge, size, limit))
		default:
			batch = append(batch, i)
		}
	}
	return batch, n
}

func (e *enqueuer) refuse(i int, why error) {
	e.results.refuse(i, why)
	if !e.jobs[i].Ordered {
		return
	}
	if e.closed == nil {
		e.closed = make(map[string]error)
	}
	if e.closed[e.jobs[i].Lane] == nil {
		e.closed[e.jobs[i].Lane] = fmt.Errorf("an earlier job of the ordered lane was refused: %w", queue.ErrFull)
	}
}

func (e *enqueuer) send(ctx context.Context, batch []int) error {
	if len(batch) == 0 {
		return nil
	}
	g, start := e.q.grant(e.p), time.Now()
	args, large := e.args(batch, g)
	answer, err := e.q.evalAfter(ctx, large, enqueueScript, e.p, args)
	if isFull(err) && e.q.makeRoom(ctx, e.p, e.bytes(batch)) {
		answer, err = e.q.evalAfter(ctx, large, enqueueScript, e.p, args)
	}
	if large != nil {
		e.q.batchBytes.note(int(e.bytes(batch)), time.Since(start))
	}
	fields := numbers(answer)
	e.repay(g, batch, fields, err)
	switch {
	case isFull(err):
		for _, i := range batch {
			e.refuse(i, fmt.Errorf("%w: %w", queue.ErrFull, err))
		}
		return nil
	case err != nil:
		return err
	case len(fields) == 0:
		return nil
	}
	for refused := range slices.Chunk(fields[1:1+2*fields[0]], 2) {
		why := queue.ErrFull
		if refused[1] == 2 {
			why = queue.ErrLaneFailing
		}
		e.refuse(batch[refused[0]], why)
	}
	return nil
}

// repay gives a Receive that waits what the script has leased for it.
func (e *enqueuer) repay(g *grant, batch, fields []int, err error) {
	if g == nil {
		return
	}
	var leases []queue.Lease
	if err != nil {
		e.p.remember(err, g.take)
	} else if len(fields) > 0 {
		if granted := fields[1+2*fields[0]:]; len(granted) > 0 {
			now := int64(granted[0])
			e.p.noteClock(g.start, now)
			leases = g.leased(e.jobs, batch, granted[1:], now, e.q.opts.Lease)
		}
	}
	e.leased += len(leases)
	e.q.repay(g.loan, leases)
}

// args returns the script's arguments, and the command that writes the data of large jobs before,
// nil if there are none.
func (e *enqueuer) args(batch []int, g *grant) (args, large []any) {
	args = append(make([]any, 0, 6+5*len(batch)), e.q.opts.MaxJobs, e.q.opts.MaxBytes, g.arg(e.q.opts.Lease), 0)
	var lanes map[string]bool
	last, n := "", 0
	for _, i := range batch {
		j := &e.jobs[i]
		if j.Lane == last || lanes[j.Lane] {
			continue
		}
		if last != "" && lanes == nil {
			lanes = map[string]bool{last: true}
		}
		if lanes != nil {
			lanes[j.Lane] = true
		}
		last = j.Lane
		n++
		args = append(args, j.Lane, flag(j.Ordered)+2*g.limit(j.Lane))
	}
	args[3] = n
	for _, i := range batch {
		j := &e.jobs[i]
		var data []byte
		data, large = e.p.dataArgs(j, large)
		args = append(args, ticketTail(j), j.Lane, data)
	}
	return args, large
}

// bytes returns how much data a batch has.
func (e *enqueuer) bytes(batch []int) (n int64) {
	for _, i := range batch {
		n += int64(len(e.jobs[i].Data))
	}
	return n
}

// dataArgs returns the data of a job that a script is given: none if it is large. That is then added
// to large, the command that writes it before.
func (p *partition) dataArgs(j *queue.Job, large []any) (inline []byte, command []any) {
	if len(j.Data) <= inlineBytes {
		return j.Data, large
	}
	if large == nil {
		large = []any{"hset", p.large()}
	}
	return nil, append(large, j.ID, j.Data)
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
