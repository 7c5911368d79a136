package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// expect has the lane behave already as the update that is under way says. Until answered, leases do not
// tell its state: they may have begun before the update.
func (s *Scheduler) expect(l *lane, u queue.LaneUpdate, now time.Time) {
	l.changes++
	if u.Health != queue.Failing {
		return
	}
	s.setHealth(l, queue.Failing)
	if u.Hold > 0 {
		l.held, l.until, l.heldAt = true, now.Add(u.Hold), now
	}
}

// setLane changes a lane's state in the queue, and here as the queue has answered. The caller then
// settles the job whose attempt led to it: a probe's hold is due again when the probe is settled
// first.
func (s *Scheduler) setLane(l *lane, u queue.LaneUpdate, before LaneState) {
	ctx, cancel := context.WithTimeout(s.settleCtx, settleTime)
	err := s.q.SetLane(ctx, u)
	cancel()
	failed := err != nil && !errors.Is(err, queue.ErrLaneHealthy)
	if failed {
		s.failed(opSetLane, err)
	}
	now := time.Now()
	s.mu.Lock()
	s.apply(l, u, err, now)
	released, after := s.trim(l, now), l.state()
	s.update(l, now)
	s.wake()
	s.mu.Unlock()
	s.release(released)
	s.laneChanged(l.name, before, after)
	if !failed {
		s.worked(opSetLane)
	}
}

// answered notes that an update is under way no longer, and that the handler was told of it.
func (s *Scheduler) answered(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.changes--
}

// apply changes a lane as the queue has answered an update.
func (s *Scheduler) apply(l *lane, u queue.LaneUpdate, err error, now time.Time) {
	s.changes++
	l.changed, l.at = s.changes, now
	switch {
	case err != nil && u.Health == queue.Untried:
	case errors.Is(err, queue.ErrLaneHealthy):
		s.setHealth(l, queue.Healthy)
		s.holdHere(l, u, now)
	case err != nil:
		s.holdHere(l, u, now)
	case u.Health == queue.Untried:
		s.setHealth(l, queue.Untried)
		l.held, l.holds, l.reason = false, 0, ""
		l.failures.forget()
	default:
		s.setHealth(l, queue.Failing)
		l.reason = u.Reason
		if u.Hold > 0 {
			l.holds++
			l.failures.forget()
		}
	}
}

// holdHere holds a lane for this process alone, after the queue refused the hold or did not hear of
// it.
func (s *Scheduler) holdHere(l *lane, u queue.LaneUpdate, now time.Time) {
	if u.Hold == 0 {
		return
	}
	l.held = false
	l.failures.forget()
	l.ownUntil = now.Add(u.Hold)
	l.ownHolds++
	l.probation = true
}

// noteAck notes that the queue has taken the Ack of t's job, which makes the lane healthy. It ends a
// hold only if t was the probe (H1).
func (s *Scheduler) noteAck(t *Task) {
	now := time.Now()
	s.mu.Lock()
	l := t.lane
	if l.health == queue.Healthy && !l.held {
		s.mu.Unlock()
		return
	}
	before := l.state()
	s.changes++
	l.changed, l.at = s.changes, now
	if t.Lease.Probe {
		l.held = false
	}
	l.holds, l.reason = 0, ""
	s.setHealth(l, queue.Healthy)
	s.update(l, now)
	s.wake()
	after := l.state()
	s.mu.Unlock()
	s.laneChanged(l.name, before, after)
}
