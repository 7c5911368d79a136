package lanes

import (
	"math"
	"time"
)

// Health is what is known of a lane's endpoint. The values are those of queue.Health.
type Health int

// The healths of a lane.
const (
	Untried Health = iota
	Healthy
	Failing
)

// Lane is the jobs of one webhook, and its state. A lane exists while it has jobs or a state that
// is kept.
type Lane[T any] struct {
	Name    string
	Ordered bool

	node     node[Lane[T]] // in one of Set.rings, in Set.probes or in Set.idle
	untried  list[Job[T]]  // ready jobs that were never worked on
	returned list[Job[T]]  // ready jobs that came back; they go first
	jobs     int           // of any state
	busy     int           // delayed, leased or settling
	delayed  int
	bytes    int64
	timer    int32

	health Health
	since  time.Duration // when health became what it is
	holds  int           // since the last Ack
	reason string
	acked  uint64 // number of the latest lease that was acked

	held bool
	// the last lease's number when the hold began: leases up to it are older
	holdBegan uint64
	heldUntil time.Duration // when the hold is due
	probe     *Job[T]       // the leased job that tries the endpoint; nil if there is none

	emptied time.Duration // when the last job left

	take uint64 // number of the last Take that served the lane
	left int    // jobs that this Take may still lease
}

func (l *Lane[T]) due() time.Duration { return l.heldUntil }
func (l *Lane[T]) place() *int32      { return &l.timer }

// Jobs returns how many jobs the lane has, and their size.
func (l *Lane[T]) Jobs() (n int, size int64) { return l.jobs, l.bytes }

// Health returns the lane's health.
func (l *Lane[T]) Health() Health { return l.health }

// Holds returns how many holds there were since the last Ack.
func (l *Lane[T]) Holds() int { return l.holds }

// Hold returns when the lane's hold is due, and whether it is held.
func (l *Lane[T]) Hold() (due time.Duration, held bool) { return l.heldUntil, l.held }

// IsProbe reports whether j is the probe of its lane.
func (l *Lane[T]) IsProbe(j *Job[T]) bool { return l.probe == j }

// ready returns how many jobs are ready.
func (l *Lane[T]) ready() int { return l.untried.len + l.returned.len }

// open reports whether the lane has a job to give, if it is not held.
func (l *Lane[T]) open() bool {
	return l.ready() > 0 && !(l.Ordered && l.busy > 0)
}

// next returns the job that is received next.
func (l *Lane[T]) next() *Job[T] {
	first, second := &l.returned, &l.untried
	if l.held {
		first, second = second, first // a probe: one bad job must not keep the lane held
	}
	if first.len > 0 {
		return first.front.item
	}
	return second.front.item
}

// oldest returns when the age of the oldest ready job began, or MaxInt64. Few jobs of a lane are
// back at any time, because a lane that fails is held.
func (l *Lane[T]) oldest() time.Duration {
	at := time.Duration(math.MaxInt64)
	if l.untried.len > 0 {
		at = l.untried.front.item.enqueued
	}
	for n := l.returned.front; n != nil; n = n.next {
		at = min(at, n.item.enqueued)
	}
	return at
}

// insert puts a ready job into the lane's lists. In an ordered lane, where at most one job is out,
// a job that comes back is the first.
func (l *Lane[T]) insert(j *Job[T], atHead bool) {
	to := &l.untried
	if j.returned && !l.Ordered {
		to = &l.returned
	}
	if atHead || j.returned && l.Ordered {
		to.pushFront(&j.node)
	} else {
		to.pushBack(&j.node)
	}
}

// state reports whether the lane has a state worth keeping.
func (l *Lane[T]) stateful() bool { return l.health != Untried || l.held }
