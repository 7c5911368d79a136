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
	unknown int   // jobs of which Redis did not say what became of them
	err     error // why
}

// refuse notes that a job was refused.
func (v *results) refuse(i int, why error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failed = v.failed.Fail(i, why)
}

// fail notes that the outcome for these jobs is unknown.
func (v *results) fail(jobs []int, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.unknown += len(jobs)
	v.err = err
	for _, i := range jobs {
		v.failed = v.failed.Fail(i, err)
	}
}

// result returns the error of a call with n jobs. If the outcome is unknown for some jobs only,
// because one master of several did not answer, the others need not be repeated: that is a
// BatchError too.
func (v *results) result(n int) error {
	if n > 0 && v.unknown == n {
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
	v, err := await(ctx, q, func() (*results, error) {
		var v results
		var all sync.WaitGroup
		for p, indexes := range jobs {
			if len(jobs) == 1 {
				do(p, indexes, &v)
				break
			}
			all.Go(func() { do(p, indexes, &v) })
		}
		all.Wait()
		return &v, nil
	})
	if err != nil {
		return err
	}
	return v.result(n)
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

// chunks calls do with parts of jobs that hold maxBatch jobs at most, until one fails. The outcome
// of that one and of those after it is unknown.
func (v *results) chunks(jobs []int, do func(jobs []int) error) {
	for len(jobs) > 0 {
		n := min(len(jobs), maxBatch)
		if err := do(jobs[:n]); err != nil {
			v.fail(jobs, err)
			return
		}
		jobs = jobs[n:]
	}
}
