// Package queue is the contract between the webhook library and its queues, and holds the two
// drivers that need nothing else: [Memory] and [None].
//
// A queue keeps jobs in lanes, one lane for each webhook, so that the backlog of one endpoint never
// delays the jobs of another. A job is received under a lease. While the lease lasts, no other
// Receive returns the job; when the lease ends before the job was settled, the job is received
// again. That is at-least-once delivery, and the rules below define it.
//
// A lane has a state, its [Health], which the queue keeps beside the jobs, so that all processes of
// a store and every restart know which endpoints work. A lane that fails is held: the queue returns
// none of its jobs for a while, and then a single one, the probe.
//
// The rules are numbered. Package [github.com/pushhooks/webhook/queue/queuetest] checks each of
// them and quotes the rule that a driver breaks.
package queue

import (
	"context"
	"time"
)

// Job is one delivery for one webhook. Its content is opaque to the queue.
type Job struct {
	// ID is unique: printable ASCII without spaces, 1 to 128 bytes. It makes Enqueue idempotent
	// (rule E2).
	ID string

	// Lane names the webhook that the job is for. It is valid UTF-8 of 1 to 512 bytes and may
	// contain any character.
	Lane string

	// Ordered reports that no job of this lane may overtake another and that at most one of them is
	// leased at any time (rule R5). All jobs of a lane agree on it.
	Ordered bool

	// Data is returned by Receive byte for byte. It is valid UTF-8 without control characters other
	// than newline, so that any message body can carry it. Neither side changes it after the call
	// to Enqueue.
	Data []byte
}

// Lease is a job that was received and may be worked on until Until. It is a value; its Receipt
// makes it valid.
type Lease struct {
	Job

	// Receipt fences late settlements: every lease of a job has a new one, and a settlement with an
	// older one is refused (rule L2).
	Receipt string

	// Attempts counts the earlier leases of this job that were attempts: those that ended with a
	// counted Nack, and those that ended by themselves (rule L3).
	Attempts int

	// First is when the job's first lease began that counted as an attempt, by this process's
	// clock. It is zero while there is none. A job that Replace made has the First of the job it
	// replaced.
	First time.Time

	// Until is when the lease ends unless it is extended, by this process's clock, never later than
	// the store's time.
	Until time.Time

	// Health is the lane's, from before this lease.
	Health Health

	// Probe reports that the lane is held and that this is the one job that may try its endpoint.
	Probe bool

	// Holds is how many holds the lane has had since its last Ack.
	Holds int

	// Age is the time since Enqueue or Replay took the job, when this lease began. A job that
	// Replace made has the age of the job it replaced.
	Age time.Duration
}

// Nack gives back a leased job that was worked on. A Nack with neither Delay nor Counted is a
// Release.
type Nack struct {
	Lease

	// Delay is how long the job is not received; 0 makes it ready at once.
	Delay time.Duration

	// Counted reports that the lease was an attempt: Attempts grows by one, and First is set if it
	// is zero.
	Counted bool
}

// Replayed is a dead letter to replay and the job that takes its place.
type Replayed struct {
	ID  string // of the dead letter
	Job Job    // of the same lane, with an ID of its own; see ReplayID
}

// Want limits what a Receive returns.
type Want struct {
	// Max is how many jobs it may return in all. At least 1.
	Max int

	// MaxPerLane is how many jobs of one lane it may return. 0 allows none but those of no lane, so
	// it is at least 1 in practice.
	MaxPerLane int

	// MaxUntried is how many jobs of all Untried lanes together it may return.
	MaxUntried int

	// MaxFailing is how many jobs of all Failing lanes together it may return, probes included.
	MaxFailing int

	// Lanes has limits below MaxPerLane for some lanes; 0 skips a lane. It names at most MaxNamed
	// lanes. The queue does not change or keep it.
	Lanes map[string]int
}

// MaxNamed is how many lanes Want.Lanes may name.
const MaxNamed = 500

