package queuetest

import (
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// laneChecks are the checks of lanes' states. Each runs on one handle and, where the handles of a
// store share the states, on two.
var laneChecks = onTwoHandles(slices.Concat(
	healthChecks, holdChecks, probeChecks, refusalChecks, ringChecks, headChecks, shareChecks,
	laneWakeChecks, listChecks, updateChecks,
))

// onTwoHandles adds a copy of each check that runs on two handles of one store.
func onTwoHandles(checks []check) []check {
	var both []check
	for _, c := range checks {
		both = append(both, c, check{c.rule, c.name + "OnTwoHandles", func(r *rig) {
			if r.pairUp() {
				c.run(r)
			}
		}})
	}
	return both
}

// longHold is a hold that does not end while a check runs on a server.
const longHold = time.Minute

// setLane changes a lane's state, which must work.
func (r *rig) setLane(u queue.LaneUpdate) {
	r.Helper()
	r.must("SetLane", r.q.SetLane(r.Context(), u))
}

// hold makes a lane Failing and holds it after since has failed, or by hand. It returns the
// earliest time at which the hold ends.
func (r *rig) hold(lane string, d time.Duration, since queue.Lease) (due time.Time) {
	r.Helper()
	start := time.Now()
	r.setLane(queue.LaneUpdate{Lane: lane, Health: queue.Failing, Hold: d, Since: since, Reason: "timeout"})
	return start.Add(d)
}

// byHand is the Since of an update that a person has decided.
var byHand queue.Lease

// makeFailing makes lanes Failing, and holds none of them.
func (r *rig) makeFailing(lanes ...string) {
	r.Helper()
	for _, lane := range lanes {
		r.hold(lane, 0, byHand)
	}
}

// makeUntried forgets what is known of a lane.
func (r *rig) makeUntried(lane string) {
	r.Helper()
	r.setLane(queue.LaneUpdate{Lane: lane, Health: queue.Untried})
}

// makeHealthy makes lanes Healthy by a job each. No other job may be ready.
func (r *rig) makeHealthy(lanes ...string) {
	r.Helper()
	for _, lane := range lanes {
		r.enqueue(r.job(lane))
	}
	r.ack(r.take(len(lanes))...)
}

// tick waits until what happens next is later by the clock of every store.
func (r *rig) tick() {
	r.sleep(50 * time.Millisecond)
}

// state checks what a lease of a lane that is not held says of the lane.
func (r *rig) state(l queue.Lease, health queue.Health) {
	r.Helper()
	if l.Health != health || l.Probe || l.Holds != 0 {
		r.breaks("the lease of %q has Health %v, Probe %v and Holds %d; want %v, false and 0",
			l.ID, l.Health, l.Probe, l.Holds, health)
	}
}

// next receives one job of the only lanes with a job and checks the lane's health.
func (r *rig) next(health queue.Health) queue.Lease {
	r.Helper()
	l := r.receiveOne()
	r.state(l, health)
	return l
}

// probe receives the probe of the only held lane with ready jobs, which must come alone and in
// time.
func (r *rig) probe(due time.Time, holds int) queue.Lease {
	r.Helper()
	got := r.receive(all(10), time.Until(due)+r.patience())
	now := time.Now()
	if len(got) != 1 || !got[0].Probe {
		r.stop("received %s; want one job as a probe", leaseStates(got))
	}
	l := got[0]
	switch {
	case now.Before(due):
		r.breaks("the probe %q was received %v before its time", l.ID, due.Sub(now))
	case now.After(due.Add(r.grace())):
		r.breaks("the probe %q was received %v after its time", l.ID, now.Sub(due))
	case l.Holds != holds:
		r.breaks("the probe %q has Holds %d; want %d", l.ID, l.Holds, holds)
	}
	return l
}

// onlyProbe checks that nothing else is received while a probe is out.
func (r *rig) onlyProbe(l queue.Lease) {
	r.Helper()
	r.none(r.quiet(), "the lane is held and has its probe, "+l.ID)
}

// open receives n jobs of a lane that must not be held any more, at once.
func (r *rig) open(n int, health queue.Health) []queue.Lease {
	r.Helper()
	start := time.Now()
	leases := r.take(n)
	if took := time.Since(start); took > r.grace() {
		r.breaks("the jobs of a lane that is not held were received after %v", took)
	}
	for _, l := range leases {
		r.state(l, health)
	}
	return leases
}

// leaseStates describes leases for messages.
func leaseStates(leases []queue.Lease) string {
	return list(leases, func(l queue.Lease) string {
		s := l.ID + ":" + l.Health.String()
		if l.Probe {
			s += ":probe"
		}
		return s
	})
}
