package queuetest

import (
	"bytes"
	"errors"
	"math"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var keepChecks = onTwoHandles([]check{
	{"H6", "AnEmptyLaneKeepsItsHealth", func(r *rig) {
		r.makeHealthy("a")
		r.makeFailing("b")
		r.none(r.quiet(), "all jobs were acked")
		r.enqueue(r.job("a"), r.job("b"))
		for _, l := range r.take(2) {
			r.state(l, map[string]queue.Health{"a": queue.Healthy, "b": queue.Failing}[l.Lane])
		}
	}},
	{"H6", "AnEmptyLaneKeepsItsHold", func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.next(queue.Untried)
		r.tick()
		r.hold("a", longHold, l)
		r.kill(l, "gone")
		r.enqueue(r.jobs("a", 2)...)
		r.none(r.quiet(), "the lane is held, although its last job had left")
	}},
	{"H6", "AnEmptyLaneRemembersItsSuccess", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		failed := r.next(queue.Untried)
		r.tick()
		r.ack(r.next(queue.Untried))
		r.kill(failed, "gone")
		r.tooLate(failed, longHold)
		r.enqueue(r.job("a"))
		r.next(queue.Healthy)
	}},
	{"H6", "AStateIsKeptForADay", func(r *rig) {
		if !r.h.Virtual {
			return
		}
		r.makeHealthy("a")
		r.hold("b", queue.MaxHold, byHand)
		r.makeFailing("c")
		r.sleep(23 * time.Hour)
		for _, lane := range []string{"a", "b", "c"} {
			r.enqueue(r.job(lane))
		}
		for _, l := range r.take(3) {
			if (l.Lane == "a") != (l.Health == queue.Healthy) || l.Health == queue.Untried || l.Probe != (l.Lane == "b") {
				r.breaks("after 23 hours without jobs, lane %q gave %s", l.Lane, leaseStates([]queue.Lease{l}))
			}
		}
	}},
})

// reopenChecks close the queue, so that they run on one handle only.
var reopenChecks = []check{
	{"N1", "TheLongestDelayIsKeptByTheStore", func(r *rig) {
		if r.h.Reopen == nil {
			return
		}
		r.enqueue(r.job("a"))
		l := r.takeOne()
		r.sleep(r.h.Delay)
		r.nack(l, math.MaxInt64, false)
		r.reopen()
		r.none(r.quiet(), "the longest delay has passed at the reopen")
	}},
	{"H6", "HealthOutlivesTheHandle", reopened(func(r *rig) {
		r.makeHealthy("a")
		r.makeFailing("b")
		r.enqueue(r.job("a"), r.job("b"), r.job("c"))
		r.reopen()
		for _, l := range r.take(3) {
			r.state(l, map[string]queue.Health{"a": queue.Healthy, "b": queue.Failing}[l.Lane])
		}
	})},
	{"H6", "AHoldOutlivesTheHandle", reopened(func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		r.hold("a", longHold, byHand)
		r.reopen()
		r.none(r.quiet(), "the lane is held")
		r.makeUntried("a")
		r.open(3, queue.Untried)
	})},
	{"H6", "AHoldEndsInTimeAfterAReopen", reopened(func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		l := r.next(queue.Untried)
		r.tick()
		l = r.probe(r.hold("a", r.h.Delay, l), 1)
		r.tick()
		r.hold("a", 2*r.h.Delay, l)
		due := time.Now().Add(2 * r.h.Delay)
		r.kill(l, "gone")
		r.reopen()
		got := r.receive(all(10), r.patience())
		if len(got) != 1 || !got[0].Probe || got[0].Holds != 2 {
			r.stop("received %s; want one job as a probe after two holds", leaseStates(got))
		}
		if late := time.Since(due); late > r.grace() {
			r.breaks("the probe was received %v after its time", late)
		}
		r.ack(got...)
		r.next(queue.Healthy)
	})},
	{"H6", "AProbesHoldOutlivesTheHandle", reopened(func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		r.probe(r.hold("a", r.h.Delay, byHand), 1)
		r.reopen()
		got := r.receive(all(10), r.patience()) // at the latest when the probe's lease has ended
		if len(got) != 1 || !got[0].Probe || got[0].Holds != 1 {
			r.stop("received %s; want one job as a probe after one hold", leaseStates(got))
		}
		r.onlyProbe(got[0])
		r.ack(got...)
		r.next(queue.Healthy)
	})},
	{"H6", "AnUntriedLaneIsForgottenByTheStore", reopened(func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		r.hold("a", longHold, byHand)
		r.makeUntried("a")
		r.reopen()
		r.open(2, queue.Untried)
	})},
	{"H6", "ASuccessEndsTheHoldInTheStore", reopened(func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		r.ack(r.probe(r.hold("a", r.h.Delay, byHand), 1))
		r.reopen()
		r.open(2, queue.Healthy)
	})},
	{"H6", "AListedLaneOutlivesTheHandle", reopened(lister(func(r *rig, lanes queue.LaneLister) {
		start := time.Now()
		r.hold("a", longHold, byHand)
		before := r.info(lanes, "a")
		r.reopen()
		after := r.info(r.q.(queue.LaneLister), "a")
		if after.Health != queue.Failing || after.Holds != 1 || after.Reason != before.Reason {
			r.breaks("after a reopen the lane is listed as %+v; it was %+v", after, before)
		}
		r.around("Since", after.Since, start)
		r.around("HeldUntil", after.HeldUntil, start.Add(longHold))
	}))},
}

