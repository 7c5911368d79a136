// Package queuetest checks that a [queue.Queue] keeps the rules of package queue, one by one. A
// failure quotes the rule that was broken. It is for the authors of drivers, in this module and
// elsewhere:
//
//	func TestConformance(t *testing.T) {
//		queuetest.Run(t, queuetest.Harness{
//			Open: func(t *testing.T) queue.Queue {
//				q, err := myqueue.New(myqueue.Options{Server: server, Prefix: t.Name(), Lease: 2 * time.Second})
//				if err != nil {
//					t.Fatal(err)
//				}
//				return q
//			},
//		})
//	}
//
// There is a subtest for each rule, named after it, and one each for ages, for what
// [queue.LaneLister] lists, for statistics, and for load: many goroutines, and random operations
// that a model repeats. They run at the same time. On a real server, with leases of one or two
// seconds, the whole suite takes well under a minute; a driver that has neither sockets nor
// goroutines of its own runs in virtual time.
//
// The checks of lanes' states run on one handle and, with [Harness.Another] and Traits.SharedLanes,
// once more on two handles of one store, whose calls alternate.
//
// [Harness.Lacks] names what a store cannot do. The suite does not check what the driver's
// [queue.Traits] exclude.
package queuetest

import (
	"cmp"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Harness says how to test a driver. Only Open is required.
type Harness struct {
	// Open returns an empty queue that shares nothing with any other, with short leases: one or two
	// seconds, unless Virtual is set. The suite closes it. Open fails t if it cannot. It is called
	// from many subtests at the same time.
	Open func(t *testing.T) queue.Queue

	// Another returns a second handle onto the store of q, as another process would open it while q
	// is in use. The suite closes it. Nil if a store has one handle.
	Another func(t *testing.T, q queue.Queue) queue.Queue

	// Reopen returns a new handle onto the store of q, which was closed. The suite closes it. Nil
	// if the jobs are gone then.
	Reopen func(t *testing.T, q queue.Queue) queue.Queue

	// OpenBounded is Open with a bound on the number of jobs (rules E3, E4, E5, H7); at least one
	// must fit. Nil if there is no such bound.
	OpenBounded func(t *testing.T, jobs int) queue.Queue

	// OpenBoundedBytes is Open with a bound on the bytes of Data (rule H7). Nil if there is no such
	// bound.
	OpenBoundedBytes func(t *testing.T, bytes int64) queue.Queue

	// OpenDead is Open with a bound on the number of dead letters (rule D2). Nil if there is no
	// such bound.
	OpenDead func(t *testing.T, letters int) queue.Queue

	// TooLarge is a size of Data in bytes that queues from Open refuse with ErrTooLarge. 0 if there
	// is none.
	TooLarge int

	// Virtual runs every subtest in a bubble of testing/synctest, so that leases and delays cost no
	// time. The driver must not wait for anything outside of the bubble, such as a socket. Open is
	// called inside the bubble.
	Virtual bool

	// Later moves the clock of q's store ahead, or the times in the store back, so that what is to
	// end within d has ended. Nil if that cannot be done; then the suite cannot see that the
	// longest delay ends (rule N1). A Virtual harness needs none.
	Later func(t *testing.T, q queue.Queue, d time.Duration)

	// Delay is the shortest delay that the store keeps; it must be shorter than a lease. Defaults
	// to one second.
	Delay time.Duration

	// MaxDelay is the longest delay that the store keeps (rule N1). Defaults to a year.
	MaxDelay time.Duration

	// Seed makes the random operations. Defaults to 1. Failures print it.
	Seed uint64

	// Lacks says which rules the store cannot keep.
	Lacks Lacks
}

// Lacks lists what a store cannot do, where the rules or the nature of a server leave room. The
// suite does not check what is set; the driver's documentation should state it.
type Lacks struct {
	// Dedup: a job that is enqueued again by another call is a second job (E2).
	Dedup bool

	// Order: jobs of a lane come in any order (E4, N3, P1, D3, H8). Ordered lanes are checked if
	// Traits.Ordered is set.
	Order bool

	// Partial: a Receive may return fewer jobs than fit (R1).
	Partial bool

	// Turns: a lane with a backlog, or a crowd of held ones, can keep another waiting (R3, H5).
	Turns bool

	// Attempts: every lease counts as an attempt and sets First, even one that was released (N2,
	// N3).
	Attempts bool

	// Receipts: a receipt that is not current is not always refused (L2).
	Receipts bool

	// Orphans: a Receive whose context ends may leave a lease behind (R4).
	Orphans bool

	// Stats: the statistics, and the jobs of listed lanes, are approximate.
	Stats bool
}

// check is one thing that the suite looks at.
type check struct {
	rule string
	name string
	run  func(r *rig)
}

// Run checks a driver. It returns when all subtests have ended.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("queuetest: Harness.Open is nil; it must open an empty queue")
	}
	h.Delay = cmp.Or(h.Delay, time.Second)
	h.MaxDelay = cmp.Or(h.MaxDelay, 365*24*time.Hour)
	h.Seed = cmp.Or(h.Seed, 1)
	// Most of the time is spent waiting, so more checks run at once than go test's -parallel would
	// allow.
	slots := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for _, group := range groups() {
		running.Go(func() {
			t.Run(group[0].rule, func(t *testing.T) { h.runGroup(t, group, slots) })
		})
	}
	running.Wait()
}

// atOnce is how many checks run at the same time.
const atOnce = 16

// runGroup runs the checks of one rule, each as soon as there is a slot.
func (h Harness) runGroup(t *testing.T, group []check, slots chan struct{}) {
	var running sync.WaitGroup
	for _, c := range group {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			t.Run(c.name, func(t *testing.T) { h.run(t, c) })
		})
	}
	running.Wait()
}

// run makes the rig for one check, in a bubble if the harness wants one.
func (h Harness) run(t *testing.T, c check) {
	if h.Virtual {
		synctest.Test(t, func(t *testing.T) { c.run(newRig(t, h, c.rule)) })
		return
	}
	c.run(newRig(t, h, c.rule))
}

// groups returns all checks, those of one rule together.
func groups() (all [][]check) {
	index := make(map[string]int)
	for _, c := range slices.Concat(
		loadChecks, // first, since they take the longest
		enqueueChecks, boundChecks, receiveChecks, wantChecks, wakeChecks, orderedChecks,
		leaseChecks, nackChecks, settleChecks, ageChecks, deadChecks,
		laneChecks, keepChecks, reopenChecks,
	) {
		i, known := index[c.rule]
		if !known {
			i = len(all)
			index[c.rule] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], c)
	}
	return all
}