// Limit returns how many jobs of the lane alone w allows, before Max, MaxUntried and MaxFailing.
func (w *Want) Limit(lane string) int {
	if n, named := w.Lanes[lane]; named {
		return max(0, min(n, w.MaxPerLane, w.Max))
	}
	return max(0, min(w.MaxPerLane, w.Max))
}

// Traits are facts about a driver that do not change while it is open.
type Traits struct {
	// Lease is how long a lease lasts from Receive, and again from each Extend.
	Lease time.Duration

	// MaxJobBytes is the largest Data that the store takes; larger jobs get ErrTooLarge. 0 means
	// that there is no limit of the store's own.
	MaxJobBytes int

	// Durable reports that jobs outlive this process. An emitter that shuts down leaves them to the
	// next process instead of draining them.
	Durable bool

	// SharedLanes reports that all processes that use the store share its lanes' state. Without it,
	// each process learns by itself which lanes work.
	SharedLanes bool

	// Ordered reports that the driver keeps rule R5. Without it, an emitter refuses ordered
	// webhooks.
	Ordered bool

	// InProcess reports that jobs never leave this process's memory, so that no other program can
	// alter them.
	InProcess bool

	// AtMostOnce reports that a received job is no longer in the queue: a failed attempt is not
	// repeated, and a killed process loses what it held. A counted Nack drops the job; a Release or
	// any other Nack puts it back. Such a queue needs an Ack only when Lease.Health is not Healthy.
	AtMostOnce bool

	// OwnRetry reports that the driver decides when a failed job is retried (SQS: when its
	// visibility timeout has passed): a counted Nack ignores Delay, unless Delay is longer than
	// that.
	OwnRetry bool

	// Disabled reports that the queue takes nothing and that webhooks are off: Emit does nothing.
	Disabled bool
}

