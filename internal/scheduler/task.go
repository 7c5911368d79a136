package scheduler

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Task is a job under lease in this process.
type Task struct {
	// Lease is the job's lease, as it was received.
	Lease queue.Lease
}

// Previous returns the job of the same lane that was opened before this one, or nil. A Handler can
// share what the two have in common.
func (t *Task) Previous() Job { panic("not built yet") }

// Attempt returns the context of an attempt that may take the timeout. It ends early when the
// lease is lost or the scheduler stops. The time until cancel is called is the attempt's cost. Run
// calls it at most once.
func (t *Task) Attempt(timeout time.Duration) (context.Context, context.CancelFunc) {
	panic("not built yet")
}

// Aborted reports whether the attempt was ended early, so that its outcome says nothing.
func (t *Task) Aborted() bool { panic("not built yet") }
