package queuetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// model is the simplest queue that keeps the core rules: lists of ready IDs and a state for each
// lane. Random operations are done to it and to the queue under test.
type model struct {
	*rig
	rnd    *rand.Rand
	step   int
	lanes  map[string]*modelLane
	jobs   map[string]queue.Job
	tries  map[string]int
	first  map[string]bool // whether First is set
	leased []modelLease
	past   []queue.Job // jobs that were acked
}

// modelLease is a lease, and the number of the step that received it. Of leases that one call
// received, none is known to be the earlier.
type modelLease struct {
	queue.Lease
	step int
	kind kind
}

const modelSteps = 400

func newModel(r *rig) *model {
	r.rule = "R1" // unless another is said to be broken
	return &model{
		rig:   r,
		rnd:   rand.New(rand.NewPCG(r.h.Seed, 0)),
		lanes: make(map[string]*modelLane),
		jobs:  make(map[string]queue.Job),
		tries: make(map[string]int),
		first: make(map[string]bool),
	}
}

// run does random operations and then settles all that is left.
func (m *model) run() {
	if m.q.Traits().AtMostOnce {
		return
	}
	for m.step = 1; m.step <= modelSteps; m.step++ {
		m.operate()
		if m.step%20 == 0 {
			m.compareLanes()
		}
		if m.Failed() {
			m.Fatalf("at step %d of the random operations made with seed %d", m.step, m.h.Seed)
		}
		m.keepLeases()
	}
	left := 0
	for name, lane := range m.lanes {
		left += lane.ready()
		m.makeUntried(name)
	}
	for _, l := range m.leased {
		m.ack(l.Lease)
	}
	m.ack(m.takeOrdered(left)...)
	m.none(m.quiet(), "the model has no job left")
}

// operate does one operation, a little later than the one before.
func (m *model) operate() {
	m.sleep(2 * time.Millisecond)
	switch m.rnd.IntN(16) {
	case 0, 1, 2, 3:
		m.enqueueSome()
	case 4, 5, 6, 7, 8:
		m.receiveSome()
	case 9, 10:
		m.giveBack()
	case 11, 12, 13:
		m.settleOne()
	case 14:
		m.setLaneByHand()
	default:
		m.setLaneSince()
	}
}

// randomLane returns one of six lanes; where the driver can, the last two are ordered.
func (m *model) randomLane() (name string, lane *modelLane) {
	n := m.rnd.IntN(6)
	name = fmt.Sprintf("lane-%d", n)
	lane = m.lanes[name]
	if lane == nil {
		lane = &modelLane{ordered: n >= 4 && m.q.Traits().Ordered}
		m.lanes[name] = lane
	}
	return name, lane
}

// newJobs makes jobs of one lane.
func (m *model) newJobs(n int, lane string) []queue.Job {
	jobs := m.rig.jobs(lane, n)
	for i := range jobs {
		jobs[i].Ordered = m.lanes[lane].ordered
		m.jobs[jobs[i].ID] = jobs[i]
	}
	return jobs
}

func (m *model) enqueueSome() {
	name, lane := m.randomLane()
	jobs := m.newJobs(1+m.rnd.IntN(4), name)
	for _, j := range jobs {
		lane.fresh = append(lane.fresh, j.ID)
	}
	if !m.h.Lacks.Dedup && len(m.past) > 0 && m.rnd.IntN(3) == 0 {
		jobs = append(jobs, m.past[m.rnd.IntN(len(m.past))])
	}
	m.rig.enqueue(jobs...)
}

// want makes random limits.
func (m *model) want() queue.Want {
	w := queue.Want{
		Max: 1 + m.rnd.IntN(6), MaxPerLane: 1 + m.rnd.IntN(3),
		MaxUntried: m.rnd.IntN(7), MaxFailing: m.rnd.IntN(5), Lanes: make(limits),
	}
	for range m.rnd.IntN(4) {
		name, _ := m.randomLane()
		w.Lanes[name] = m.rnd.IntN(4)
	}
	return w
}

// fit returns how many jobs fit into w.
func (m *model) fit(w queue.Want) int {
	fits := make(map[queue.Health]int)
	for name, lane := range m.lanes {
		n := min(w.Limit(name), lane.ready())
		if lane.ordered {
			n = min(n, 1)
			if m.busy(name) {
				n = 0
			}
		}
		switch {
		case !lane.held:
			fits[lane.health] += n
		case lane.due && lane.probe == "":
			fits[queue.Failing] += min(n, 1)
		}
	}
	return min(w.Max, fits[queue.Healthy]+min(fits[queue.Untried], w.MaxUntried)+min(fits[queue.Failing], w.MaxFailing))
}