// Queue is what a driver implements. All methods are safe for concurrent use. A method that waits
// for a server returns soon after ctx ends. Temporary errors (a lost connection, throttling) are
// returned as they are, without long retries: the caller retries, with backoff. No method panics on
// a stale lease. The interface does not grow after v1; new abilities are optional interfaces, such
// as [DeadLetters], [StatsReader] and [LaneLister].
//
// The rules of the lanes' state, which the methods below keep together:
//
//	H1  An Ack makes its lane Healthy. It ends a hold only if its lease began after the hold did.
//	H2  A held lane yields no jobs, except one job as a probe when the hold's time has passed. The hold
//	    keeps its beginning and then lasts as long as the probe's lease, renewals included, so that there
//	    is never a second probe. A probe that is released, nacked without being counted, dead-lettered or
//	    replaced makes the hold due again, after the Nack's delay. Leases that run when a hold begins go on.
//	H3  A hold is a duration by the store's clock, at most MaxHold. Holds counts the holds since the last
//	    Ack. A SetLane whose Since was leased before the current hold began changes nothing and returns
//	    nil, so that attempts that fail late do not lengthen a hold; a failed probe is its own Since.
//	H4  SetLane with Failing is refused with ErrLaneHealthy if a job of the lane that was leased after
//	    Since has been acked.
//	H5  Lanes take turns in three rings, Untried, Healthy and Failing, each up to its limit in Want;
//	    Receives begin with each ring in turn. A held lane is in none of them and costs a Receive nothing.
//	    Holds that are due yield their probes like delayed jobs, earliest first, within MaxFailing.
//	H6  A store keeps a lane's state for a day after the lane's last job left (in memory: of at most
//	    100,000 lanes). A Durable store with SharedLanes keeps it over restarts.
//	H7  Failing lanes, held or not, share at most half of a bounded store, in jobs and in bytes. Beyond
//	    that their jobs are refused with ErrLaneFailing. A store may keep a part of itself for Healthy
//	    lanes, and refuse jobs of Untried lanes with ErrLaneUntried.
//	H8  In a lane, jobs that came back (after a Nack or a lease that ended) go before jobs that were never
//	    worked on. A probe is taken from the latter first, so that one bad job cannot keep a working
//	    endpoint held. Ordered lanes keep their order in both.
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
	//	E5  A bound on jobs or bytes is kept, by ErrFull, ErrLaneFailing, ErrLaneUntried or ErrTooLarge for the jobs that do not fit.
	Enqueue(ctx context.Context, jobs []Job) error

	// Receive leases ready jobs within w, and waits until there is at least one.
	//
	//	R1  It returns as soon as at least one job fits, with as many as fit and are ready then.
	//	R2  It never returns a job beyond w's limits, nor one that is leased or delayed, or of a held lane unless it is the probe.
	//	R3  Lanes take turns: a lane with a backlog does not keep the jobs of another waiting.
	//	R4  When ctx ends it returns soon, with what it has leased (and a nil error) or with nothing and
	//	    ctx's error. It never leaves a lease behind that nobody was told of, where the store allows it.
	//	R5  In a lane of Ordered jobs at most one job is leased or delayed at a time, and it is the oldest.
	//	R6  A job that becomes ready while Receive waits (Enqueue, Nack, a delay, hold or lease that ends) is returned
	//	    at once by an in-process queue, and within a second by any other.
	Receive(ctx context.Context, w Want) ([]Lease, error)

	// Extend renews leases: each lasts Traits.Lease from the call's start.
	//
	//	L1  A leased job is not received by anybody until Until has passed.
	//	L2  Extend, Ack, Nack, Release, Replace and DeadLetter with a receipt that is not current fail with
	//	    ErrLeaseLost for that job (in a *BatchError where several are given) and change nothing.
	//	L3  A lease that ends unsettled makes the job ready again, with Attempts one higher and First set.
	Extend(ctx context.Context, leases []Lease) error

	// Ack settles delivered jobs: they leave the queue.
	//
	//	A1  An acked job is never received again, and its ID is remembered for a while (E2).
	Ack(ctx context.Context, leases []Lease) error

	// Nack gives back leased jobs that were worked on.
	//
	//	N1  The job is not received before Delay has passed, and then it is. A Delay of more than a year counts as a year.
	//	N2  A counted Nack adds one to Attempts and sets First if it was zero; one that is not counted changes neither.
	Nack(ctx context.Context, nacks []Nack) error

	// Release gives back leased jobs unused.
	//
	//	N3  The job is as it was before it was received, at the head of its lane: before the others that came
	//	    back if it had, else before the others that were never worked on (H8). Jobs of one call keep their order.
	Release(ctx context.Context, leases []Lease) error

	// Replace settles l and puts jobs of the same lane in its place, ready at once and at the head
	// of the lane, in the order of the slice.
	//
	//	P1  It is one step where the store allows it. Otherwise the jobs are enqueued before l is acked,
	//	    so that nothing is lost in between. Jobs whose ID is known are not taken again (E2).
	//	P2  The jobs have the First and the Age of the job they replace, and no Attempts.
	Replace(ctx context.Context, l Lease, jobs []Job) error

	// DeadLetter moves a job out of its lane for people to look at.
	//
	//	D1  The job is never received again (unless somebody replays it), and is listed with its reason
	//	    where the driver implements DeadLetters.
	//	    The reason is one line of UTF-8 of at most 1 KiB; an emitter gives no other, and a driver may cut others.
	//	D2  Dead letters are bounded in number and age. The oldest are evicted, and Stats.DeadDropped counts them.
	DeadLetter(ctx context.Context, l Lease, reason string) error

	// SetLane changes a lane's state, for all processes that share it. The rules H1 to H4 apply.
	SetLane(ctx context.Context, u LaneUpdate) error

	// Close frees what the driver holds. Leases that are not settled end by themselves.
	//
	//	C1  A Receive that waits returns ErrClosed soon, and so does every method afterwards. Closing twice is harmless.
	Close() error
}
