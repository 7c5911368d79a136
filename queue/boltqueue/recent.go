package boltqueue

import "github.com/pushhooks/webhook/queue"

// recentJobs and recentBytes bound the jobs, and their Data, that are kept in memory.
const (
	recentJobs  = 1 << 14
	recentBytes = 8 << 20
)

// recent keeps jobs that were enqueued lately in memory, so that they need not be read from the
// file when they are received soon. When there are too many, it drops any of them: whichever order
// the lanes are received in, the others are still of use.
type recent struct {
	jobs  map[uint64]recentJob // by sequence number
	bytes int
}

// recentJob is what a Receive would read from the file.
type recentJob struct {
	id   string
	data []byte
}

// put keeps a job.
func (r *recent) put(seq uint64, job *queue.Job) {
	if len(job.Data) > recentBytes {
		return
	}
	r.jobs[seq] = recentJob{job.ID, job.Data}
	r.bytes += len(job.Data)
	for other, job := range r.jobs {
		if r.bytes <= recentBytes && len(r.jobs) <= recentJobs {
			return
		}
		r.drop(other, job)
	}
}

// take returns a job, and keeps it no longer.
func (r *recent) take(seq uint64) (job recentJob, ok bool) {
	if job, ok = r.jobs[seq]; ok {
		r.drop(seq, job)
	}
	return job, ok
}

func (r *recent) drop(seq uint64, job recentJob) {
	delete(r.jobs, seq)
	r.bytes -= len(job.data)
}
