package queuetest

import (
	"errors"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var healthChecks = []check{
	{"H1", "AnAckMakesTheLaneHealthy", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		first := r.next(queue.Untried)
		r.next(queue.Untried) // the first is not acked yet
		r.ack(first)
		r.ack(r.next(queue.Healthy))
	}},
	{"H1", "AnAckEndsFailing", func(r *rig) {
		r.makeFailing("a")
		r.enqueue(r.jobs("a", 2)...)
		r.ack(r.next(queue.Failing))
		r.ack(r.next(queue.Healthy))
	}},
	{"H1", "AnAckLeavesOtherLanesAlone", func(r *rig) {
		r.makeFailing("b")
		r.makeHealthy("a")
		r.enqueue(r.job("b"))
		r.release(r.next(queue.Failing))
		r.makeUntried("b")
		r.ack(r.next(queue.Untried))
	}},
	{"H1", "NothingElseMakesALaneHealthy", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		r.release(r.next(queue.Untried))
		r.nack(r.next(queue.Untried), r.h.Delay, false)
		r.kill(r.next(queue.Untried), "gone")
		r.must("Replace", r.q.Replace(r.Context(), r.next(queue.Untried), r.jobs("a", 1)))
		r.nack(r.next(queue.Untried), 0, true)
		r.next(queue.Untried)
	}},
	{"H1", "AStaleAckChangesNothing", receipts(func(r *rig) {
		r.enqueue(r.job("a"))
		old := r.next(queue.Untried)
		r.release(old)
		r.lost("Ack", r.q.Ack(r.Context(), []queue.Lease{old}))
		r.next(queue.Untried)
	})},
	{"H1", "AnAckOfTheProbeEndsTheHold", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		l := r.next(queue.Untried)
		r.tick()
		due := r.hold("a", r.h.Delay, l)
		probe := r.probe(due, 1)
		if probe.Health != queue.Failing {
			r.breaks("the probe has Health %v; want failing", probe.Health)
		}
		r.ack(probe)
		r.ack(r.open(2, queue.Healthy)...)
	}},
	{"H1", "OneAckOfManyLanes", func(r *rig) {
		r.makeFailing("failing")
		for _, lane := range []string{"untried", "failing", "held"} {
			r.enqueue(r.jobs(lane, 2)...)
		}
		r.hold("held", r.h.Delay, byHand)
		r.sleep(r.h.Delay + r.quiet())
		r.ack(r.take(5)...) // one is a probe
		if l := r.next(queue.Healthy); l.Lane != "held" {
			r.breaks("received %q; want the job of the lane that was held", l.ID)
		}
		r.enqueue(r.job("untried"), r.job("failing"))
		r.open(2, queue.Healthy)
	}},
	{"H1", "AnEarlierLeaseDoesNotEndTheHold", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		first, second := r.next(queue.Untried), r.next(queue.Untried)
		r.tick()
		r.hold("a", longHold, first)
		r.ack(second)
		r.none(r.quiet(), "the lease that was acked began before the hold did")
		r.makeUntried("a")
		r.open(2, queue.Untried)
	}},
	{"H1", "AnEarlierLeaseMakesTheHeldLaneHealthy", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		first, second := r.next(queue.Untried), r.next(queue.Untried)
		r.tick()
		due := r.hold("a", r.h.Delay, first)
		r.ack(second)
		l := r.receive(all(10), r.patience())
		if len(l) != 1 || !l[0].Probe || l[0].Health != queue.Healthy {
			r.stop("received %s; want one job as the probe of a healthy lane", leaseStates(l))
		}
		if now := time.Now(); now.Before(due) {
			r.breaks("the probe was received %v before its time", due.Sub(now))
		}
		r.ack(l...)
		r.open(1, queue.Healthy)
	}},
	{"H1", "AnEarlierLeaseDoesNotEndTheHoldOfAProbe", func(r *rig) {
		r.enqueue(r.jobs("a", 5)...)
		first, second := r.next(queue.Untried), r.next(queue.Untried)
		r.tick()
		probe := r.probe(r.hold("a", r.h.Delay, first), 1)
		r.ack(second)
		r.onlyProbe(probe)
		r.ack(probe)
		r.open(2, queue.Healthy)
	}},
	{"H1", "AnEarlierProbeDoesNotEndALaterHold", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		l := r.next(queue.Untried)
		r.tick()
		probe := r.probe(r.hold("a", r.h.Delay, l), 1)
		r.tick()
		r.hold("a", longHold, byHand)
		r.ack(probe)
		r.none(r.quiet(), "the lane was held anew after its probe was leased")
	}},
}

