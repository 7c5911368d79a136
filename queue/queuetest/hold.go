package queuetest

import (
	"slices"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var holdChecks = []check{
	{"H3", "AFailedProbeIsItsOwnSince", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		l := r.next(queue.Untried)
		for holds := 1; holds <= 3; holds++ {
			r.tick()
			due := r.hold("a", r.h.Delay, l)
			l = r.probe(due, holds)
		}
		r.onlyProbe(l)
	}},
	{"H3", "ALateFailureChangesNothing", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		first, second := r.next(queue.Untried), r.next(queue.Untried)
		r.tick()
		due := r.hold("a", r.h.Delay, first)
		r.hold("a", longHold, second) // is nil, and a longer hold if it changed anything
		r.probe(due, 1)
	}},
	{"H3", "ALateFailureChangesNothingWhenTheHoldIsDue", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		first, second := r.next(queue.Untried), r.next(queue.Untried)
		r.tick()
		r.hold("a", r.h.Delay, first)
		r.sleep(2 * r.h.Delay)
		r.hold("a", longHold, second)
		r.probe(time.Now(), 1)
	}},
	{"H3", "ALateFailureChangesNothingWhileTheProbeIsOut", func(r *rig) {
		r.enqueue(r.jobs("a", 5)...)
		first, second := r.next(queue.Untried), r.next(queue.Untried)
		r.tick()
		probe := r.probe(r.hold("a", r.h.Delay, first), 1)
		r.tick()
		r.hold("a", longHold, second)
		r.ack(probe)
		r.open(2, queue.Healthy)
	}},
	{"H3", "ALateFailureOfAnEarlierProbeChangesNothing", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		l := r.next(queue.Untried)
		r.tick()
		probe := r.probe(r.hold("a", r.h.Delay, l), 1)
		r.tick()
		due := r.hold("a", r.h.Delay, probe)
		r.hold("a", longHold, probe) // again, as after a lost answer
		r.probe(due, 2)
	}},
	{"H3", "ManyFailuresAtOnceAreOneHold", func(r *rig) {
		const failures = 8
		r.enqueue(r.jobs("a", failures+2)...)
		leases := r.take(failures)
		r.tick()
		due := time.Now().Add(r.h.Delay)
		var running sync.WaitGroup
		for _, l := range leases {
			running.Go(func() {
				u := queue.LaneUpdate{Lane: "a", Health: queue.Failing, Hold: r.h.Delay, Since: l}
				if err := r.q.SetLane(r.Context(), u); err != nil {
					r.breaks("SetLane: %v", err)
				}
			})
		}
		running.Wait()
		r.probe(due, 1)
	}},
	{"H3", "TheTimeOfAnEndedHoldIsForgotten", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		r.hold("a", r.h.Delay, byHand)
		r.makeUntried("a")
		r.hold("a", longHold, byHand)
		r.none(r.h.Delay+r.quiet(), "the hold that would have ended now is over, and the lane is held anew")
	}},
	{"H3", "TheTimeOfADelayedProbeIsForgotten", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		r.nack(r.probe(r.hold("a", r.h.Delay, byHand), 1), r.h.Delay, false)
		r.hold("a", longHold, byHand)
		r.none(r.h.Delay+r.quiet(), "the lane is held anew since its probe was delayed")
	}},
	{"H3", "HoldsAreCountedSinceTheLastAck", func(r *rig) {
		r.enqueue(r.jobs("a", 6)...)
		l := r.next(queue.Untried)
		r.tick()
		l = r.probe(r.hold("a", r.h.Delay, l), 1)
		r.tick()
		r.ack(r.probe(r.hold("a", r.h.Delay, l), 2))
		r.tick()
		l = r.next(queue.Healthy)
		r.tick()
		r.ack(r.probe(r.hold("a", r.h.Delay, l), 1))
		r.next(queue.Healthy)
	}},
	{"H3", "UntriedForgetsTheHolds", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		r.hold("a", longHold, byHand)
		r.makeUntried("a")
		l := r.next(queue.Untried)
		r.tick()
		r.probe(r.hold("a", r.h.Delay, l), 1)
	}},
	{"H3", "WithoutAHoldAFailingLaneIsNotHeld", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		l := r.next(queue.Untried)
		r.tick()
		r.hold("a", 0, l)
		r.open(2, queue.Failing)
	}},
	{"H3", "AnUpdateWithoutAHoldChangesNoHold", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		due := r.hold("a", r.h.Delay, byHand)
		r.hold("a", 0, byHand)
		r.probe(due, 1)
		r.hold("a", longHold, byHand)
		r.hold("a", 0, byHand)
		r.none(r.quiet(), "the lane is held")
	}},
	{"H3", "APersonLengthensAHold", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		r.hold("a", r.h.Delay, byHand)
		r.hold("a", longHold, byHand)
		r.none(r.h.Delay+r.quiet(), "the lane is held for longer now")
	}},
	{"H3", "APersonShortensAHold", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		r.hold("a", longHold, byHand)
		due := r.hold("a", r.h.Delay, byHand)
		got := r.receive(all(10), r.patience())
		if len(got) != 1 || !got[0].Probe || time.Now().Before(due) {
			r.breaks("received %s; want a probe after the new hold", leaseStates(got))
		}
	}},
	{"H3", "APersonHoldsALaneWhoseHoldIsDue", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		r.hold("a", r.h.Delay, byHand)
		r.sleep(r.h.Delay + r.quiet())
		r.hold("a", longHold, byHand)
		r.none(r.quiet(), "the lane is held anew")
	}},
	{"H3", "AHoldThatAPersonEndedIsNotCurrent", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		l := r.next(queue.Untried)
		r.tick()
		r.hold("a", longHold, byHand)
		r.makeUntried("a")
		r.hold("a", longHold, l)
		r.none(r.quiet(), "the lane is held; the hold that began after Since has ended")
	}},
	{"H3", "AHoldIsAtMostMaxHold", func(r *rig) {
		if !r.h.Virtual {
			return
		}
		r.enqueue(r.jobs("a", 2)...)
		start := time.Now()
		r.hold("a", 24*time.Hour, byHand)
		r.probe(start.Add(queue.MaxHold), 1)
	}},
	{"H3", "AHeldLaneIsListedUntilMaxHold", lister(func(r *rig, lanes queue.LaneLister) {
		start := time.Now()
		r.hold("a", 24*time.Hour, byHand)
		until := r.info(lanes, "a").HeldUntil
		from, to := start.Add(queue.MaxHold-r.grace()), time.Now().Add(queue.MaxHold+r.grace())
		if until.Before(from) || until.After(to) {
			r.breaks("HeldUntil is %v; want between %v and %v", until, from, to)
		}
	})},
	{"H3", "LongHoldsAreKept", func(r *rig) {
		if !r.h.Virtual {
			return
		}
		r.enqueue(r.jobs("a", 2)...)
		due := r.hold("a", queue.MaxHold-time.Second, byHand)
		r.none(queue.MaxHold-2*time.Second, "the lane is held")
		r.probe(due, 1)
	}},
}