// busy reports whether a job of the lane is leased.
func (m *model) busy(lane string) bool {
	return slices.ContainsFunc(m.leased, func(l modelLease) bool { return l.Lane == lane })
}

func (m *model) receiveSome() {
	w := m.want()
	fit := m.fit(w)
	if fit == 0 {
		if m.h.Virtual { // on a server it would take time
			if got := m.receive(w, time.Millisecond); len(got) > 0 {
				m.breaksRule("R2", "received %s, and nothing fits into %+v", leaseStates(got), w)
			}
		}
		return
	}
	got := m.receive(w, m.patience())
	m.within(w, got)
	if len(got) == 0 || len(got) < fit && !m.partial() {
		m.breaksRule("R1", "Receive returned %s; %d jobs fit into %+v", leaseStates(got), fit, w)
	}
	for _, l := range got {
		m.received(l)
	}
}

// received checks a lease against the model, and notes it.
func (m *model) received(l queue.Lease) {
	lane := m.lanes[l.Lane]
	if lane == nil || !lane.has(l.ID) {
		m.breaksRule("R2", "%q was received, which is not ready", l.ID)
		return
	}
	next := lane.next()
	switch {
	case lane.held && (!lane.due || lane.probe != ""):
		m.breaksRule("H2", "%q was received, whose lane is held and gives no probe", l.ID)
	case lane.ordered && m.busy(l.Lane):
		m.breaksRule("R5", "%q was received while another job of its lane is leased", l.ID)
	case lane.ordered && !slices.Contains(next, l.ID):
		m.breaksRule("R5", "%q was received before %q", l.ID, next)
	case !slices.Contains(next, l.ID) && !m.h.Lacks.Order:
		m.breaksRule(lane.orderRule(), "%q was received before %q", l.ID, next)
	}
	m.tells(l, lane)
	if !m.h.Lacks.Attempts && (l.Attempts != m.tries[l.ID] || l.First.IsZero() == m.first[l.ID]) {
		m.breaksRule("N2", "%q has Attempts %d and First %v; want %d, and that First is set: %v",
			l.ID, l.Attempts, l.First, m.tries[l.ID], m.first[l.ID])
	}
	m.sameJob(l.Job, m.jobs[l.ID])
	m.leased = append(m.leased, modelLease{l, m.step, lane.take(l.ID)})
	if lane.held {
		lane.probe = l.ID
	}
}

// tells checks what a lease tells of its lane's state.
func (m *model) tells(l queue.Lease, lane *modelLane) {
	switch {
	case l.Probe != lane.held:
		m.breaksRule("H2", "%q has Probe %v; want %v", l.ID, l.Probe, lane.held)
	case l.Health != lane.health:
		m.breaksRule("H1", "%q has Health %v; want %v", l.ID, l.Health, lane.health)
	case !lane.unsure && l.Holds != lane.holds:
		m.breaksRule("H3", "%q has Holds %d; want %d", l.ID, l.Holds, lane.holds)
	}
}

// pick takes a random lease out of the model.
func (m *model) pick() (l modelLease, ok bool) {
	if len(m.leased) == 0 {
		return l, false
	}
	i := m.rnd.IntN(len(m.leased))
	l = m.leased[i]
	m.leased = slices.Delete(m.leased, i, i+1)
	return l, true
}

// giveBack gives a job back. When the next probe comes after a counted Nack of a probe is not said
// by the rules, so that a probe is only released.
func (m *model) giveBack() {
	l, ok := m.pick()
	if !ok {
		return
	}
	lane := m.lanes[l.Lane]
	if m.rnd.IntN(2) == 0 || lane.probe == l.ID || m.q.Traits().OwnRetry {
		m.release(l.Lease)
		lane.putBack(l.ID, l.kind)
	} else {
		m.nack(l.Lease, 0, true)
		m.tries[l.ID]++
		m.first[l.ID] = true
		lane.putLast(l.ID)
	}
	lane.noProbe(l.ID)
}

