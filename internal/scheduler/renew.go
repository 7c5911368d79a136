package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// renewAgain is how soon a renewal that failed is repeated.
const renewAgain = time.Second

// renew extends the leases of all tasks that have used a third of their time. One that cannot be
// extended is tried again until it ends; only then is its attempt ended.
func (s *Scheduler) renew() {
	lease := s.traits.Lease
	timer := time.NewTimer(lease / 3)
	defer timer.Stop()
	for {
		select {
		case <-s.settleCtx.Done():
			return
		case <-timer.C:
		}
		pause := lease / 3
		if tasks := s.expiring(); !s.extend(tasks) {
			pause = min(pause, renewAgain, s.untilEnd(tasks))
		}
		timer.Reset(max(pause, time.Millisecond))
	}
}

// expiring returns the tasks whose lease has less than two thirds of its time left.
func (s *Scheduler) expiring() (tasks []*Task) {
	due := time.Now().Add(s.traits.Lease * 2 / 3)
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := s.tasks.front; n != nil; n = n.next {
		if !n.item.lost && !n.item.until.After(due) {
			tasks = append(tasks, n.item)
		}
	}
	return tasks
}

// untilEnd returns how long it is until the first lease of those tasks ends that has not ended yet.
func (s *Scheduler) untilEnd(tasks []*Task) time.Duration {
	now, left := time.Now(), settleTime
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range tasks {
		if d := t.until.Sub(now); d > 0 {
			left = min(left, d)
		}
	}
	return left
}

// extend extends the leases of tasks and reports whether all of them could be.
func (s *Scheduler) extend(tasks []*Task) bool {
	if len(tasks) == 0 {
		return true
	}
	began := time.Now()
	// a queue that hangs must not hide that a lease ends
	ctx, cancel := context.WithTimeout(s.settleCtx, s.untilEnd(tasks))
	err := s.q.Extend(ctx, leasesOf(tasks))
	cancel()
	lost, failure := s.extended(tasks, began, err)
	for _, t := range lost {
		s.leaseLost(t)
	}
	if failure == nil {
		s.worked(opExtend)
	}
	if failure != nil && s.settleCtx.Err() == nil {
		s.failed(opExtend, failure)
	}
	return failure == nil
}

// extended takes note of an Extend that began at the time. It returns the waiting tasks whose
// leases are lost, and the error if there was one that says nothing else. What was settled
// meanwhile has lost its lease by that.
func (s *Scheduler) extended(tasks []*Task, began time.Time, err error) (lost []*Task, failure error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range tasks {
		e := queue.ErrorOf(err, i)
		if e == nil {
			t.until = began.Add(s.traits.Lease)
			continue
		}
		if t.inAll.in == nil || t.settling {
			continue
		}
		if !errors.Is(e, queue.ErrLeaseLost) {
			failure = e
			if now.Before(t.until) {
				continue
			}
		}
		t.lost = true
		t.abort()
		if t.lane != nil && t.inLane.in == &t.lane.waiting {
			s.drop(t)
			s.update(t.lane, now)
			lost = append(lost, t)
		}
	}
	s.wake()
	return lost, failure
}