// reopened is a check for stores that keep their lanes' states over restarts.
func reopened(run func(r *rig)) func(r *rig) {
	return func(r *rig) {
		if t := r.q.Traits(); r.h.Reopen != nil && t.Durable && t.SharedLanes {
			run(r)
		}
	}
}

// reopen closes the queue and opens its store again.
func (r *rig) reopen() {
	r.Helper()
	r.must("Close", r.q.Close())
	r.use(r.h.Reopen(r.T, r.base))
}

var shareChecks = []check{
	{"H7", "FailingLanesShareHalf", bounded(func(r *rig) {
		r.makeFailing("a", "b")
		taken := r.fill("a", 6, queue.ErrLaneFailing) + r.fill("b", bound, queue.ErrLaneFailing)
		r.half(taken)
	})},
	{"H7", "HeldLanesShareIt", bounded(func(r *rig) {
		r.makeFailing("a")
		r.hold("b", longHold, byHand)
		taken := r.fill("b", 6, queue.ErrLaneFailing) + r.fill("a", bound, queue.ErrLaneFailing)
		r.half(taken)
		r.fill("b", 1, queue.ErrLaneFailing)
	})},
	{"H7", "OthersHaveTheRest", bounded(func(r *rig) {
		r.makeFailing("a")
		r.fill("a", bound, queue.ErrLaneFailing)
		for _, lane := range []string{"b", "c"} {
			if n := r.fill(lane, 3, queue.ErrFull); n < 3 {
				r.breaks("%d of 3 jobs of a lane that does not fail were taken beside the failing ones' half", n)
			}
		}
	})},
	{"H7", "TheErrorIsErrFullToo", bounded(func(r *rig) {
		r.makeFailing("a")
		jobs := r.jobs("a", bound)
		err := r.q.Enqueue(r.Context(), jobs)
		if last := queue.ErrorOf(err, bound-1); !errors.Is(last, queue.ErrLaneFailing) || !errors.Is(last, queue.ErrFull) {
			r.breaks("Enqueue returned %v; want ErrLaneFailing, which wraps ErrFull", last)
		}
	})},
	{"H7", "LeasedAndDelayedJobsCount", bounded(leased(func(r *rig) {
		r.makeFailing("a")
		taken := r.fill("a", bound, queue.ErrLaneFailing)
		leases := r.take(min(3, taken))
		for _, l := range leases[1:] {
			r.nack(l, longHold, false)
		}
		if n := r.fill("a", 3, queue.ErrLaneFailing); n > 0 {
			r.breaks("%d more jobs were taken although none had left", n)
		}
	}))},
	{"H7", "JobsThatGoMakeRoom", bounded(leased(func(r *rig) {
		r.makeFailing("a")
		r.fill("a", bound, queue.ErrLaneFailing)
		for _, l := range r.take(3) {
			r.kill(l, "gone")
		}
		if n := r.fill("a", bound, queue.ErrLaneFailing); n != 3 {
			r.breaks("%d jobs were taken after 3 had left; want 3", n)
		}
	}))},
	{"H7", "AHealthyLaneHasTheRest", bounded(func(r *rig) {
		r.makeFailing("a")
		taken := r.fill("a", bound, queue.ErrLaneFailing)
		r.ack(r.next(queue.Failing))
		if n := r.fill("a", bound, queue.ErrFull); taken-1+n <= bound/2 {
			r.breaks("a lane that is healthy again holds %d of %d jobs", taken-1+n, bound)
		}
	})},
	{"H7", "AnUntriedLaneHasTheRest", bounded(func(r *rig) {
		r.hold("a", longHold, byHand)
		taken := r.fill("a", bound, queue.ErrLaneFailing)
		r.makeUntried("a")
		if n := r.fill("a", bound, queue.ErrFull); taken+n <= bound/2 {
			r.breaks("a lane that is untried again holds %d of %d jobs", taken+n, bound)
		}
	})},
	{"H7", "ALaneThatFailsNoMoreLeavesTheShare", bounded(func(r *rig) {
		for _, recover := range []func(){
			func() { r.ack(r.receiveOne()) },
			func() { r.makeUntried("a") },
		} {
			r.makeFailing("a")
			r.fill("a", bound, queue.ErrLaneFailing)
			recover()
			r.makeFailing("b")
			if n := r.fill("b", 1, queue.ErrLaneFailing); n < 1 {
				r.breaks("a job of a failing lane was refused although no other lane fails")
			}
			r.makeUntried("b")
		}
	})},
	{"H7", "ALaneThatBeginsToFailKeepsItsJobs", bounded(func(r *rig) {
		taken := r.fill("a", bound*3/4, queue.ErrFull)
		r.makeFailing("a")
		if taken > bound/2 {
			if n := r.fill("a", 1, queue.ErrLaneFailing); n > 0 {
				r.breaks("a job of a failing lane that holds %d of %d jobs was taken", taken, bound)
			}
		}
		r.makeFailing("b")
		if taken > bound/2 {
			if n := r.fill("b", 1, queue.ErrLaneFailing); n > 0 {
				r.breaks("a job of a failing lane was taken beside another that holds %d of %d jobs", taken, bound)
			}
		}
		r.take(taken)
	})},
	{"H7", "BytesAreShared", func(r *rig) {
		if r.h.OpenBoundedBytes == nil {
			return
		}
		r.use(r.h.OpenBoundedBytes(r.T, boundBytes))
		r.makeFailing("a", "b")
		taken := r.fillLarge("a", 5, queue.ErrLaneFailing) + r.fillLarge("b", bound, queue.ErrLaneFailing)
		if size := int64(taken) * largeBytes; taken == 0 || size > boundBytes/2 {
			r.breaks("failing lanes hold %d of %d bytes; want at most half", size, boundBytes)
		}
		if n := r.fillLarge("c", 2, queue.ErrFull); n < 2 {
			r.breaks("%d of 2 jobs of a lane that does not fail were taken beside the failing ones' half", n)
		}
		r.makeUntried("a")
		r.makeUntried("b")
		r.makeFailing("d")
		if n := r.fillLarge("d", 1, queue.ErrLaneFailing); n < 1 {
			r.breaks("a job of a failing lane was refused although no other lane fails")
		}
	}},
}