// settleOne finishes a job.
func (m *model) settleOne() {
	l, ok := m.pick()
	if !ok {
		return
	}
	lane := m.lanes[l.Lane]
	switch dice := m.rnd.IntN(4); {
	case dice == 0 && lane.mayBeReplaced():
		parts := m.newJobs(m.rnd.IntN(3), l.Lane)
		m.must("Replace", m.q.Replace(m.Context(), l.Lease, parts))
		for i, j := range parts {
			m.first[j.ID] = m.first[l.ID]
			lane.parts = slices.Insert(lane.parts, i, j.ID)
		}
		lane.noProbe(l.ID)
	case dice <= 1:
		m.must("DeadLetter", m.q.DeadLetter(m.Context(), l.Lease, "gone"))
		lane.noProbe(l.ID)
	default:
		m.ack(l.Lease)
		m.past = append(m.past, l.Job)
		lane.ack(l)
	}
}

// setLaneByHand changes a lane's state, whatever it is.
func (m *model) setLaneByHand() {
	name, lane := m.randomLane()
	switch m.rnd.IntN(5) {
	case 0:
		m.makeFailing(name)
		lane.fail(false, m.step)
	case 1:
		m.hold(name, queue.MaxHold, byHand)
		lane.fail(true, m.step)
	case 2, 3:
		if !m.h.Virtual && m.rnd.IntN(2) == 0 {
			return // it takes time
		}
		m.hold(name, m.h.Delay, byHand)
		lane.fail(true, m.step)
		m.extend()
		m.sleep(m.h.Delay + m.late())
		m.extend()
		lane.due = true
	default:
		m.makeUntried(name)
		lane.forget()
	}
}

// late is how long the model lets a hold be over before it counts on it.
func (m *model) late() time.Duration {
	return min(m.grace()/4, m.q.Traits().Lease/4)
}

// setLaneSince reports the failure of a lease, which goes on.
func (m *model) setLaneSince() {
	if len(m.leased) == 0 {
		return
	}
	l := m.leased[m.rnd.IntN(len(m.leased))]
	lane := m.lanes[l.Lane]
	healthy, earlier := lane.acked > l.step, lane.held && l.step < lane.began
	if lane.acked == l.step || lane.forgotten >= l.step && !healthy || healthy && earlier {
		return // the rules leave it open
	}
	u := queue.LaneUpdate{Lane: l.Lane, Health: queue.Failing, Since: l.Lease, Reason: "timeout"}
	if m.rnd.IntN(2) == 0 {
		u.Hold = queue.MaxHold
	}
	err := m.q.SetLane(m.Context(), u)
	switch {
	case healthy:
		if !errors.Is(err, queue.ErrLaneHealthy) {
			m.breaksRule("H4", "SetLane returned %v; want ErrLaneHealthy", err)
		}
	case err != nil:
		m.breaksRule("H3", "SetLane returned %v; want nil", err)
	case !earlier:
		lane.fail(u.Hold > 0, m.step)
	}
}

// compareLanes compares what is listed of the lanes with the model.
func (m *model) compareLanes() {
	lister, ok := m.q.(queue.LaneLister)
	if !ok {
		return
	}
	for _, got := range m.rig.lanes(lister, "", 100) {
		lane := m.lanes[got.Lane]
		if lane == nil {
			m.breaksRule("LaneLister", "lane %q is listed, which is not there", got.Lane)
			continue
		}
		if got.Health != lane.health || got.HeldUntil.IsZero() == lane.held || !lane.unsure && got.Holds != lane.holds {
			m.breaksRule("LaneLister", "a lane is listed as %+v; want %v, that it is held: %v, and %d holds",
				got, lane.health, lane.held, lane.holds)
		}
		if got.Ready != lane.ready() && !m.h.Lacks.Stats {
			m.breaksRule("LaneLister", "a lane is listed as %+v; want %d ready jobs", got, lane.ready())
		}
	}
}

// keepLeases renews the leases from time to time, so that none ends.
func (m *model) keepLeases() {
	if m.step%5 == 0 {
		m.extend()
	}
}

// extend renews all leases.
func (m *model) extend() {
	leases := make([]queue.Lease, len(m.leased))
	for i, l := range m.leased {
		leases[i] = l.Lease
	}
	m.must("Extend", m.q.Extend(m.Context(), leases))
}

// takeOrdered receives n jobs and acks those of ordered lanes on the way.
func (m *model) takeOrdered(n int) (rest []queue.Lease) {
	for range n {
		l := m.takeOne()
		if l.Ordered {
			m.ack(l)
		} else {
			rest = append(rest, l)
		}
	}
	return rest
}
