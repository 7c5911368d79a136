package queuetest

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var wakeChecks = []check{
	{"R6", "Enqueue", func(r *rig) {
		r.wakes(func() time.Time {
			r.enqueue(r.job("a"))
			return time.Now()
		})
	}},
	{"R6", "EnqueueByAnotherHandle", func(r *rig) {
		if r.h.Another == nil {
			return
		}
		other := r.h.Another(r.T, r.q)
		r.closeLater(other)
		r.wakes(func() time.Time {
			r.must("Enqueue", other.Enqueue(r.Context(), r.jobs("a", 1)))
			return time.Now()
		})
	}},
	{"R6", "Release", func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.takeOne()
		r.wakes(func() time.Time {
			r.release(l)
			return time.Now()
		})
	}},
	{"R6", "CountedNack", func(r *rig) {
		if t := r.q.Traits(); t.AtMostOnce || t.OwnRetry {
			return
		}
		r.enqueue(r.job("a"))
		l := r.takeOne()
		r.wakes(func() time.Time {
			r.nack(l, 0, true)
			return time.Now()
		})
	}},
	{"R6", "EndOfADelay", func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.takeOne()
		r.wakes(func() time.Time {
			r.nack(l, r.h.Delay, false)
			return time.Now().Add(r.h.Delay)
		})
	}},
	{"R6", "EndOfALease", leased(func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.takeOne()
		r.wakes(func() time.Time { return l.Until })
	})},
	{"R6", "NextOfAnOrderedLane", func(r *rig) {
		if !r.q.Traits().Ordered {
			return
		}
		r.enqueue(r.ordered("a", 2)...)
		l := r.takeOne()
		r.wakes(func() time.Time {
			r.ack(l)
			return time.Now()
		})
	}},
	{"R6", "Replace", func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.takeOne()
		r.wakes(func() time.Time {
			r.must("Replace", r.q.Replace(r.Context(), l, r.jobs("a", 1)))
			return time.Now()
		})
	}},
	{"R6", "OfTwoReceivesOneIsCancelled", func(r *rig) {
		if r.h.Lacks.Orphans {
			return
		}
		for range 10 {
			r.cancelOneOfTwo()
		}
	}},
}

var laneWakeChecks = []check{
	{"R6", "EndOfAHold", func(r *rig) {
		r.wakes(func() time.Time {
			r.hold("a", 2*r.h.Delay, byHand)
			r.enqueue(r.jobs("a", 2)...)
			return time.Now().Add(2 * r.h.Delay)
		})
	}},
	{"R6", "EndOfAHoldThatIsShortened", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		r.hold("a", longHold, byHand)
		r.wakes(func() time.Time {
			r.hold("a", r.h.Delay, byHand)
			return time.Now().Add(r.h.Delay)
		})
	}},
	{"R6", "AnUntriedLane", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		r.hold("a", longHold, byHand)
		r.wakes(func() time.Time {
			r.makeUntried("a")
			return time.Now()
		})
	}},
	{"R6", "AckOfAProbe", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		r.wakes(func() time.Time {
			r.ack(probe)
			return time.Now()
		})
	}},
	{"R6", "ReleaseOfAProbe", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		r.wakes(func() time.Time {
			r.release(probe)
			return time.Now()
		})
	}},
	{"R6", "EndOfAProbesDelay", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		r.wakes(func() time.Time {
			r.nack(probe, r.h.Delay, false)
			return time.Now().Add(r.h.Delay)
		})
	}},
	{"R6", "EndOfAProbesLease", leased(func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		r.wakes(func() time.Time { return probe.Until })
	})},
	{"R4", "NoProbeIsLeftBehind", func(r *rig) {
		if r.h.Lacks.Orphans {
			return
		}
		r.enqueue(r.job("a"))
		for range 5 {
			r.cancelAtDue()
		}
	}},
	{"R6", "AJobOfALaneWhoseHoldIsDue", func(r *rig) {
		r.hold("a", r.h.Delay, byHand)
		r.sleep(2 * r.h.Delay)
		r.wakes(func() time.Time {
			r.enqueue(r.jobs("a", 2)...)
			return time.Now()
		})
	}},
}