var probeChecks = []check{
	{"H2", "AHeldLaneYieldsNothing", func(r *rig) {
		jobs := r.jobs("a", 3)
		r.enqueue(jobs...)
		r.enqueue(r.job("b"))
		r.hold("a", longHold, byHand)
		l := r.takeOne()
		if l.Lane != "b" {
			r.breaks("received %q, whose lane is held", l.ID)
		}
		later := r.jobs("a", 2)
		r.enqueue(later...)
		r.none(r.quiet(), "one lane is held, and the job of the other is leased")
		r.makeUntried("a")
		r.same(r.open(5, queue.Untried), append(jobs, later...))
	}},
	{"H2", "ALaneIsHeldBeforeItsFirstJob", func(r *rig) {
		r.hold("a", longHold, byHand)
		r.enqueue(r.jobs("a", 3)...)
		r.none(r.quiet(), "the lane is held")
	}},
	{"H2", "AnyLaneCanBeHeld", func(r *rig) {
		names := []string{"app/b {tag}", "ä:💥*\n\"", "x y", "%s", "\\"}
		var jobs []queue.Job
		for _, lane := range names {
			jobs = append(jobs, r.jobs(lane, 2)...)
			r.hold(lane, longHold, byHand)
		}
		r.enqueue(jobs...)
		r.none(r.quiet(), "all lanes are held")
		for _, lane := range names {
			r.makeUntried(lane)
		}
		r.same(r.open(len(jobs), queue.Untried), jobs)
	}},
	{"H2", "WhatComesToAHeldLaneWakesNothing", func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.next(queue.Untried)
		r.tick()
		r.hold("a", longHold, l)
		done := r.receiveFor(2 * r.quiet())
		r.sleep(r.quiet() / 2)
		r.enqueue(r.jobs("a", 2)...)
		r.release(l)
		if got, _ := r.answer(done); len(got.leases) > 0 {
			r.breaks("a Receive that waited returned %s, whose lane is held", leaseStates(got.leases))
		}
	}},
	{"H2", "OneProbeComesInTime", func(r *rig) {
		r.enqueue(r.jobs("a", 5)...)
		l := r.next(queue.Untried)
		r.tick()
		r.onlyProbe(r.probe(r.hold("a", r.h.Delay, l), 1))
	}},
	{"H2", "ManyReceivesGetOneProbe", func(r *rig) { r.race() }},
	{"H2", "ALaneWithoutJobsKeepsItsProbe", func(r *rig) {
		r.hold("a", r.h.Delay, byHand)
		r.none(r.h.Delay+r.quiet(), "the lane has no jobs")
		start := time.Now()
		r.enqueue(r.jobs("a", 3)...)
		r.onlyProbe(r.probe(start, 1))
	}},
	{"H2", "ADelayedJobIsNoProbe", func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.next(queue.Untried)
		r.tick()
		r.hold("a", r.h.Delay, l)
		start := time.Now()
		r.nack(l, 2*r.h.Delay, false)
		r.probe(start.Add(2*r.h.Delay), 1)
	}},
	{"H2", "EachHeldLaneHasItsProbe", func(r *rig) {
		var lanes []string
		for _, lane := range []string{"a", "b", "c", "d"} {
			r.enqueue(r.jobs(lane, 3)...)
			r.hold(lane, r.h.Delay, byHand)
		}
		for _, l := range r.take(4) {
			if !l.Probe {
				r.breaks("received %q, whose lane is held, and not as a probe", l.ID)
			}
			lanes = append(lanes, l.Lane)
		}
		r.none(r.quiet(), "each of the four held lanes has its probe")
		r.distinct(lanes)
	}},
	{"H2", "TheProbesLeaseHoldsTheLane", leased(func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		lease := r.q.Traits().Lease
		for range 4 {
			r.none(lease/2, "the lane is held and has its probe, whose lease is extended")
			r.must("Extend", r.q.Extend(r.Context(), []queue.Lease{probe}))
		}
		r.ack(probe)
		r.open(2, queue.Healthy)
	})},
	{"H2", "AKilledProberCostsOneLease", leased(func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		for range 2 {
			probe = r.probe(probe.Until, 1)
			r.onlyProbe(probe)
		}
		r.ack(probe)
		r.open(3, queue.Healthy)
	})},
	{"H2", "AKilledProberOfALoneJobCostsOneLease", leased(func(r *rig) {
		r.enqueue(r.job("a"))
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		again := r.probe(probe.Until, 1)
		if !r.h.Lacks.Attempts {
			r.attempts(again, 1)
		}
	})},
	{"H2", "AReleasedProbeMakesTheHoldDue", func(r *rig) {
		r.settledProbe(0, func(l queue.Lease) { r.release(l) })
	}},
	{"H2", "ADelayedProbeMakesTheHoldDueLater", func(r *rig) {
		r.settledProbe(2*r.h.Delay, func(l queue.Lease) { r.nack(l, 2*r.h.Delay, false) })
	}},
	{"H2", "ADeadLetteredProbeMakesTheHoldDue", func(r *rig) {
		r.settledProbe(0, func(l queue.Lease) { r.kill(l, "too_old") })
	}},
	{"H2", "AReplacedProbeMakesTheHoldDue", func(r *rig) {
		r.settledProbe(0, func(l queue.Lease) {
			r.must("Replace", r.q.Replace(r.Context(), l, r.jobs("a", 2)))
		})
	}},
	{"H2", "AReplacedProbeOfALoneJobMakesTheHoldDue", func(r *rig) {
		r.enqueue(r.job("a"))
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		start := time.Now()
		r.must("Replace", r.q.Replace(r.Context(), probe, r.jobs("a", 2)))
		r.onlyProbe(r.probe(start, 1))
	}},
	{"H2", "OneNackOfManyProbes", func(r *rig) {
		r.enqueue(append(r.jobs("a", 2), r.jobs("b", 2)...)...)
		r.hold("a", r.h.Delay, byHand)
		r.hold("b", r.h.Delay, byHand)
		due := make(map[string]time.Time)
		var nacks []queue.Nack
		start := time.Now()
		for i, l := range r.take(2) {
			n := queue.Nack{Lease: l, Delay: time.Duration(2-i) * r.h.Delay}
			nacks, due[l.Lane] = append(nacks, n), start.Add(n.Delay)
		}
		r.must("Nack", r.q.Nack(r.Context(), nacks))
		for range 2 {
			l := r.takeOne()
			if now := time.Now(); !l.Probe || now.Before(due[l.Lane]) {
				r.breaks("received %s %v before its delay had passed", leaseStates([]queue.Lease{l}), due[l.Lane].Sub(now))
			}
		}
		r.none(r.quiet(), "both held lanes have their probe")
	}},
	{"H2", "ACountedProbeIsFollowedByOneProbe", leased(func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		r.nack(probe, 0, true)
		// at the latest when the probe's lease would have ended
		got := r.receive(all(10), r.patience())
		if len(got) != 1 || !got[0].Probe {
			r.stop("received %s; want one job as a probe", leaseStates(got))
		}
		r.onlyProbe(got[0])
	})},
	{"H2", "LeasesThatRunGoOn", leased(func(r *rig) {
		jobs := r.jobs("a", 5)
		r.enqueue(jobs...)
		leases := r.take(4)
		r.tick()
		r.hold("a", longHold, leases[0])
		r.must("Extend", r.q.Extend(r.Context(), leases))
		r.nack(leases[0], 0, true)
		r.release(leases[1])
		r.ack(leases[2])
		r.none(r.quiet(), "the lane is held, whatever comes back to it")
		r.ack(leases[3])
		r.makeUntried("a")
		r.take(3)
	})},
	{"H2", "AProbeFitsIntoWant", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		due := r.hold("a", r.h.Delay, byHand)
		r.sleep(2 * r.h.Delay)
		noFailing, skipped := all(10), all(10)
		noFailing.MaxFailing = 0
		skipped.Lanes = limits{"a": 0}
		for _, w := range []queue.Want{noFailing, skipped} {
			if got := r.receive(w, r.quiet()); len(got) > 0 {
				r.breaksRule("R2", "received %s, which is beyond %+v", leaseStates(got), w)
			}
		}
		if got := r.receive(all(10), r.patience()); len(got) != 1 || !got[0].Probe {
			r.breaks("received %s; want the probe, which was due at %v", leaseStates(got), due)
		}
	}},
	{"H2", "AnUntriedLaneIsOpenAtOnce", func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		r.makeUntried("a")
		r.open(2, queue.Untried)
		r.release(probe)
		r.next(queue.Untried)
	}},
	{"H2", "AReleaseAfterTheFailureIsNoProbes", failedProbe(func(r *rig, l queue.Lease) { r.release(l) })},
	{"H2", "ANackAfterTheFailureIsNoProbes", failedProbe(func(r *rig, l queue.Lease) { r.nack(l, r.h.Delay, false) })},
	{"H2", "ACountAfterTheFailureIsNoProbes", failedProbe(func(r *rig, l queue.Lease) { r.nack(l, 0, true) })},
	{"H2", "ADeadLetterAfterTheFailureIsNoProbes", failedProbe(func(r *rig, l queue.Lease) { r.kill(l, "gone") })},
	{"H2", "AReplaceAfterTheFailureIsNoProbes", failedProbe(func(r *rig, l queue.Lease) {
		r.must("Replace", r.q.Replace(r.Context(), l, r.jobs("a", 2)))
	})},
	{"H2", "TheEndOfItsLeaseAfterTheFailureIsNoProbes", leased(failedProbe(func(r *rig, l queue.Lease) {
		r.sleep(time.Until(l.Until))
	}))},
	{"H2", "AnExtensionAfterTheFailureIsNoProbes", leased(func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		r.tick()
		due := r.hold("a", r.h.Delay, probe)
		r.must("Extend", r.q.Extend(r.Context(), []queue.Lease{probe}))
		r.probe(due, 2)
	})},
}

