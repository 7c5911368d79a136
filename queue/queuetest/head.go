package queuetest

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

var headChecks = []check{
	{"H8", "AnAttemptGoesBeforeTheNeverTried", heads(func(r *rig) {
		jobs := r.jobs("a", 4)
		r.enqueue(jobs...)
		r.nack(r.receiveOne(), 0, true)
		r.inOrder(r.take(4), jobs)
	})},
	{"H8", "ADelayedJobGoesBeforeTheNeverTried", heads(func(r *rig) {
		jobs := r.jobs("a", 4)
		r.enqueue(jobs...)
		for _, counted := range []bool{true, false} {
			r.nack(r.receiveOne(), r.h.Delay, counted)
			r.sleep(r.h.Delay + r.quiet())
		}
		r.enqueue(r.jobs("a", 1)...)
		got := r.take(4)
		r.inOrder(got, jobs)
	})},
	{"H8", "AnEndedLeaseGoesBeforeTheNeverTried", heads(func(r *rig) {
		jobs := r.jobs("a", 4)
		r.enqueue(jobs...)
		l := r.receiveOne()
		r.sleep(time.Until(l.Until) + r.quiet())
		r.inOrder(r.take(4), jobs)
	})},
	{"H8", "ManyThatCameBackGoFirst", heads(func(r *rig) {
		jobs := r.jobs("a", 6)
		r.enqueue(jobs...)
		for _, l := range r.take(3) {
			r.nack(l, 0, true)
		}
		r.same(r.take(3), jobs[:3])
		r.inOrder(r.take(3), jobs[3:])
	})},
	{"H8", "AReleaseIsNoComingBack", heads(func(r *rig) {
		jobs := r.jobs("a", 4)
		r.enqueue(jobs...)
		released, back := r.receiveOne(), r.receiveOne()
		r.release(released)
		r.nack(back, 0, true)
		r.inOrder(r.take(4), []queue.Job{back.Job, released.Job, jobs[2], jobs[3]})
	})},
	{"H8", "AReplayIsANewJob", heads(letters(func(r *rig, d queue.DeadLetters) {
		r.enqueue(r.job("a"))
		l := r.receiveOne()
		r.nack(l, 0, true)
		l = r.receiveOne()
		r.kill(l, "gone")
		jobs := r.jobs("a", 2)
		r.enqueue(jobs...)
		replay := r.replay(d, l.Job)
		r.nack(r.receiveOne(), 0, true)
		r.inOrder(r.take(3), append(jobs, replay))
	}))},
	{"H8", "AProbeIsAJobThatWasNeverTried", heads(func(r *rig) {
		jobs := r.jobs("a", 4)
		r.enqueue(jobs...)
		first, second := r.receiveOne(), r.receiveOne()
		r.nack(first, 0, true)
		r.nack(second, r.h.Delay, false)
		due := r.hold("a", 2*r.h.Delay, byHand)
		r.ack(r.probeOf(due, jobs[2]))
		r.same(r.take(2), jobs[:2])
	})},
	{"H8", "AReleasedProbeWasNeverTried", heads(func(r *rig) {
		jobs := r.jobs("a", 4)
		r.enqueue(jobs...)
		r.nack(r.receiveOne(), 0, true)
		l := r.probeOf(r.hold("a", r.h.Delay, byHand), jobs[1])
		start := time.Now()
		r.release(l)
		r.ack(r.probeOf(start, jobs[1]))
	})},
	{"H8", "AnotherJobIsTheNextProbe", heads(func(r *rig) {
		jobs := r.jobs("a", 3)
		r.enqueue(jobs...)
		due := r.hold("a", r.h.Delay, byHand)
		for _, j := range jobs {
			l := r.probeOf(due, j)
			r.tick()
			due = r.hold("a", r.h.Delay, l)
			r.nack(l, 0, true)
		}
		if l := r.probe(due, 4); l.Attempts != 1 {
			r.breaksRule("N2", "%q has Attempts %d; want 1", l.ID, l.Attempts)
		}
	})},
	{"H8", "TheNextProberGetsAnotherJob", heads(func(r *rig) {
		jobs := r.jobs("a", 2)
		r.enqueue(jobs...)
		l := r.probeOf(r.hold("a", r.h.Delay, byHand), jobs[0])
		r.probeOf(l.Until, jobs[1])
	})},
	{"H8", "WithoutOthersAJobThatCameBackIsTheProbe", heads(func(r *rig) {
		jobs := r.jobs("a", 2)
		r.enqueue(jobs...)
		leases := r.take(2)
		r.nack(leases[0], 0, true)
		r.nack(leases[1], 0, true)
		r.onlyProbe(r.probe(r.hold("a", r.h.Delay, byHand), 1))
	})},
	{"H8", "AnOrderedLaneKeepsItsOrder", ordered(leased(func(r *rig) {
		if r.q.Traits().OwnRetry {
			return
		}
		jobs := r.ordered("a", 4)
		r.enqueue(jobs...)
		r.nack(r.oldest(jobs[0]), 0, true)
		due := r.hold("a", r.h.Delay, byHand)
		l := r.probeOf(due, jobs[0])
		r.tick()
		due = r.hold("a", r.h.Delay, l)
		r.nack(l, 0, true)
		r.ack(r.probeOf(due, jobs[0]))
		for _, j := range jobs[1:] {
			r.ack(r.oldest(j))
		}
	}))},
	{"H8", "AReleasedProbeOfAnOrderedLaneKeepsItsPlace", ordered(func(r *rig) {
		jobs := r.ordered("a", 2)
		r.enqueue(jobs...)
		l := r.probeOf(r.hold("a", r.h.Delay, byHand), jobs[0])
		start := time.Now()
		r.release(l)
		r.ack(r.probeOf(start, jobs[0]))
		r.ack(r.oldest(jobs[1]))
	})},
	{"H8", "TheProbeOfAnOrderedLaneWaitsForADelay", ordered(func(r *rig) {
		jobs := r.ordered("a", 2)
		r.enqueue(jobs...)
		l := r.oldest(jobs[0])
		start := time.Now()
		r.nack(l, 3*r.h.Delay, false)
		r.hold("a", r.h.Delay, byHand)
		r.ack(r.probeOf(start.Add(3*r.h.Delay), jobs[0]))
		r.ack(r.oldest(jobs[1]))
	})},
	{"H8", "AnOrderedLaneIsNotProbedWhileAJobIsLeased", ordered(leased(func(r *rig) {
		jobs := r.ordered("a", 2)
		r.enqueue(jobs...)
		l := r.oldest(jobs[0])
		r.tick()
		r.hold("a", r.h.Delay, l)
		r.none(min(r.quiet(), r.q.Traits().Lease/4), "the oldest job of the ordered lane is leased")
		start := time.Now()
		r.release(l)
		r.probeOf(start, jobs[0])
	}))},
}

// heads is a check for drivers with leases that keep an order and leave the time of a retry to the
// caller.
func heads(run func(r *rig)) func(r *rig) {
	return leased(func(r *rig) {
		if !r.h.Lacks.Order && !r.q.Traits().OwnRetry {
			run(r)
		}
	})
}

// probeOf receives the probe of the only lane, which must be this job.
func (r *rig) probeOf(due time.Time, want queue.Job) queue.Lease {
	r.Helper()
	got := r.receive(all(10), time.Until(due)+r.patience())
	now := time.Now()
	if len(got) != 1 || !got[0].Probe || got[0].ID != want.ID {
		r.stop("received %s; want %q as a probe", leaseStates(got), want.ID)
	}
	if now.Before(due) {
		r.breaksRule("H2", "the probe was received %v before its time", due.Sub(now))
	}
	return got[0]
}
