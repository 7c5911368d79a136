package flatqueue

import (
	"context"

	"github.com/pushhooks/webhook/queue"
)

// Enqueue sends those jobs that this process does not know to be in the store, or to have been.
func (q *Queue) Enqueue(ctx context.Context, jobs []queue.Job) error {
	return q.send(ctx, jobs, Origin{})
}

// send is Enqueue of jobs of an origin.
func (q *Queue) send(ctx context.Context, jobs []queue.Job, origin Origin) error {
	p, err := q.plan(jobs, origin)
	if err != nil || len(p.jobs) == 0 {
		return err
	}
	errs, err := q.store.Send(ctx, p.jobs)
	q.mu.Lock()
	for i, sendErr := range errs {
		if sendErr == nil {
			q.taken.add(p.jobs[i].Job.ID)
		}
	}
	q.mu.Unlock()
	if err != nil {
		return err
	}
	var failed *queue.BatchError
	for i, k := range p.at {
		if k >= 0 && errs[k] != nil {
			failed = failed.Fail(i, errs[k])
		}
	}
	return failed.Err()
}

// plan is what has to be sent of an Enqueue's jobs.
type plan struct {
	jobs []Job
	at   []int // of each of the caller's jobs: its index in jobs, -1 if the store has it
}

// plan leaves out jobs that are known.
func (q *Queue) plan(jobs []queue.Job, origin Origin) (plan, error) {
	if _, err := q.begin(); err != nil {
		return plan{}, err
	}
	defer q.mu.Unlock()
	p := plan{at: make([]int, len(jobs))}
	index := make(map[string]int, len(jobs))
	for i, job := range jobs {
		k, twice := index[job.ID]
		switch {
		case twice:
		case q.known(job.ID):
			k = -1
		default:
			k = len(p.jobs)
			p.jobs = append(p.jobs, Job{Job: job, Origin: origin})
		}
		index[job.ID], p.at[i] = k, k
	}
	return p, nil
}

// known reports whether this process knows that the store has the job, or had it. The caller holds
// q.mu.
func (q *Queue) known(id string) bool {
	return q.taken.has(id) || q.settled.has(id) || q.byJob[id] != nil
}
