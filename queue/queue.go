// Package queue defines what the webhook library asks of a queue, and holds the
// two drivers that need nothing: [Memory] and [None].
//
// A queue keeps jobs in lanes, one lane for each webhook, so that the backlog of a
// dead endpoint never stands in front of anybody else's jobs. A job is received
// under a lease; while the lease lasts nobody else receives it, and when the lease
// ends without having been settled the job is received again. That is at-least-once
// delivery, and the rules below say exactly how.
//
// The rules are numbered. Package [github.com/pushhooks/webhook/queue/queuetest]
// checks them one by one and quotes the rule that a driver breaks.
package queue

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors that every driver reports, matched with errors.Is.
var (
	// ErrFull says that the queue, or the job's lane, has no room for the job now.
	// The job was not taken; offering it again later is right.
	ErrFull = errors.New("queue is full")

	// ErrTooLarge says that the job can never be taken: its Data is larger than
	// this queue carries. Offering it again is pointless.
	ErrTooLarge = errors.New("job is too large for this queue")

	// ErrLeaseLost says that the receipt is not (or no longer) the one of the job's
	// current lease: the lease ended and somebody else may have the job, or the job
	// was settled. Nothing was changed.
	ErrLeaseLost = errors.New("lease lost")

	// ErrClosed says that the queue was closed.
	ErrClosed = errors.New("queue is closed")
)

// Job is one delivery for one webhook. To the queue it is opaque.
type Job struct {
	// ID is unique: printable ASCII without spaces, 1 to 128 bytes. It makes
	// Enqueue idempotent (rule E2).
	ID string

	// Lane names the webhook that the job is for. It is valid UTF-8 of 1 to 512 bytes
	// and may contain any character.
	Lane string

	// Ordered says that no job of this lane may overtake another and that at most
	// one is leased at any time (rule R5). All jobs of a lane agree on it.
	Ordered bool

	// Data is what the worker gets back, byte for byte. It is valid UTF-8 without
	// control characters other than newline, so it can travel in any message body.
	// Neither side changes it after Enqueue was called.
	Data []byte
}

// Lease is a job that was received and may be worked on until Until.
// It is a value; the Receipt is what makes it valid.
type Lease struct {
	Job

	// Receipt fences: it is new for every lease of the job, and a settlement with an
	// older one is refused (rule L2).
	Receipt string

	// Attempts counts earlier leases of this job that count as attempts: those given
	// back by a counted Nack, and those that ended by themselves (rule L3).
	Attempts int

	// First is when the job's first lease began that ended in anything but a
	// release (a Nack that is neither delayed nor counted). It is zero before that.
	First time.Time

	// Until is when the lease ends unless it is extended, by this process's clock,
	// on the early side.
	Until time.Time
}

// Nack gives a leased job back.
type Nack struct {
	Lease

	// Delay is how long nobody may receive the job; 0 means at once. A release, which
	// is a Nack with no Delay that is not Counted, leaves the job as it was before it
	// was received, at the head of its lane.
	Delay time.Duration

	// Counted says that the lease was an attempt: Attempts grows by one.
	Counted bool
}

// Limit is what a [Want] says of one lane.
type Limit struct {
	Jobs int  // at most this many jobs of the lane; 0 skips it
	Warm bool // the lane does not count towards Want.Cold
}

// Want says how many jobs a Receive may return, and of which lanes.
type Want struct {
	Jobs  int              // at most this many in all, at least 1
	Lane  int              // at most this many of any lane that is not in Lanes
	Cold  int              // at most this many of all lanes together that are not Warm
	Lanes map[string]Limit // lanes with a limit of their own; not changed by the queue
}

// Of returns how many jobs of the lane fit into w, and whether they count towards w.Cold.
func (w *Want) Of(lane string) (n int, cold bool) {
	l := w.limit(lane)
	n = min(l.Jobs, w.Jobs)
	if !l.Warm {
		n = min(n, w.Cold)
	}
	return n, !l.Warm
}

// limit returns what w says of the lane alone.
func (w *Want) limit(lane string) Limit {
	if l, named := w.Lanes[lane]; named {
		return l
	}
	return Limit{Jobs: w.Lane}
}

