package queue

import (
	"strconv"
	"time"
)

// lane holds one webhook's jobs. It exists while it has any.
type lane struct {
	name    string
	ordered bool
	node    node[lane]
	in      *list[lane] // ring or aside, if it has a job to give
	ready   list[memoryJob]
	held    int   // jobs delayed or leased
	bytes   int64 // Data of all jobs

	// What the take with this number allows.
	call uint64
	left int  // jobs that it may still lease
	cold bool // whether they count towards Want.Cold
}

func (l *lane) len() int { return l.ready.len + l.held }

// open says whether the lane has a job to give.
func (l *lane) open() bool {
	return l.ready.len > 0 && !(l.ordered && l.held > 0)
}

// newLane makes an empty lane. Until it gets a job nobody knows it.
func newLane(name string) *lane {
	l := &lane{name: name}
	l.node.item = l
	return l
}

// place puts l where it belongs after its jobs have changed, and wakes a Receive that waits for one of them.
func (m *Memory) place(l *lane) {
	if !l.open() {
		m.move(l, nil)
		if l.len() == 0 {
			delete(m.lanes, l.name)
		}
		return
	}
	if l.in == nil {
		m.move(l, &m.ring)
	}
	m.offer(l)
}

// move puts l at the end of to, or in no list.
func (m *Memory) move(l *lane, to *list[lane]) {
	if l.in != nil {
		l.in.remove(&l.node)
	}
	if l.in = to; to != nil {
		to.pushBack(&l.node)
	}
}

// take leases what fits into w, which it uses up.
func (m *Memory) take(w Want, now time.Time) []Lease {
	m.recheck(&w)
	if m.ring.len == 0 {
		return nil
	}
	t := taking{m: m, w: w, now: now, leases: make([]Lease, 0, min(w.Max, m.ready))}
	m.calls++
	for t.w.Max > 0 && t.lap() {
	}
	return t.leases
}

// recheckLanes is how many lanes that were set aside each take looks at again.
const recheckLanes = 32

// recheck returns some of the lanes that were set aside to the ring, if w wants them.
func (m *Memory) recheck(w *Want) {
	for range min(recheckLanes, m.aside.len) {
		l := m.aside.front.item
		if w.Limit(l.name) > 0 {
			m.move(l, &m.ring)
			m.offer(l)
		} else {
			m.move(l, &m.aside)
		}
	}
	if m.sweep > 0 || m.aside.len > recheckLanes {
		m.sweep = m.aside.len
	}
}

// taking is one pass over the lanes on behalf of a Receive.
type taking struct {
	m      *Memory
	w      Want // what is still wanted
	now    time.Time
	leases []Lease
}

// lap lets each lane give a job, and says whether any did.
func (t *taking) lap() (gave bool) {
	cold := t.w.MaxUntried > 0
	if !cold && len(t.w.Lanes) < t.m.ring.len {
		return t.lapNamed()
	}
	next := t.m.ring.front
	for range t.m.ring.len {
		l := next.item
		next = next.next
		gave = t.from(l) || gave
		if t.w.Max == 0 || cold && t.w.MaxUntried == 0 {
			break // in the second case the next lap is better off with the named ones
		}
	}
	return gave
}

// lapNamed does the same when only lanes that are named as warm can give anything: a
// crowd of cold ones is not looked at.
func (t *taking) lapNamed() (gave bool) {
	for name := range t.w.Lanes {
		if l := t.m.lanes[name]; l != nil && l.in != nil {
			gave = t.from(l) || gave
		}
		if t.w.Max == 0 {
			break
		}
	}
	return gave
}

// from leases one job of l if it fits.
func (t *taking) from(l *lane) bool {
	if l.call != t.m.calls {
		l.call, l.left, l.cold = t.m.calls, t.w.Limit(l.name), true
		if l.left <= 0 {
			t.m.move(l, &t.m.aside)
		}
	}
	if l.left <= 0 || l.cold && t.w.MaxUntried <= 0 {
		return false
	}
	l.left--
	t.w.Max--
	if l.cold {
		t.w.MaxUntried--
	}
	t.leases = append(t.leases, t.m.lease(l.ready.front.item, t.now))
	if l.in != nil {
		t.m.move(l, &t.m.ring)
	}
	return true
}

// lease takes the ready job j out of its lane.
func (m *Memory) lease(j *memoryJob, now time.Time) Lease {
	m.receipts++
	j.receipt = strconv.FormatUint(m.receipts, 36)
	j.begun = now
	j.due = now.Add(m.opts.Lease)
	j.lane.ready.remove(&j.node)
	m.ready--
	j.state = leased
	j.lane.held++
	m.leased.pushBack(&j.node)
	if !j.lane.open() {
		m.move(j.lane, nil)
	}
	return Lease{Job: j.Job, Receipt: j.receipt, Attempts: j.attempts, First: j.first, Until: j.due}
}