const (
	bound      = 20 // jobs of a bounded queue
	boundBytes = bound * largeBytes
	largeBytes = 8 << 10
)

// bounded is a check on a queue with a bound of jobs.
func bounded(run func(r *rig)) func(r *rig) {
	return func(r *rig) {
		if r.h.OpenBounded == nil {
			return
		}
		r.use(r.h.OpenBounded(r.T, bound))
		run(r)
	}
}

// fill offers n jobs of a lane, which may be refused with an error, and returns how many were
// taken.
func (r *rig) fill(lane string, n int, refusal error) int {
	r.Helper()
	return len(r.offer(r.jobs(lane, n), refusal))
}

// fillLarge is fill with large jobs.
func (r *rig) fillLarge(lane string, n int, refusal error) int {
	r.Helper()
	jobs := r.jobs(lane, n)
	for i := range jobs {
		jobs[i].Data = bytes.Repeat([]byte("x"), largeBytes)
	}
	return len(r.offer(jobs, refusal))
}

// half checks how many jobs the failing lanes of a bounded queue hold: at most half of the bound,
// and not much less.
func (r *rig) half(taken int) {
	r.Helper()
	if taken > bound/2 || taken < bound/4 {
		r.breaks("failing lanes hold %d jobs of %d; want half at most, and to use it", taken, bound)
	}
}