// Traits are facts about a driver that do not change while it is open.
type Traits struct {
	// Lease is how long a lease lasts from Receive, and again from each Extend.
	Lease time.Duration

	// Durable says that jobs outlive this process. An emitter that shuts down leaves
	// them to the next one instead of draining them.
	Durable bool

	// Ordered says that the driver keeps rule R5. Without it, an ordered webhook is
	// refused when the emitter is made.
	Ordered bool

	// Trusted says that jobs never leave this process's memory, so that nobody can
	// have altered them.
	Trusted bool

	// AtMostOnce says that a job is gone from the queue when it has been received: a
	// failed attempt is not repeated, and a killed process loses what it held. A Nack
	// that is Counted drops the job; every other Nack puts it back.
	AtMostOnce bool

	// OwnRetry says that the driver retries a failed job at a time of its own (SQS:
	// when the visibility timeout has passed): a counted Nack ignores Delay, unless Delay
	// is longer than that time.
	OwnRetry bool

	// Off says that the queue takes nothing and that webhooks are disabled: Emit does nothing.
	Off bool
}

// Queue is what a driver implements. All methods may be called at the same time
// from many goroutines. A method that waits for a server returns soon after ctx ends.
// Errors that pass (a lost connection, throttling) are returned as they are, without
// long retries: the caller retries, with backoff. No method panics on a stale lease.
type Queue interface {
	// Traits returns the driver's constant facts.
	Traits() Traits

	// Enqueue takes jobs.
	//
	//	E1  A nil error means that every job was taken; a Durable queue keeps it then even if the process is killed at once.
	//	E2  A job whose ID is in the queue already (ready, delayed or leased), or was acked lately, is taken by doing nothing.
	//	E3  A *BatchError means that the jobs it names were not taken and all others were. Any other error
	//	    means that it is unknown which were taken; offering all of them again is right, because of E2
	//	    where the store can tell.
	//	E4  Jobs of a lane become ready in the order of the slice and of the calls. In an Ordered lane no job is taken after one
	//	    of the same lane was refused in the same call.
	//	E5  A bound on jobs or bytes is kept, by ErrFull or ErrTooLarge for the jobs that do not fit.
	Enqueue(ctx context.Context, jobs []Job) error

	// Receive leases ready jobs within w, and waits until there is at least one.
	//
	//	R1  It returns as soon as at least one job fits, with as many as fit and are ready then.
	//	R2  It never returns a job beyond w's limits (see Want.Of), nor one that is leased or delayed.
	//	R3  Lanes take turns: a lane with a backlog does not keep the jobs of another waiting.
	//	R4  When ctx ends it returns soon, with what it has leased (and a nil error) or with nothing and
	//	    ctx's error. It never leaves a lease behind that nobody was told of, where the store allows it.
	//	R5  In a lane of Ordered jobs at most one job is leased or delayed at a time, and it is the oldest.
	//	R6  A job that becomes ready while Receive waits (Enqueue, Nack, a delay or lease that ends) is returned
	//	    at once by an in-process queue, and within a second by any other.
	Receive(ctx context.Context, w Want) ([]Lease, error)

	// Extend renews leases: each lasts Traits.Lease from the call's start.
	//
	//	L1  A leased job is not received by anybody until Until has passed.
	//	L2  Extend, Ack, Nack, Replace and DeadLetter with a receipt that is not current fail with
	//	    ErrLeaseLost for that job (in a *BatchError where several are given) and change nothing.
	//	L3  A lease that ends unsettled makes the job ready again, with Attempts one higher and First set.
	Extend(ctx context.Context, leases []Lease) error

	// Ack settles delivered jobs: they leave the queue.
	//
	//	A1  An acked job is never received again, and its ID is remembered for a while (E2).
	Ack(ctx context.Context, leases []Lease) error

	// Nack gives leased jobs back.
	//
	//	N1  The job is not received before Delay has passed, and then it is.
	//	N2  A counted Nack adds one to Attempts; one that is counted or delayed sets First if it was zero.
	//	N3  A release (no Delay, not Counted) changes neither Attempts nor First, and the job is the next of its lane.
	Nack(ctx context.Context, nacks []Nack) error

	// Replace settles l and puts jobs of the same lane in its place, ready at once and at the head of
	// the lane, in the order of the slice.
	//
	//	P1  It is one step where the store allows it. Otherwise the jobs are enqueued before l is acked,
	//	    so that nothing is lost in between. Jobs whose ID is known are not taken again (E2).
	Replace(ctx context.Context, l Lease, jobs []Job) error

	// DeadLetter moves a job out of its lane for people to look at.
	//
	//	D1  The job is never received again (unless somebody replays it), and is listed with its reason
	//	    where the driver implements DeadLetters.
	//	D2  Dead letters are bounded in number and age. The oldest give way, and Stats.DeadDropped counts them.
	DeadLetter(ctx context.Context, l Lease, reason string) error

	// Close frees what the driver holds. Leases that are not settled end by themselves.
	//
	//	C1  A Receive that waits returns ErrClosed soon, and so does every method afterwards. Closing twice is harmless.
	Close() error
}

