package queuetest

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/pushhooks/webhook/queue"
)

// model is the simplest queue that keeps the core rules: a list of ready IDs for each lane. Random
// operations are done to it and to the queue under test.
type model struct {
	*rig
	rnd    *rand.Rand
	step   int
	lanes  map[string][]string // ready jobs, the oldest in front
	jobs   map[string]queue.Job
	tries  map[string]int
	first  map[string]bool // whether First is set
	leased []queue.Lease
	past   []queue.Job // jobs that were acked
}

const modelSteps = 300

func newModel(r *rig) *model {
	r.rule = "R1" // unless another is said to be broken
	return &model{
		rig:   r,
		rnd:   rand.New(rand.NewPCG(r.h.Seed, 0)),
		lanes: make(map[string][]string),
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
	for m.step = range modelSteps {
		m.operate()
		if m.Failed() {
			m.Fatalf("at step %d of the random operations made with seed %d", m.step, m.h.Seed)
		}
		m.keepLeases()
	}
	m.ack(m.leased...)
	left := 0
	for _, lane := range m.lanes {
		left += len(lane)
	}
	m.ack(m.takeOrdered(left)...)
	m.none(m.quiet(), "the model has no job left")
}

// operate does one operation.
func (m *model) operate() {
	switch m.rnd.IntN(8) {
	case 0, 1:
		m.enqueueSome()
	case 2, 3, 4:
		m.receiveSome()
	case 5:
		m.nackOne()
	default:
		m.settleOne()
	}
}

// randomLane returns one of six lanes; where the driver can, the last two are ordered.
func (m *model) randomLane() (name string, ordered bool) {
	n := m.rnd.IntN(6)
	return fmt.Sprintf("lane-%d", n), n >= 4 && m.q.Traits().Ordered
}

// newJobs makes jobs of one lane.
func (m *model) newJobs(n int, lane string, ordered bool) []queue.Job {
	jobs := m.rig.jobs(lane, n)
	for i := range jobs {
		jobs[i].Ordered = ordered
		m.jobs[jobs[i].ID] = jobs[i]
	}
	return jobs
}

func (m *model) enqueueSome() {
	lane, ordered := m.randomLane()
	jobs := m.newJobs(1+m.rnd.IntN(4), lane, ordered)
	for _, j := range jobs {
		m.lanes[lane] = append(m.lanes[lane], j.ID)
	}
	if !m.h.Lacks.Dedup && len(m.past) > 0 && m.rnd.IntN(3) == 0 {
		jobs = append(jobs, m.past[m.rnd.IntN(len(m.past))])
	}
	m.rig.enqueue(jobs...)
}

// want makes random limits.
func (m *model) want() queue.Want {
	w := all(1 + m.rnd.IntN(6))
	w.MaxPerLane = 1 + m.rnd.IntN(3)
	w.Lanes = make(limits)
	for range m.rnd.IntN(4) {
		lane, _ := m.randomLane()
		w.Lanes[lane] = m.rnd.IntN(4)
	}
	return w
}

// fit returns how many jobs fit into w.
func (m *model) fit(w queue.Want) int {
	sum := 0
	for lane, ready := range m.lanes {
		n := min(w.Limit(lane), len(ready))
		if n > 0 && m.jobs[ready[0]].Ordered {
			n = 1
			if m.holds(lane) {
				n = 0
			}
		}
		sum += n
	}
	return min(w.Max, sum)
}

// holds reports whether a job of the lane is leased.
func (m *model) holds(lane string) bool {
	return slices.ContainsFunc(m.leased, func(l queue.Lease) bool { return l.Lane == lane })
}

func (m *model) receiveSome() {
	w := m.want()
	fit := m.fit(w)
	if fit == 0 {
		return
	}
	got := m.receive(w, m.patience())
	m.within(w, got)
	if len(got) == 0 || len(got) < fit && !m.h.Lacks.Partial {
		m.breaksRule("R1", "Receive returned %s; %d jobs fit into %+v", ids(got), fit, w)
	}
	for _, l := range got {
		m.received(l)
	}
}

// received checks a lease against the model, and notes it.
func (m *model) received(l queue.Lease) {
	ready := m.lanes[l.Lane]
	i := slices.Index(ready, l.ID)
	if i < 0 {
		m.breaksRule("R2", "%q was received, which is not ready", l.ID)
		return
	}
	switch {
	case l.Ordered && i > 0:
		m.breaksRule("R5", "%q was received before %q", l.ID, ready[0])
	case l.Ordered && m.holds(l.Lane):
		m.breaksRule("R5", "%q was received while another job of its lane is leased", l.ID)
	case i > 0 && !m.h.Lacks.Order:
		m.breaksRule("E4", "%q was received before %q", l.ID, ready[0])
	}
	if !m.h.Lacks.Attempts && (l.Attempts != m.tries[l.ID] || l.First.IsZero() == m.first[l.ID]) {
		m.breaksRule("N2", "%q has Attempts %d and First %v; want %d, and that First is set: %v",
			l.ID, l.Attempts, l.First, m.tries[l.ID], m.first[l.ID])
	}
	m.sameJob(l.Job, m.jobs[l.ID])
	m.lanes[l.Lane] = slices.Delete(ready, i, i+1)
	m.leased = append(m.leased, l)
}

// pick takes a random lease out of the model.
func (m *model) pick() (l queue.Lease, ok bool) {
	if len(m.leased) == 0 {
		return l, false
	}
	i := m.rnd.IntN(len(m.leased))
	l = m.leased[i]
	m.leased = slices.Delete(m.leased, i, i+1)
	return l, true
}

// nackOne gives a job back. Where that makes it the last of its lane is not said by the rules, so
// it is counted only in ordered lanes, and in others when it is alone.
func (m *model) nackOne() {
	l, ok := m.pick()
	if !ok {
		return
	}
	counted := m.rnd.IntN(2) == 0 && (l.Ordered || len(m.lanes[l.Lane]) == 0) && !m.q.Traits().OwnRetry
	if counted {
		m.tries[l.ID]++
		m.first[l.ID] = true
	}
	if counted {
		m.nack(l, 0, true)
	} else {
		m.release(l)
	}
	m.lanes[l.Lane] = slices.Insert(m.lanes[l.Lane], 0, l.ID)
}

// settleOne finishes a job.
func (m *model) settleOne() {
	l, ok := m.pick()
	if !ok {
		return
	}
	switch m.rnd.IntN(4) {
	case 0:
		m.must("DeadLetter", m.q.DeadLetter(m.Context(), l, "gone"))
	case 1:
		parts := m.newJobs(m.rnd.IntN(3), l.Lane, l.Ordered)
		m.must("Replace", m.q.Replace(m.Context(), l, parts))
		for i := len(parts) - 1; i >= 0; i-- {
			m.lanes[l.Lane] = slices.Insert(m.lanes[l.Lane], 0, parts[i].ID)
		}
	default:
		m.ack(l)
		m.past = append(m.past, l.Job)
	}
}

// keepLeases renews what a real server would otherwise take back.
func (m *model) keepLeases() {
	if !m.h.Virtual && m.step%10 == 0 && len(m.leased) > 0 {
		m.must("Extend", m.q.Extend(m.Context(), m.leased))
	}
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
