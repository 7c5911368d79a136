package queue

import (
	"container/heap"
	"context"
	"fmt"
	"time"
)

// Extend renews leases.
func (m *Memory) Extend(_ context.Context, leases []Lease) error {
	return m.each(leases, func(j *memoryJob, now time.Time) {
		j.due = now.Add(m.opts.Lease)
		m.leased.remove(&j.node)
		m.leased.pushBack(&j.node)
	})
}

// Ack settles delivered jobs.
func (m *Memory) Ack(_ context.Context, leases []Lease) error {
	return m.each(leases, func(j *memoryJob, _ time.Time) { m.settle(j) })
}

// each calls do for every lease that is current, and reports the others.
func (m *Memory) each(leases []Lease, do func(j *memoryJob, now time.Time)) error {
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.end(now)
	var failed *BatchError
	for i := range leases {
		if j := m.current(&leases[i]); j != nil {
			do(j, now)
		} else {
			failed = failed.Fail(i, ErrLeaseLost)
		}
	}
	return failed.Err()
}

// current returns the job that l is the current lease of, or nil.
func (m *Memory) current(l *Lease) *memoryJob {
	j := m.jobs[l.ID]
	if j == nil || j.state != leased || j.receipt != l.Receipt {
		return nil
	}
	return j
}

// Nack gives jobs back. Those that one call releases keep their order.
func (m *Memory) Nack(_ context.Context, nacks []Nack) error {
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.end(now)
	var failed *BatchError
	for i := len(nacks) - 1; i >= 0; i-- { // each release goes in front of the later ones
		if j := m.current(&nacks[i].Lease); j != nil {
			m.nack(j, &nacks[i], now)
		} else {
			failed = failed.Fail(i, ErrLeaseLost)
		}
	}
	return failed.Err()
}

func (m *Memory) nack(j *memoryJob, n *Nack, now time.Time) {
	m.unlease(j)
	switch {
	case n.Delay > 0:
		j.count(n.Counted)
		j.state = delayed
		j.due = now.Add(n.Delay)
		j.lane.held++
		heap.Push(&m.delayed, j)
		m.place(j.lane)
	case n.Counted:
		j.count(true)
		m.again(j)
	default:
		m.release(j)
	}
}

// count notes that a lease ended in anything but a release.
func (j *memoryJob) count(attempt bool) {
	if attempt {
		j.attempts++
	}
	if j.first.IsZero() {
		j.first = j.begun
	}
}

// release makes a job ready as it was before it was received: the next of its lane.
func (m *Memory) release(j *memoryJob) {
	j.state = ready
	m.ready++
	j.lane.ready.pushFront(&j.node)
	m.place(j.lane)
}

// unlease ends j's lease. The caller puts j, and then its lane, where they belong, and sets its state.
func (m *Memory) unlease(j *memoryJob) {
	m.leased.remove(&j.node)
	j.lane.held--
}

// settle takes a leased job out of the queue and remembers its ID.
func (m *Memory) settle(j *memoryJob) {
	m.drop(j)
	m.jobs[j.ID] = nil
	m.remember(j.ID)
}

// remember keeps the marker of a settled ID, and lets the oldest go.
func (m *Memory) remember(id string) {
	if old := m.settled.push(id); old != "" {
		delete(m.jobs, old)
	}
}

// Release gives jobs back unused.
func (m *Memory) Release(ctx context.Context, leases []Lease) error {
	nacks := make([]Nack, len(leases))
	for i := range leases {
		nacks[i] = Nack{Lease: leases[i]}
	}
	return m.Nack(ctx, nacks)
}

// SetLane changes a lane's state.
func (m *Memory) SetLane(_ context.Context, u LaneUpdate) error {
	_, err := u.Checked()
	return err
}

// Replace settles l and puts jobs in its place, in one step. Because l's room had been given already, and
// its parts are next in line, they are taken even if the queue is full.
func (m *Memory) Replace(_ context.Context, l Lease, jobs []Job) error {
	for i := range jobs {
		if jobs[i].Lane != l.Lane {
			return fmt.Errorf("queue: Replace: job %q is of lane %q; it must be of lane %q", jobs[i].ID, jobs[i].Lane, l.Lane)
		}
	}
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.end(now)
	j := m.current(&l)
	if j == nil {
		return ErrLeaseLost
	}
	for i := len(jobs) - 1; i >= 0; i-- {
		if _, known := m.jobs[jobs[i].ID]; !known {
			part := m.add(&jobs[i], j.lane, now)
			j.lane.ready.pushFront(&part.node)
		}
	}
	m.settle(j)
	return nil
}
