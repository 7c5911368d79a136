package queue

import (
	"container/heap"
	"context"
	"fmt"
	"slices"
	"time"
)

// Receive leases ready jobs, one of each lane in turn.
//
// A lane that w limits to no jobs is set aside, so that later calls need not pass over it. Each of them looks at 32 of
// those lanes, and while it waits at 256 more every millisecond, until it has seen them all: among
// 10,000 skipped lanes, one that is wanted again is noticed within 40 ms.
func (m *Memory) Receive(ctx context.Context, w Want) ([]Lease, error) {
	if w.Max < 1 {
		return nil, fmt.Errorf("queue: Want.Max is %d; it must be at least 1", w.Max)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
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

// waiter is a Receive that waits. It is in Memory.waiters until it is woken.
type waiter struct {
	want Want
	wake chan struct{} // closed to wake it
}

// offer wakes the first waiter that a job of l fits.
func (m *Memory) offer(l *lane) {
	for i, waiting := range m.waiters {
		if waiting.want.Limit(l.name) > 0 {
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

// Waiting Receives are asked about the lanes that were set aside, so many at a time.
const (
	sweepEvery = time.Millisecond
	sweepLanes = 256
)

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
	m.sweep = max(0, m.sweep-sweepLanes)
	for range min(sweepLanes, m.aside.len) {
		l := m.aside.front.item
		m.move(l, &m.aside)
		m.offer(l)
	}
}
