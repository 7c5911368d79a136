package queuetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// stateCases are Wants for a queue with five jobs in each of the lanes a and b, which are Untried,
// c and d, which are Healthy, and e and f, which are Failing and not held.
var stateCases = []struct {
	name string
	want queue.Want
	fit  int // jobs that fit
}{
	{"All", queue.Want{Max: 30, MaxPerLane: 5, MaxUntried: 30, MaxFailing: 30}, 30},
	{"MaxUntriedInTotal", queue.Want{Max: 30, MaxPerLane: 5, MaxUntried: 7, MaxFailing: 30}, 27},
	{"MaxFailingInTotal", queue.Want{Max: 30, MaxPerLane: 5, MaxUntried: 30, MaxFailing: 1}, 21},
	{"NoUntried", queue.Want{Max: 30, MaxPerLane: 5, MaxFailing: 6}, 16},
	{"NoFailing", queue.Want{Max: 30, MaxPerLane: 5, MaxUntried: 6}, 16},
	{"OnlyHealthy", queue.Want{Max: 30, MaxPerLane: 4}, 8},
	{"EachRingApart", queue.Want{Max: 30, MaxPerLane: 3, MaxUntried: 4, MaxFailing: 5}, 15},
	{"NamedFailing", queue.Want{Max: 30, MaxPerLane: 5, MaxUntried: 30, MaxFailing: 3, Lanes: limits{"c": 0, "e": 1}}, 18},
	{"NamedUntried", queue.Want{Max: 30, MaxPerLane: 2, MaxUntried: 9, MaxFailing: 1, Lanes: limits{"a": 0, "d": 1}}, 6},
	{"MaxOverAll", queue.Want{Max: 5, MaxPerLane: 5, MaxUntried: 4, MaxFailing: 4}, 5},
}

var ringChecks = slices.Concat(ringTests(), turnChecks)

// ringTests makes a check of each case.
func ringTests() (checks []check) {
	for _, c := range stateCases {
		checks = append(checks, check{"H5", c.name, func(r *rig) { r.checkRings(c.want, c.fit) }})
	}
	return checks
}

var turnChecks = []check{
	{"H5", "ReceivesBeginWithEachRingInTurn", turns(func(r *rig) {
		r.threeRings(20)
		served := make(map[queue.Health]int)
		for range 12 {
			l := r.receiveOne()
			served[l.Health]++
			r.release(l)
		}
		for _, h := range []queue.Health{queue.Untried, queue.Healthy, queue.Failing} {
			if served[h] < 1 {
				r.breaks("12 Receives of one job served %d of %v lanes; all three rings had jobs", served[h], h)
			}
		}
	})},
	{"H5", "LanesOfARingTakeTurns", turns(func(r *rig) {
		lanes := []string{"backlog", "b", "c"}
		r.makeFailing(lanes...)
		r.enqueue(r.jobs("backlog", 50)...)
		r.enqueue(r.job("b"), r.job("c"))
		waiting := map[string]bool{"b": true, "c": true}
		for range 10 {
			delete(waiting, r.receiveOne().Lane)
		}
		if len(waiting) > 0 {
			r.breaks("10 jobs of failing lanes were received, and none of %d lanes beside the one with a backlog", len(waiting))
		}
	})},
	{"H5", "AFailingBacklogKeepsNoOtherWaiting", turns(func(r *rig) {
		r.makeHealthy("healthy")
		r.makeFailing("failing")
		r.enqueue(r.jobs("failing", 100)...)
		r.enqueue(r.job("healthy"), r.job("untried"))
		waiting := map[string]bool{"healthy": true, "untried": true}
		for range 10 {
			delete(waiting, r.receiveOne().Lane)
		}
		if len(waiting) > 0 {
			r.breaks("10 jobs were received, and the only jobs of %d lanes that do not fail are not among them", len(waiting))
		}
	})},
	{"H5", "ADueHoldIsNotKeptWaiting", turns(func(r *rig) {
		r.makeFailing("failing")
		r.enqueue(r.jobs("failing", 100)...)
		r.enqueue(r.jobs("held", 2)...)
		r.hold("held", r.h.Delay, byHand)
		r.sleep(r.h.Delay + r.quiet())
		for range 10 {
			if r.receiveOne().Lane == "held" {
				return
			}
		}
		r.breaks("10 jobs were received, and the probe of a hold that is due is not among them")
	})},
	{"H5", "DueHoldsComeEarliestFirst", turns(func(r *rig) {
		if !r.h.Virtual { // a store of several parts may keep this for each part
			return
		}
		lanes := []string{"b", "c", "a"}
		for i, lane := range lanes {
			r.enqueue(r.jobs(lane, 2)...)
			r.hold(lane, time.Duration(i+1)*r.h.Delay, byHand)
		}
		r.sleep(4 * r.h.Delay)
		w := all(10)
		w.MaxFailing = 1
		for _, lane := range lanes {
			if got := r.receive(w, r.patience()); len(got) != 1 || got[0].Lane != lane {
				r.stop("received %s; want the probe of lane %q, whose hold ended first", leaseStates(got), lane)
			}
		}
	})},
	{"H5", "AHealthyLanesProbeCountsAsFailing", func(r *rig) {
		r.enqueue(r.jobs("a", 4)...)
		first, second := r.next(queue.Untried), r.next(queue.Untried)
		r.tick()
		r.hold("a", r.h.Delay, first)
		r.ack(second)
		r.sleep(r.h.Delay + r.quiet())
		w := all(10)
		w.MaxFailing = 0
		if got := r.receive(w, r.quiet()); len(got) > 0 {
			r.breaksRule("R2", "received %s, which is beyond %+v", leaseStates(got), w)
		}
		w.MaxUntried, w.MaxFailing = 0, 1
		if got := r.receive(w, r.patience()); len(got) != 1 || !got[0].Probe {
			r.breaks("received %s; want one job as a probe", leaseStates(got))
		}
	}},
	{"H5", "ProbesCountAsFailing", func(r *rig) { r.countedProbes() }},
	{"H5", "HeldLanesCostNothing", turns(func(r *rig) {
		r.crowd(queue.LaneUpdate{Health: queue.Failing, Hold: 4 * longHold}, all(10))
	})},
	{"H5", "FailingLanesBeyondTheirLimitCostNothing", turns(func(r *rig) {
		r.crowd(queue.LaneUpdate{Health: queue.Failing}, queue.Want{Max: 10, MaxPerLane: 10, MaxUntried: 10})
	})},
	{"H5", "UntriedLanesBeyondTheirLimitCostNothing", turns(func(r *rig) {
		r.crowd(queue.LaneUpdate{}, queue.Want{Max: 10, MaxPerLane: 10, MaxFailing: 10})
	})},
}

