package queuetest

import (
	"github.com/pushhooks/webhook/queue"
)

// limits is shorthand for the lanes of a Want.
type limits = map[string]int

// wantCases are Wants for a queue with five jobs in each of the lanes a, b, c and d.
var wantCases = []struct {
	name string
	want queue.Want
	fit  int // jobs that fit
}{
	{"Max", queue.Want{Max: 2, MaxPerLane: 5, MaxUntried: 20}, 2},
	{"MaxPerLane", queue.Want{Max: 20, MaxPerLane: 2, MaxUntried: 20}, 8},
	{"MaxUntried", queue.Want{Max: 20, MaxPerLane: 5, MaxUntried: 3, MaxFailing: 20}, 3},
	{"NamedIsLess", queue.Want{Max: 20, MaxPerLane: 3, MaxUntried: 20, Lanes: limits{"b": 1}}, 10},
	{"NamedIsNeverMore", queue.Want{Max: 20, MaxPerLane: 1, MaxUntried: 20, Lanes: limits{"b": 3}}, 4},
	{"NamedAndUntried", queue.Want{Max: 20, MaxPerLane: 3, MaxUntried: 4, Lanes: limits{"a": 1, "b": 1}}, 4},
	{"Skipped", queue.Want{Max: 20, MaxPerLane: 5, MaxUntried: 20, Lanes: limits{"a": 0, "c": 0}}, 10},
	{"Unknown", queue.Want{Max: 20, MaxPerLane: 1, MaxUntried: 20, Lanes: limits{"none": 1, "d": 0}}, 3},
}

var wantChecks = wantTests()

// wantTests makes a check of each case, and adds the others of rule R2.
func wantTests() []check {
	checks := []check{
		{"R2", "NothingFits", func(r *rig) {
			r.enqueue(r.jobs("a", 3)...)
			w := all(10)
			w.Lanes = limits{"a": 0}
			if got := r.receive(w, r.quiet()); len(got) > 0 {
				r.breaks("received %s of a lane that is skipped", ids(got))
			}
			r.take(3)
		}},
		{"R2", "LeasedAndDelayedJobsAreNotReturned", func(r *rig) {
			if r.q.Traits().AtMostOnce {
				return
			}
			r.enqueue(r.jobs("a", 3)...)
			r.nack(r.take(3)[0], 2*r.q.Traits().Lease, false)
			r.none(r.quiet(), "two jobs are leased and one is delayed")
		}},
	}
	for _, c := range wantCases {
		checks = append(checks, check{"R2", c.name, func(r *rig) { r.checkWant(c.want, c.fit) }})
	}
	return checks
}

// checkWant receives once from lanes with five jobs each.
func (r *rig) checkWant(w queue.Want, fit int) {
	for _, lane := range []string{"a", "b", "c", "d"} {
		r.enqueue(r.jobs(lane, 5)...)
	}
	got := r.receive(w, r.patience())
	r.within(w, got)
	if len(got) == 0 || len(got) < fit && !r.h.Lacks.Partial {
		r.breaksRule("R1", "Receive returned %d jobs, %s; %d fit into %+v", len(got), ids(got), fit, w)
	}
	r.ack(got...)
	rest := r.take(20 - len(got))
	r.none(r.quiet(), "all 20 jobs have been received")
	r.ack(rest...)
}

// within checks that what a Receive returned is within its Want.
func (r *rig) within(w queue.Want, leases []queue.Lease) {
	r.Helper()
	lanes, healths := make(map[string]int), make(map[queue.Health]int)
	for _, l := range leases {
		lanes[l.Lane]++
		if l.Probe {
			healths[queue.Failing]++
		} else {
			healths[l.Health]++
		}
	}
	for lane, n := range lanes {
		if n > w.Limit(lane) {
			r.breaksRule("R2", "received %d jobs of lane %q, which is beyond %+v", n, lane, w)
		}
	}
	untried, failing := healths[queue.Untried], healths[queue.Failing]
	if len(leases) > w.Max || untried > w.MaxUntried || failing > w.MaxFailing {
		r.breaksRule("R2", "received %d jobs, %d of untried and %d of failing lanes, which is beyond %+v",
			len(leases), untried, failing, w)
	}
}