// DeadLetter is a job that was given up, and why.
type DeadLetter struct {
	Job
	Reason   string    // a short stable word first, such as "gone" or "bad_signature: …"
	Attempts int       // attempts that count, the last one included
	First    time.Time // when its first lease began
	At       time.Time // when it was given up
}

// DeadLetters is implemented by drivers that can list their dead letters, which all
// drivers of this module except None can.
//
//	D3  A replayed job is a new job: its Job.ID becomes ReplayID of the old one, Attempts is 0, First is zero, and it is
//	    the last of its lane. The dead letter is gone. Both happen in one step where the store allows it.
//	D4  Replay and Discard skip an ID that is not there, and return how many were.
type DeadLetters interface {
	// DeadLetters lists up to limit dead letters, oldest first, that come after the one
	// whose ID is after; "" starts at the oldest.
	DeadLetters(ctx context.Context, after string, limit int) ([]DeadLetter, error)

	// Replay puts the dead letters with these IDs back on their lanes.
	Replay(ctx context.Context, ids []string) (int, error)

	// Discard forgets the dead letters with these IDs.
	Discard(ctx context.Context, ids []string) (int, error)
}

// Stats is a queue's state at one moment.
type Stats struct {
	Ready, Delayed, Leased, Dead int           // jobs
	Oldest                       time.Duration // age of the oldest ready job, by its Enqueue
	Bytes                        int64         // Data of ready, delayed and leased jobs; 0 where the store can't tell
	DeadDropped                  int64         // dead letters that gave way since the store was made
}

// StatsReader is implemented by drivers that can tell their state.
type StatsReader interface {
	Stats(ctx context.Context) (Stats, error)
}

// BatchError says which of several jobs failed; the others succeeded.
type BatchError struct {
	// Failed holds each failed job's error by its index in the slice that was given.
	Failed map[int]error
}

// Error tells how many failed and one of the reasons.
func (e *BatchError) Error() string {
	for _, err := range e.Failed {
		return fmt.Sprintf("%d of the batch failed, such as: %v", len(e.Failed), err)
	}
	return "none of the batch failed"
}

// Unwrap returns every job's error, so that errors.Is finds any of them.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, err := range e.Failed {
		errs = append(errs, err)
	}
	return errs
}

// Fail notes that the job at index i failed, making the BatchError if there is none yet.
// It is how drivers build one: start with a nil *BatchError and return Err at the end.
func (e *BatchError) Fail(i int, err error) *BatchError {
	if e == nil {
		e = &BatchError{Failed: make(map[int]error)}
	}
	e.Failed[i] = err
	return e
}

// Err returns e as an error, or nil if nothing failed. It may be called on nil.
func (e *BatchError) Err() error {
	if e == nil || len(e.Failed) == 0 {
		return nil
	}
	return e
}

// ErrorOf returns what a call's error says of the job at index i: err itself, unless err is a
// *BatchError, which says it of each job.
func ErrorOf(err error, i int) error {
	if err == nil {
		return nil
	}
	var batch *BatchError
	if errors.As(err, &batch) {
		return batch.Failed[i]
	}
	return err
}
