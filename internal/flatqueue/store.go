package flatqueue

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Store is a flat queue: it hides a message from everybody for a while when somebody receives it,
// and returns it again unless it was deleted. It knows nothing of lanes. All methods are safe for
// concurrent use and return soon after ctx ends. Errors are returned as they are; the caller
// retries.
type Store interface {
	// Send sends jobs. It returns the error of each: nil if the store has taken it. If err is not
	// nil, it is unknown of some jobs whether they were taken; those have an error too.
	Send(ctx context.Context, jobs []Job) (errs []error, err error)

	// Receive returns up to n messages and hides them for Options.Lease. It waits for the first for
	// at most Options.Wait, and returns none then.
	Receive(ctx context.Context, n int) ([]Message, error)

	// Hide has messages be visible after a time from now, which is rounded up to what the store can
	// do. It returns the error of each: one that is no longer this process's has
	// queue.ErrLeaseLost.
	Hide(ctx context.Context, changes []Change) []error

	// Delete deletes messages by their handles, and returns errors like Hide.
	Delete(ctx context.Context, handles []string) []error

	// Bury keeps a copy of a job that is given up. The message is deleted afterwards.
	Bury(ctx context.Context, letter queue.DeadLetter) error

	// Count counts messages. It may be approximate.
	Count(ctx context.Context) (Counts, error)
}

// Job is a job to send.
type Job struct {
	queue.Job
	Origin
}

// Origin is what a job that replaced another has of it. The store carries it with the job. It is
// zero for all other jobs.
type Origin struct {
	First    time.Time // when the first lease began that was an attempt, if there was one
	Enqueued time.Time // when the age began
}

// Message is what was received. Times are by the store's clock.
type Message struct {
	Job
	MessageID     string // the store's, the same in each receive
	Handle        string // of this receive
	Sent          time.Time
	Receives      int       // this one included
	FirstReceived time.Time // the first of them; zero if the store cannot tell

	// Unreadable tells why this process cannot use the message, such as a newer format. It is left
	// to other processes. The Job may be zero then.
	Unreadable error
}

// Change is when a message is visible again.
type Change struct {
	Handle string
	After  time.Duration
}

// Counts are numbers of messages.
type Counts struct {
	Visible, Hidden, Delayed int
	Dead                     int
	DeadDropped              int64
}
