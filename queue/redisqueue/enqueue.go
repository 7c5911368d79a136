package redisqueue

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/queue"
)

// What one transaction of Enqueue carries, unless a single job is larger. Redis does nothing else meanwhile, and workers wait
// for their acks.
const (
	enqueueJobs  = 64
	enqueueBytes = 128 << 10
)

// Enqueue takes jobs, in one round trip per partition and batch.
//
// When one master of a cluster does not answer, the error is a *queue.BatchError that names its jobs: they may or may not
// have been taken, and offering them again is right.
func (q *Queue) Enqueue(ctx context.Context, jobs []queue.Job) error {
	jobs = slices.Clone(jobs) // a call that ctx has ended may still be sending them
	return q.spread(ctx, len(jobs), func(i int) string { return jobs[i].Lane },
		func(p *partition, indexes []int, v *verdicts) {
			e := &enqueuing{q: q, p: p, jobs: jobs, v: v}
			e.all(ctx, indexes)
			p.wake()
			q.bell.ring() // sooner than the message comes
		})
}

// enqueuing is an Enqueue on one partition.
type enqueuing struct {
	q    *Queue
	p    *partition
	jobs []queue.Job
	v    *verdicts
	shut map[string]bool // ordered lanes of which a job was refused (rule E4)
}

// all enqueues the jobs with these indexes, batch by batch.
func (e *enqueuing) all(ctx context.Context, indexes []int) {
	for len(indexes) > 0 {
		batch, n := e.batch(indexes)
		if err := e.send(ctx, batch); err != nil {
			e.v.lose(append(batch, indexes[n:]...), err)
			return
		}
		indexes = indexes[n:]
	}
}

// batch returns the jobs of the next script, and how many of indexes it has looked at. It refuses those that are too large.
func (e *enqueuing) batch(indexes []int) (batch []int, n int) {
	bytes := 0
	for _, i := range indexes {
		size := len(e.jobs[i].Data)
		if len(batch) > 0 && (bytes+size > enqueueBytes || len(batch) == enqueueJobs) {
			break
		}
		n++
		switch limit := e.q.opts.MaxJobBytes; {
		case e.shut[e.jobs[i].Lane]:
			e.refuse(i, queue.ErrFull)
		case size > limit:
			e.refuse(i, fmt.Errorf("%w: %d bytes, Options.MaxJobBytes is %d", queue.ErrTooLarge, size, limit))
		default:
			batch = append(batch, i)
			bytes += size
		}
	}
	return batch, n
}

func (e *enqueuing) refuse(i int, why error) {
	e.v.refuse(i, why)
	if e.jobs[i].Ordered {
		if e.shut == nil {
			e.shut = make(map[string]bool)
		}
		e.shut[e.jobs[i].Lane] = true
	}
}

func (e *enqueuing) send(ctx context.Context, batch []int) error {
	if len(batch) == 0 {
		return nil
	}
	store := append(make([]any, 0, 2+2*len(batch)), "hset", e.p.data())
	args := append(make([]any, 0, 2+3*len(batch)), e.q.opts.MaxJobs, e.q.opts.MaxBytes)
	for _, i := range batch {
		j := &e.jobs[i]
		store = append(store, j.ID, j.Data)
		args = append(args, j.ID, laneKey(j.Lane, j.Ordered), len(j.Data))
	}
	answer, err := e.q.evalAfter(ctx, store, enqueueScript, e.p, args)
	switch {
	case redis.HasErrorPrefix(err, "OOM"):
		for _, i := range batch {
			e.refuse(i, fmt.Errorf("%w: %w", queue.ErrFull, err))
		}
		return nil
	case err != nil:
		return err
	}
	for _, k := range numbers(answer) {
		e.refuse(batch[k], queue.ErrFull)
	}
	return nil
}