// cancelAtDue cancels a Receive at about the time when a hold is due. Its probe must not be lost.
func (r *rig) cancelAtDue() {
	r.Helper()
	due := r.hold("a", r.h.Delay, byHand)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	done := r.receiveLater(ctx)
	r.sleep(time.Until(due))
	cancel()
	got, err := r.answer(done)
	if err != nil {
		got.leases = r.take(1)
	}
	if l := got.leases[0]; !l.Probe || l.Attempts > 0 {
		r.stop("received %s with Attempts %d; want the probe, which no Receive has returned", leaseStates(got.leases), l.Attempts)
	}
	r.release(got.leases...)
}

// cancelOneOfTwo cancels one of two Receives that wait in the moment when a job has come. The other
// must not miss it.
func (r *rig) cancelOneOfTwo() {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	first := r.receiveLater(ctx)
	if r.h.Virtual {
		r.sleep(r.quiet()) // so that it waits
	}
	second := r.receiveLater(r.Context())
	r.sleep(r.quiet() / 5)
	jobs := r.jobs("a", 1)
	r.enqueue(jobs...)
	cancel()
	got, err := r.answer(first)
	if err == nil {
		r.release(got.leases[0])
	}
	got, err = r.answer(second)
	r.must("Receive", err)
	r.same(got.leases, jobs)
	r.ack(got.leases...)
}

// wakes checks that a Receive that waits is answered when act says.
func (r *rig) wakes(act func() (due time.Time)) {
	r.Helper()
	done := r.receiveLater(r.Context())
	r.sleep(min(r.quiet(), r.q.Traits().Lease/4)) // so that it waits
	due := act()
	got, err := r.answer(done)
	r.must("Receive", err)
	if len(got.leases) != 1 {
		r.stop("Receive returned %d jobs; want 1", len(got.leases))
	}
	if late := got.at.Sub(due); late > r.grace() {
		r.breaks("a Receive that waited returned %v after the job became ready", late)
	}
	r.ack(got.leases...)
}

var orderedChecks = []check{
	{"R5", "OneAtATime", ordered(func(r *rig) {
		jobs := r.ordered("a", 4)
		r.enqueue(jobs...)
		other := r.ordered("b", 1)
		r.enqueue(other...)
		leases := r.take(2)
		r.same(leases, []queue.Job{jobs[0], other[0]})
		r.none(r.quiet(), "the oldest job of each lane is leased")
		r.ack(leases...)
		for _, want := range jobs[1:] {
			r.ack(r.oldest(want))
		}
	})},
	{"R5", "ADelayedJobHoldsItsLane", ordered(func(r *rig) {
		jobs := r.ordered("a", 2)
		r.enqueue(jobs...)
		l := r.oldest(jobs[0])
		start := time.Now()
		r.nack(l, r.h.Delay, false)
		r.none(r.h.Delay/2, "the oldest job is delayed")
		r.after(l, start.Add(r.h.Delay))
		r.ack(r.oldest(jobs[1]))
	})},
	{"R5", "AnAttemptKeepsItsPlace", ordered(func(r *rig) {
		if t := r.q.Traits(); t.AtMostOnce || t.OwnRetry {
			return
		}
		jobs := r.ordered("a", 2)
		r.enqueue(jobs...)
		r.nack(r.oldest(jobs[0]), 0, true)
		r.nack(r.oldest(jobs[0]), r.h.Delay, true)
		r.release(r.oldest(jobs[0]))
		r.ack(r.oldest(jobs[0]))
		r.ack(r.oldest(jobs[1]))
	})},
	{"R5", "AnEndedLeaseKeepsItsPlace", ordered(leased(func(r *rig) {
		jobs := r.ordered("a", 2)
		r.enqueue(jobs...)
		r.oldest(jobs[0])
		r.ack(r.oldest(jobs[0]))
		r.ack(r.oldest(jobs[1]))
	}))},
	{"R5", "ADeadLetterFreesItsLane", ordered(func(r *rig) {
		jobs := r.ordered("a", 2)
		r.enqueue(jobs...)
		r.must("DeadLetter", r.q.DeadLetter(r.Context(), r.oldest(jobs[0]), "gone"))
		r.ack(r.oldest(jobs[1]))
	})},
}

// ordered is a check for drivers that keep rule R5.
func ordered(run func(r *rig)) func(r *rig) {
	return func(r *rig) {
		if r.q.Traits().Ordered {
			run(r)
		}
	}
}

// oldest receives, and checks that the one job returned is want.
func (r *rig) oldest(want queue.Job) queue.Lease {
	r.Helper()
	got := r.receive(all(10), r.patience())
	if len(got) != 1 || got[0].ID != want.ID {
		r.stop("received %s; want %q alone", ids(got), want.ID)
	}
	return got[0]
}
