package redisqueue

import (
	"context"
	"sync"

	"github.com/pushhooks/webhook/queue"
)

// maxBatch is how many jobs one script handles, which keeps every other client's wait short.
const maxBatch = 500

// results collects what becomes of the jobs of one call.
type results struct {
	mu      sync.Mutex
	failed  *queue.BatchError
	known   []bool // by job: whether it is known what became of it
	unknown int    // jobs of which Redis did not say what became of them
	err     error  // why
	closed  bool   // the call has returned
}

// refuse notes that a job was refused.
func (v *results) refuse(i int, why error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.closed {
		v.known[i] = true
		v.failed = v.failed.Fail(i, why)
	}
}

// done notes that the outcome for these jobs is known.
func (v *results) done(jobs []int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, i := range jobs {
		v.known[i] = true
	}
}

// fail notes that the outcome for these jobs is unknown.
func (v *results) fail(jobs []int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, i := range jobs {
		v.failOne(i, err)
	}
}

func (v *results) failOne(i int, err error) {
	if v.closed || v.known[i] {
		return
	}
	v.known[i] = true
	v.unknown++
	v.err = err
	v.failed = v.failed.Fail(i, err)
}

// abandon notes that the call returns before it is known what becomes of all jobs.
func (v *results) abandon(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.known {
		v.failOne(i, err)
	}
	v.closed = true
}

// result returns the error of the call. If the outcome is unknown for some jobs only, because one
// master of several did not answer, or the call's context has ended, the others need not be
// repeated: that is a BatchError too.
func (v *results) result() error {
	if v.unknown > 0 && v.unknown == len(v.known) {
		return v.err
	}
	return v.failed.Err()
}

// spread splits n jobs by the partitions of their lanes and calls do for the jobs of each, at the
// same time.
func (q *Queue) spread(ctx context.Context, n int, lane func(i int) string, do func(p *partition, jobs []int, v *results)) error {
	jobs := make(map[*partition][]int)
	for i := range n {
		p := q.parts[q.ofLane(lane(i))]
		jobs[p] = append(jobs[p], i)
	}
	v := &results{known: make([]bool, n)}
	_, err := await(ctx, q, func() (struct{}, error) {
		var all sync.WaitGroup
		for p, indexes := range jobs {
			if len(jobs) == 1 {
				do(p, indexes, v)
				break
			}
			all.Go(func() { do(p, indexes, v) })
		}
		all.Wait()
		return struct{}{}, nil
	})
	if err != nil {
		if n == 0 {
			return err
		}
		v.abandon(err)
	}
	return v.result()
}

// gather calls do for every partition at the same time and returns what they say, or the first
// error.
func gather[T any](ctx context.Context, q *Queue, do func(p *partition) (T, error)) ([]T, error) {
	return await(ctx, q, func() ([]T, error) {
		answers, errs := make([]T, len(q.parts)), make([]error, len(q.parts))
		var all sync.WaitGroup
		for i, p := range q.parts {
			all.Go(func() { answers[i], errs[i] = do(p) })
		}
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return nil, err
			}
		}
		return answers, nil
	})
}

// chunks calls do with parts of jobs that hold maxBatch jobs at most, until one fails or ctx has
// ended. The outcome of that one and of those after it is unknown.
func (v *results) chunks(ctx context.Context, jobs []int, do func(jobs []int) error) {
	for len(jobs) > 0 {
		n := min(len(jobs), maxBatch)
		err := ctx.Err()
		if err == nil {
			err = do(jobs[:n])
		}
		if err != nil {
			v.fail(jobs, err)
			return
		}
		v.done(jobs[:n])
		jobs = jobs[n:]
	}
}
