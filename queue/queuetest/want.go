package queuetest

import (
	"github.com/pushhooks/webhook/queue"
)

// limits is shorthand for the lanes of a Want.
type limits = map[string]queue.Limit

// wantCases are Wants for a queue with five jobs in each of the lanes a, b, c and d.
var wantCases = []struct {
	name string
	want queue.Want
	fit  int // jobs that fit
}{
	{"Jobs", queue.Want{Jobs: 2, Lane: 5, Cold: 20}, 2},
	{"Lane", queue.Want{Jobs: 20, Lane: 2, Cold: 20}, 8},
	{"Cold", queue.Want{Jobs: 20, Lane: 5, Cold: 3}, 3},
	{"WarmIsNotCold", queue.Want{Jobs: 20, Lane: 5, Cold: 1, Lanes: limits{"a": {Jobs: 5, Warm: true}}}, 6},
	{"NamedAndCold", queue.Want{Jobs: 20, Lane: 1, Cold: 4, Lanes: limits{"a": {Jobs: 3}}}, 4},
	{"NamedIsLess", queue.Want{Jobs: 20, Lane: 3, Cold: 20, Lanes: limits{"b": {Jobs: 1}}}, 10},
	{"Skipped", queue.Want{Jobs: 20, Lane: 5, Cold: 20, Lanes: limits{"a": {}, "c": {Warm: true}}}, 10},
	{"OnlyNamed", queue.Want{Jobs: 20, Cold: 20, Lanes: limits{"c": {Jobs: 2}, "none": {Jobs: 9}}}, 2},
	{"OnlyWarm", queue.Want{Jobs: 20, Lane: 5, Lanes: limits{"d": {Jobs: 4, Warm: true}, "a": {Jobs: 4}}}, 4},
}

var wantChecks = wantTests()

// wantTests makes a check of each case, and adds the others of rule R2.
func wantTests() []check {
	checks := []check{
		{"R2", "NothingFits", func(r *rig) {
			r.enqueue(r.jobs("a", 3)...)
			w := queue.Want{Jobs: 10, Lane: 10, Cold: 10, Lanes: limits{"a": {}}}
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
	left := w // what may still be returned, by Want.Of
	lanes := make(map[string]int)
	for _, l := range leases {
		n, _ := w.Of(l.Lane)
		_, cold := left.Of(l.Lane)
		lanes[l.Lane]++
		left.Jobs--
		if cold {
			left.Cold--
		}
		if lanes[l.Lane] > n {
			r.breaksRule("R2", "received %d jobs of lane %q, which is beyond %+v", lanes[l.Lane], l.Lane, w)
		}
	}
	if left.Jobs < 0 || left.Cold < 0 {
		r.breaksRule("R2", "received %d jobs, which is beyond %+v", len(leases), w)
	}
}
