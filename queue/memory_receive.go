package queue

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
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

	call uint64 // the take that set left and cold
	left int
	cold bool
}

func (l *lane) len() int { return l.ready.len + l.held }

// open says whether the lane has a job to give.
func (l *lane) open() bool {
	return l.ready.len > 0 && !(l.ordered && l.held > 0)
}

// laneOf returns the job's lane, making it if there is none.
func (m *Memory) laneOf(job *Job) *lane {
	l := m.lanes[job.Lane]
	if l == nil {
		l = &lane{name: job.Lane}
		l.node.item = l
		m.lanes[job.Lane] = l
	}
	l.ordered = job.Ordered
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

// Receive leases ready jobs, one of each lane in turn.
//
// A lane that w limits to no jobs is set aside, so that the next calls need not pass over it. They look at
// 128 lanes of those each, and while a call waits, at 128 more every millisecond: with more than 128
// lanes skipped, it takes that long to notice that one of them is wanted again.
func (m *Memory) Receive(ctx context.Context, w Want) ([]Lease, error) {
	if w.Jobs < 1 {
		return nil, fmt.Errorf("queue: Want.Jobs is %d; it must be at least 1", w.Jobs)
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		leases, waiting, err := m.takeOrWait(w)
		if err != nil || len(leases) > 0 {
			return leases, err
		}
		select {
		case <-waiting.wake:
		case <-ctx.Done():
			m.leave(waiting)
			return nil, ctx.Err()
		}
	}
}

// takeOrWait returns leases, or a waiter that is woken when there may be some.
func (m *Memory) takeOrWait(w Want) ([]Lease, *waiter, error) {
	now, err := m.begin()
	if err != nil {
		return nil, nil, err
	}
	defer m.end(now)
	if leases := m.take(w, now); len(leases) > 0 {
		return leases, nil, nil
	}
	waiting := &waiter{want: w, wake: make(chan struct{})}
	m.waiters = append(m.waiters, waiting)
	return nil, waiting, nil
}

// take leases what fits into w, which it uses up.
func (m *Memory) take(w Want, now time.Time) []Lease {
	m.recheck(&w)
	if m.ring.len == 0 {
		return nil
	}
	t := taking{m: m, w: w, now: now, leases: make([]Lease, 0, min(w.Jobs, m.ready))}
	m.calls++
	for t.w.Jobs > 0 && t.lap() {
	}
	return t.leases
}

// recheckLanes is how many lanes that were set aside are looked at again in one go.
const recheckLanes = 128

// recheck returns some of the lanes that were set aside to the ring, if w wants them.
func (m *Memory) recheck(w *Want) {
	for range min(recheckLanes, m.aside.len) {
		l := m.aside.front.item
		if w.limit(l.name).Jobs > 0 {
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
	cold := t.w.Cold > 0
	if !cold && len(t.w.Lanes) < t.m.ring.len {
		return t.lapNamed()
	}
	next := t.m.ring.front
	for range t.m.ring.len {
		l := next.item
		next = next.next
		gave = t.from(l) || gave
		if t.w.Jobs == 0 || cold && t.w.Cold == 0 {
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
		if t.w.Jobs == 0 {
			break
		}
	}
	return gave
}

// from leases one job of l if it fits.
func (t *taking) from(l *lane) bool {
	if l.call != t.m.calls {
		limit := t.w.limit(l.name)
		l.call, l.left, l.cold = t.m.calls, limit.Jobs, !limit.Warm
		if l.left <= 0 {
			t.m.move(l, &t.m.aside)
		}
	}
	if l.left <= 0 || l.cold && t.w.Cold <= 0 {
		return false
	}
	l.left--
	t.w.Jobs--
	if l.cold {
		t.w.Cold--
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

// waiter is a Receive that waits. It is in Memory.waiters until it is woken.
type waiter struct {
	want Want
	wake chan struct{} // closed to wake it
}

// offer wakes the first waiter that a job of l fits.
func (m *Memory) offer(l *lane) {
	for i, waiting := range m.waiters {
		if n, _ := waiting.want.Of(l.name); n > 0 {
			if l.in == &m.aside {
				m.move(l, &m.ring)
			}
			m.waiters = slices.Delete(m.waiters, i, i+1)
			close(waiting.wake)
			return
		}
	}
}

// leave ends a wait. If it had been woken, the others get the chance that it does not take.
func (m *Memory) leave(waiting *waiter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.waiters, waiting); i >= 0 {
		m.waiters = slices.Delete(m.waiters, i, i+1)
		return
	}
	m.wakeAll()
}

func (m *Memory) wakeAll() {
	for _, waiting := range m.waiters {
		close(waiting.wake)
	}
	m.waiters = nil
}

// expire makes the jobs ready whose delay or lease has ended.
func (m *Memory) expire(now time.Time) {
	for m.leased.len > 0 && !now.Before(m.leased.front.item.due) {
		j := m.leased.front.item
		m.unlease(j)
		j.count(true)
		m.again(j)
	}
	for len(m.delayed) > 0 && !now.Before(m.delayed[0].due) {
		j := heap.Pop(&m.delayed).(*memoryJob)
		j.lane.held--
		m.again(j)
	}
}

// again makes a job ready that was leased or delayed: the last of its lane, or the first if
// none may overtake it.
func (m *Memory) again(j *memoryJob) {
	j.state = ready
	m.ready++
	if j.lane.ordered {
		j.lane.ready.pushFront(&j.node)
	} else {
		j.lane.ready.pushBack(&j.node)
	}
	m.place(j.lane)
}

// sweepEvery is how often waiting Receives are asked about lanes that were set aside.
const sweepEvery = time.Millisecond

// arm sets the timer to what waiting Receives must notice next. A timer that fires too early does no harm, so
// it is only ever set to an earlier time.
func (m *Memory) arm(now time.Time) {
	if len(m.waiters) == 0 {
		return
	}
	next := m.next(now)
	if next.IsZero() || !m.armed.IsZero() && !next.Before(m.armed) {
		return
	}
	m.armed = next
	if m.timer == nil {
		m.timer = time.AfterFunc(next.Sub(now), m.tick)
	} else {
		m.timer.Reset(next.Sub(now))
	}
}

// next returns when something becomes ready or is to be looked at, zero if never.
func (m *Memory) next(now time.Time) (next time.Time) {
	if m.sweep > 0 {
		next = now.Add(sweepEvery)
	}
	if m.leased.len > 0 {
		next = earlier(next, m.leased.front.item.due)
	}
	if len(m.delayed) > 0 {
		next = earlier(next, m.delayed[0].due)
	}
	return next
}

// earlier returns the earlier of a and b; a may be zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// tick is what the timer runs.
func (m *Memory) tick() {
	now, err := m.begin()
	if err != nil {
		return
	}
	defer m.end(now)
	m.armed = time.Time{}
	if len(m.waiters) == 0 || m.sweep == 0 {
		return
	}
	m.sweep = max(0, m.sweep-recheckLanes)
	for range min(recheckLanes, m.aside.len) {
		l := m.aside.front.item
		m.move(l, &m.aside)
		m.offer(l)
	}
}
