package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/internal/limits"
)

// Extend renews leases.
func (m *Memory) Extend(_ context.Context, leases []Lease) error {
	return m.each(leases, func(j *memoryJob, now time.Duration) { m.set.Extend(j, now+m.opts.Lease) })
}

// Ack settles delivered jobs.
func (m *Memory) Ack(_ context.Context, leases []Lease) error {
	return m.each(leases, func(j *memoryJob, now time.Duration) {
		m.set.Ack(j, now)
		m.forget(j.Value.ID, 0)
	})
}

// Release gives jobs back unused. Those of one call keep their order.
func (m *Memory) Release(_ context.Context, leases []Lease) error {
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	var failed *BatchError
	for i := len(leases) - 1; i >= 0; i-- { // each goes in front of the later ones
		if j := m.current(&leases[i]); j != nil {
			m.set.Release(j, now)
		} else {
			failed = failed.Fail(i, ErrLeaseLost)
		}
	}
	return failed.Err()
}

// each calls do for every lease that is current, and reports the others.
func (m *Memory) each(leases []Lease, do func(j *memoryJob, now time.Duration)) error {
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
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
	j := m.ids[l.ID].job
	if j == nil || j.State() != lanes.Leased || j.Number() != receiptNumber(l.Receipt) {
		return nil
	}
	return j
}

// receiptNumber returns the number of the lease that a receipt is for, or 0.
func receiptNumber(receipt string) uint64 {
	n, err := strconv.ParseUint(receipt, 36, 64)
	if err != nil {
		return 0
	}
	return n
}

// Nack gives jobs back that were worked on.
func (m *Memory) Nack(_ context.Context, nacks []Nack) error {
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	var failed *BatchError
	for i := range nacks {
		n := &nacks[i]
		switch j := m.current(&n.Lease); {
		case j == nil:
			failed = failed.Fail(i, ErrLeaseLost)
		case n.Delay <= 0 && !n.Counted:
			m.set.Release(j, now)
		default:
			m.set.Nack(j, min(n.Delay, limits.Delay), n.Counted, now)
		}
	}
	return failed.Err()
}

// Replace settles l and puts jobs in its place, in one step. Because l's room had been given
// already, and its parts are next in line, they are taken even if the queue is full.
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
	defer m.mu.Unlock()
	j := m.current(&l)
	if j == nil {
		return ErrLeaseLost
	}
	var parts []*memoryJob
	for i := range jobs {
		if _, known := m.ids[jobs[i].ID]; !known {
			part := m.add(&jobs[i], now)
			part.Inherit(j)
			parts = append(parts, part)
		}
	}
	m.set.Remove(j, now)
	m.forget(l.ID, 0)
	m.set.EnterFirst(parts...)
	return nil
}