var refusalChecks = []check{
	{"H4", "AfterASuccessTheRowIsOver", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		failed := r.next(queue.Untried)
		r.tick()
		r.ack(r.next(queue.Untried))
		for _, hold := range []time.Duration{0, longHold} {
			r.tooLate(failed, hold)
		}
		r.open(2, queue.Healthy)
	}},
	{"H4", "ASuccessOfAnEarlierLeaseRefusesNothing", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		early := r.next(queue.Untried)
		r.tick()
		failed := r.next(queue.Untried)
		r.ack(early)
		r.hold("a", longHold, failed)
		r.none(r.quiet(), "the lane is held: its only success was leased before the failure")
	}},
	{"H4", "ASuccessOfAnEarlierLeaseDoesNotCoverALaterOne", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		early := r.next(queue.Untried)
		r.tick()
		failed := r.next(queue.Untried)
		r.tick()
		r.ack(r.next(queue.Untried))
		r.ack(early)
		r.tooLate(failed, longHold)
		r.open(1, queue.Healthy)
	}},
	{"H4", "ASuccessCountsAfterAnotherFailure", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		early := r.next(queue.Untried)
		r.tick()
		failed := r.next(queue.Untried)
		r.tick()
		r.ack(r.next(queue.Untried))
		r.makeFailing("a")
		r.ack(early)
		r.tooLate(failed, longHold)
		r.open(1, queue.Healthy)
	}},
	{"H4", "TheRowMayBeginLongBefore", leased(func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		failed := r.next(queue.Untried)
		r.nack(failed, longHold, true)
		r.tick()
		r.nack(r.next(queue.Untried), longHold, true)
		r.hold("a", longHold, failed)
		r.none(r.quiet(), "the lane is held since a row of failures, none of which is leased any more")
	})},
	{"H4", "TheRowMayHaveEndedBefore", leased(func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		failed := r.next(queue.Untried)
		r.nack(failed, longHold, true)
		r.tick()
		r.ack(r.next(queue.Untried))
		r.tooLate(failed, longHold)
		r.open(2, queue.Healthy)
	})},
	{"H4", "AFailureFromBeforeAHoldThatHasEnded", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		hanging := r.next(queue.Untried)
		r.tick()
		failed := r.next(queue.Untried)
		r.tick()
		r.ack(r.probe(r.hold("a", r.h.Delay, failed), 1))
		r.tooLate(hanging, longHold)
		r.open(1, queue.Healthy)
	}},
	{"H4", "APersonIsNeverRefused", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		r.ack(r.next(queue.Untried))
		r.hold("a", longHold, byHand)
		r.none(r.quiet(), "the lane is held by hand")
		r.makeUntried("a")
		r.ack(r.open(1, queue.Untried)...)
	}},
	{"H4", "AnotherLanesSuccessRefusesNothing", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		failed := r.next(queue.Untried)
		r.tick()
		r.release(r.next(queue.Untried))
		r.hold("a", longHold, failed)
		r.makeHealthy("b")
		r.none(r.quiet(), "the lane is held, and no job of it was acked")
	}},
	{"H4", "UntriedIsNeverRefused", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		failed := r.next(queue.Untried)
		r.tick()
		r.ack(r.next(queue.Untried))
		r.setLane(queue.LaneUpdate{Lane: "a", Health: queue.Untried, Since: failed})
		r.open(1, queue.Untried)
	}},
}

// tooLate checks that a failure does not hold its lane, because the lane has succeeded since.
func (r *rig) tooLate(failed queue.Lease, hold time.Duration) {
	r.Helper()
	err := r.q.SetLane(r.Context(), queue.LaneUpdate{
		Lane: failed.Lane, Health: queue.Failing, Hold: hold, Since: failed, Reason: "timeout",
	})
	if !errors.Is(err, queue.ErrLaneHealthy) {
		r.breaks("SetLane returned %v; want ErrLaneHealthy: a job that was leased after Since has been acked", err)
	}
}
