package queue

import (
	"context"
	"fmt"
	"time"
)

// DeadLetter moves the job of l to the dead letters.
func (m *Memory) DeadLetter(_ context.Context, l Lease, reason string) error {
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.end(now)
	j := m.current(&l)
	if j == nil {
		return ErrLeaseLost
	}
	m.drop(j)
	j.count(true)
	j.state, j.reason, j.gone = dead, reason, now
	m.dead.pushBack(&j.node)
	m.deadBytes += j.size()
	m.dropDead(now)
	return nil
}

// dropDead keeps the bounds on dead letters.
func (m *Memory) dropDead(now time.Time) {
	for m.dead.len > 0 {
		j := m.dead.front.item
		if m.dead.len <= m.opts.MaxDead && m.deadBytes <= m.opts.MaxDeadBytes && now.Sub(j.gone) < m.opts.MaxDeadAge {
			return
		}
		m.undead(j)
		m.deadDropped++
	}
}

// undead takes j out of the dead letters. Its ID is remembered, so that no late copy of it is taken for a new job.
func (m *Memory) undead(j *memoryJob) {
	m.dead.remove(&j.node)
	m.deadBytes -= j.size()
	m.jobs[j.ID] = nil
	m.remember(j.ID)
}

// DeadLetters lists dead letters, oldest first. If after is not one of them (any more), it starts at the oldest.
func (m *Memory) DeadLetters(_ context.Context, after string, limit int) ([]DeadLetter, error) {
	now, err := m.begin()
	if err != nil {
		return nil, err
	}
	defer m.end(now)
	m.dropDead(now)
	n := m.dead.front
	if j := m.deadJob(after); j != nil {
		n = j.node.next
	}
	var list []DeadLetter
	for ; n != nil && len(list) < limit; n = n.next {
		j := n.item
		list = append(list, DeadLetter{Job: j.Job, Reason: j.reason, Attempts: j.attempts, First: j.first, At: j.gone})
	}
	return list, nil
}

// deadJob returns the dead letter with this ID, or nil.
func (m *Memory) deadJob(id string) *memoryJob {
	if j := m.jobs[id]; j != nil && j.state == dead {
		return j
	}
	return nil
}

// Replay puts dead letters back on their lanes. When one does not fit it stops, with ErrFull; that one
// and those after it stay where they are.
func (m *Memory) Replay(_ context.Context, letters []Replayed) (n int, err error) {
	now, err := m.begin()
	if err != nil {
		return 0, err
	}
	defer m.end(now)
	m.dropDead(now)
	for _, l := range letters {
		id, job := l.ID, l.Job
		j := m.deadJob(id)
		if j == nil {
			continue
		}
		if err := m.enqueue(&job, false, now); err != nil {
			return n, fmt.Errorf("queue: replay of %q: %w", id, err)
		}
		m.undead(j)
		n++
	}
	return n, nil
}

// Discard forgets dead letters.
func (m *Memory) Discard(_ context.Context, ids []string) (n int, err error) {
	now, err := m.begin()
	if err != nil {
		return 0, err
	}
	defer m.end(now)
	m.dropDead(now)
	for _, id := range ids {
		if j := m.deadJob(id); j != nil {
			m.undead(j)
			n++
		}
	}
	return n, nil
}