// turns is a check for drivers whose lanes take turns.
func turns(run func(r *rig)) func(r *rig) {
	return func(r *rig) {
		if !r.h.Lacks.Turns {
			run(r)
		}
	}
}

// threeRings puts n jobs in each of two Untried, two Healthy and two Failing lanes.
func (r *rig) threeRings(n int) {
	r.Helper()
	r.makeHealthy("c", "d")
	r.makeFailing("e", "f")
	for _, lane := range []string{"a", "b", "c", "d", "e", "f"} {
		r.enqueue(r.jobs(lane, n)...)
	}
}

// checkRings receives once from lanes in every state with five jobs each.
func (r *rig) checkRings(w queue.Want, fit int) {
	r.threeRings(5)
	got := r.receive(w, r.patience())
	r.within(w, got)
	if len(got) == 0 || len(got) < fit && !r.partial() {
		r.breaksRule("R1", "Receive returned %d jobs, %s; %d fit into %+v", len(got), leaseStates(got), fit, w)
	}
	want := map[string]queue.Health{"c": queue.Healthy, "d": queue.Healthy, "e": queue.Failing, "f": queue.Failing}
	for _, l := range got {
		r.state(l, want[l.Lane])
	}
}

// countedProbes checks that MaxFailing limits probes and jobs of Failing lanes together.
func (r *rig) countedProbes() {
	r.makeHealthy("healthy", "held")
	r.makeFailing("failing")
	lanes := []string{"x", "y", "z", "held"}
	for _, lane := range append(lanes, "failing", "healthy") {
		r.enqueue(r.jobs(lane, 2)...)
	}
	for _, lane := range lanes {
		r.hold(lane, r.h.Delay, byHand)
	}
	r.sleep(r.h.Delay + r.quiet())
	w := all(20)
	w.MaxUntried, w.MaxFailing = 0, 2
	failing := 0
	for range 3 {
		got := r.receive(w, r.patience())
		r.within(w, got)
		for _, l := range got {
			if l.Lane != "healthy" {
				failing++
			}
		}
	}
	if failing != 6 && !r.partial() {
		r.breaks("3 Receives with MaxFailing 2 returned %d of 4 probes and 2 jobs of a failing lane", failing)
	}
}

const (
	crowdLanes = 300
	crowdJobs  = 10 // of each lane
)

// crowd checks that many lanes with jobs that do not fit into w keep no Receive waiting. A state of
// Untried is none.
func (r *rig) crowd(state queue.LaneUpdate, w queue.Want) {
	r.makeHealthy("healthy")
	state.Reason = "timeout"
	var running sync.WaitGroup
	slots := make(chan struct{}, 10)
	for i := range crowdLanes {
		state.Lane = fmt.Sprintf("crowd-%d", i)
		jobs, state := r.jobs(state.Lane, crowdJobs), state
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := errors.Join(r.q.SetLane(r.Context(), state), r.q.Enqueue(r.Context(), jobs)); err != nil {
				r.breaks("SetLane and Enqueue: %v", err)
			}
		})
	}
	running.Wait()
	for range 5 {
		j := r.job("healthy")
		start := time.Now()
		r.enqueue(j)
		got := r.receive(w, r.patience())
		if took := time.Since(start); took > r.grace() {
			r.breaks("a job was received after %v beside %d lanes that do not fit", took, crowdLanes)
		}
		r.same(got, []queue.Job{j})
		r.ack(got...)
	}
	if got := r.receive(w, r.quiet()); len(got) > 0 {
		r.breaksRule("R2", "received %s, which is beyond %+v", leaseStates(got), w)
	}
}
