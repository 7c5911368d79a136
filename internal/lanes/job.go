package lanes

import "time"

// Job is a job of a Set. A store may index a million of them, so its fields are packed.
type Job[T any] struct {
	// Value is the driver's.
	Value T

	node     node[Job[T]]
	lane     *Lane[T]
	enqueued time.Duration // when the job's age began
	first    time.Duration // when the first lease began that was an attempt
	began    time.Duration // when the current lease began
	until    time.Duration // when the lease or the delay ends
	lease    uint64        // number of the current lease, or of the last one
	size     uint32        // larger jobs count as 4 GiB
	attempts int32
	timer    int32
	state    State
	tried    bool // first is set
	returned bool // it came back: it goes before the jobs that were never worked on (H8)
}

// State is where a job stands.
type State uint8

const (
	// Pending is a job that is not in its lane yet: its driver is storing it.
	Pending State = iota
	// Ready is a job that may be received.
	Ready
	// Delayed is a job that becomes ready at a time.
	Delayed
	// Leased is a job under a lease that ends at a time.
	Leased
	// Settling is a leased job whose settlement is being stored: its lease does not end.
	Settling
	// Gone is a job that has left the Set.
	Gone

	states
)

func (j *Job[T]) due() time.Duration { return j.until }
func (j *Job[T]) place() *int32      { return &j.timer }

// State returns where the job stands.
func (j *Job[T]) State() State { return j.state }

// Lane returns the job's lane.
func (j *Job[T]) Lane() *Lane[T] { return j.lane }

// Size returns the size that the job was added with.
func (j *Job[T]) Size() int64 { return int64(j.size) }

// Attempts returns how many leases counted as attempts.
func (j *Job[T]) Attempts() int { return int(j.attempts) }

// Number returns the number of the current lease. Numbers grow with time: of two leases the later
// one has the higher number.
func (j *Job[T]) Number() uint64 { return j.lease }

// Began returns when the current lease began, and Until when the lease or the delay ends.
func (j *Job[T]) Began() time.Duration { return j.began }

// Until returns when the lease or the delay ends.
func (j *Job[T]) Until() time.Duration { return j.until }

// Enqueued returns when the job's age began.
func (j *Job[T]) Enqueued() time.Duration { return j.enqueued }

// First returns when the first lease began that was an attempt; false if there was none.
func (j *Job[T]) First() (time.Duration, bool) { return j.first, j.tried }

// Returned reports whether the job came back after a Nack or a lease that ended.
func (j *Job[T]) Returned() bool { return j.returned }

// count notes that a lease ended in an attempt.
func (j *Job[T]) count() {
	j.attempts++
	if !j.tried {
		j.first, j.tried = j.began, true
	}
}

// busy is 1 in the states that keep an ordered lane from being received.
func (s State) busy() int {
	if s == Delayed || s == Leased || s == Settling {
		return 1
	}
	return 0
}