// settledProbe checks that the hold is due again, a delay after a probe was settled without being
// an attempt, and that there is then one probe.
func (r *rig) settledProbe(delay time.Duration, settle func(l queue.Lease)) {
	r.Helper()
	r.enqueue(r.jobs("a", 4)...)
	probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
	for range 2 {
		due := time.Now().Add(delay)
		settle(probe)
		probe = r.probe(due, 1)
		r.onlyProbe(probe)
	}
	r.ack(probe)
	for _, l := range r.take(1) {
		r.state(l, queue.Healthy)
	}
}

// failedProbe is a check of what is done to a probe after its failure has begun another hold. That
// hold must last.
func failedProbe(settle func(r *rig, l queue.Lease)) func(r *rig) {
	return func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		r.tick()
		r.hold("a", longHold, probe)
		settle(r, probe)
		r.none(r.h.Delay+r.quiet(), "the lane is held since its probe failed")
	}
}

// race has many Receives wait for one probe. While its lease lasts there must be no other.
func (r *rig) race() {
	const receives = 8
	r.enqueue(r.jobs("a", 2*receives)...)
	due := r.hold("a", r.h.Delay, byHand)
	var calls [receives]<-chan received
	for i := range calls {
		calls[i] = r.receiveFor(time.Until(due) + r.grace() + r.quiet())
	}
	var probes []received
	for _, call := range calls {
		got, err := r.answer(call)
		switch {
		case err != nil:
		case len(got.leases) != 1 || !got.leases[0].Probe:
			r.breaks("received %s; want one job as a probe", leaseStates(got.leases))
		default:
			probes = append(probes, got)
		}
	}
	slices.SortFunc(probes, func(a, b received) int { return a.at.Compare(b.at) })
	if len(probes) == 0 {
		r.stop("%d Receives waited for a hold to end, and none returned the probe", receives)
	}
	for i := range probes[1:] {
		if probes[i+1].at.Before(probes[i].leases[0].Until) {
			r.breaks("%d Receives returned a probe each, while another had its lease", len(probes))
		}
	}
}

// distinct checks that no lane is named twice.
func (r *rig) distinct(lanes []string) {
	r.Helper()
	seen := make(map[string]bool)
	for _, lane := range lanes {
		if seen[lane] {
			r.breaks("received two probes of lane %q", lane)
		}
		seen[lane] = true
	}
}
