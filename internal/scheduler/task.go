package scheduler

import (
	"context"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Task is a job under lease in this process.
type Task struct {
	// Lease is the job's lease, as it was received.
	Lease queue.Lease

	// Received is when it was received.
	Received time.Time

	job      Job
	previous Job
	lane     *lane
	seq      uint64 // leases are numbered in the order in which they were received

	// The scheduler's mutex guards these.
	inLane node[Task] // among the lane's waiting tasks or its attempts
	inAll  node[Task] // among all tasks
	until  time.Time  // the lease's end
	began  time.Time
	lost   bool // the lease ended under way
	// the lease ended before the task began; only its worker reads it after that
	expired  bool
	settling bool          // the queue is being told what becomes of the job
	trial    bool          // it is the one attempt of a process that suspects itself
	delay    time.Duration // of a surplus task

	mu      sync.Mutex
	aborted bool
	cancel  context.CancelFunc // of the attempt, while it runs
	timeout time.Duration
	started time.Time // the attempt; zero if there was none
	ended   time.Time // the attempt; zero while it runs
}

// Previous returns the job of the same lane that was opened before this one, or nil. A Handler can
// share what the two have in common. It is there only during Handler.Open.
func (t *Task) Previous() Job { return t.previous }

// Attempt returns the context of an attempt that begins now and may take the timeout. It ends early
// when the lease is lost or the scheduler stops. The time until cancel is called is the attempt's
// cost. Run calls it at most once.
func (t *Task) Attempt(now time.Time, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithDeadline(context.Background(), now.Add(timeout))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancel, t.timeout, t.started = cancel, timeout, now
	if t.aborted {
		cancel()
	}
	return ctx, t.endAttempt
}

// endAttempt ends the attempt, if there is one that runs.
func (t *Task) endAttempt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cancel == nil {
		return
	}
	t.cancel()
	t.cancel = nil
	t.ended = time.Now()
}

// Aborted reports whether the attempt was ended early, so that its outcome says nothing.
func (t *Task) Aborted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.aborted
}

// attempted reports whether there was an attempt.
func (t *Task) attempted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.started.IsZero()
}

// abort ends the attempt early: the one that runs, or the one that is still to come.
func (t *Task) abort() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.aborted = true
	if t.cancel != nil {
		t.cancel()
	}
}

// cost returns how long the attempt took, in timeouts.
func (t *Task) cost() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.started.IsZero():
		return 0
	case t.timeout <= 0:
		return 1
	}
	return min(1, float64(t.ended.Sub(t.started))/float64(t.timeout))
}

// since returns the lease as a LaneUpdate's Since needs it, without the job's data.
func (t *Task) since() queue.Lease {
	l := t.Lease
	l.Data = nil
	return l
}
