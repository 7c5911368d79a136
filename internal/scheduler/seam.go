package scheduler

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Handler gives jobs their meaning. Its methods are called from many goroutines, never with the
// scheduler locked.
type Handler interface {
	// Open reads the job of a lease that was just received. It makes no attempt and does no I/O.
	Open(t *Task) Job

	// LaneChanged is called when this process learns that a lane's health or hold has changed.
	LaneChanged(lane string, from, to LaneState)

	// LeaseLost is called when a job's lease ended before the job was settled. Another process may
	// have the job; nothing more is called for it.
	LeaseLost(j Job)

	// QueueFailed is called when an operation of the queue has failed, for the nth time in a row.
	QueueFailed(operation string, n int, err error)

	// QueueWorks is called when an operation works after it has failed.
	QueueWorks(operation string)

	// Panicked is called when Run or another call of the handler has panicked, or when Run has
	// ended its goroutine, with the panic's value (nil after runtime.Goexit) and its stack. j is
	// nil if the panic was about no job that Open has returned. After Run, the result decides what
	// becomes of the job.
	Panicked(j Job, value any, stack []byte) Result
}

// Job is a leased job that a Handler has opened. Each of its methods is called by one goroutine at
// a time.
type Job interface {
	// Rate returns the rate limit of the job's lane.
	Rate() Rate

	// Run makes at most one attempt, and decides what becomes of the job.
	Run() Result

	// Settled is called when the queue has confirmed r, or when r is a Drop.
	Settled(r Result)
}

// Result is what Run has decided.
type Result struct {
	Action   Action
	Evidence Evidence      // what the attempt says of the endpoint
	Host     string        // host that Run tried to reach; empty if it made no attempt
	Hold     time.Duration // hold the lane for this long, as the endpoint asked (Retry-After)
	Delay    time.Duration // Retry: not before
	Counted  bool          // Retry: it was an attempt
	Reason   string        // why it failed; the dead letter's reason
	Parts    []queue.Job   // Split: the jobs that take its place
}

// Action is what becomes of a job.
type Action uint8

const (
	// Ack takes the delivered job from the queue.
	Ack Action = iota
	// Retry gives the job back, after Delay. With neither Delay nor Counted it is released unused.
	Retry
	// DeadLetter gives the job up, with Reason.
	DeadLetter
	// Split puts Parts in the job's place.
	Split
	// Drop gives up a job that an at-most-once queue has forgotten.
	Drop
)

// Evidence is what the end of a job says of its lane's endpoint.
type Evidence uint8

const (
	// None says nothing: no attempt was made, or it was aborted.
	None Evidence = iota
	// Up says that the endpoint answered and works, whatever it thinks of the job.
	Up
	// Down says that the endpoint failed.
	Down
	// Unsent says that nothing was sent: this process could not reach any endpoint, perhaps.
	Unsent
)

// Rate limits the attempts of a lane by this process.
type Rate struct {
	PerSecond float64 // on average; 0 is no limit
	Burst     int     // at once, after a pause
}

// LaneState is what a LaneChanged is about.
type LaneState struct {
	Health    queue.Health
	HeldUntil time.Time // zero: not held
	Holds     int       // in a row
	Reason    string    // why it fails; empty unless Failing
}
