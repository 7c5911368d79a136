package scheduler

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Lane returns what this process knows of a lane's state, that of an untried lane if that is
// nothing. s may be nil.
func (s *Scheduler) Lane(name string) LaneState {
	if s == nil {
		return LaneState{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lanes[name]; l != nil {
		return l.state()
	}
	return LaneState{}
}

// Resume has a lane be untried that a person has made so in the queue. s may be nil.
func (s *Scheduler) Resume(name string) {
	if s == nil {
		return
	}
	now := time.Now()
	s.mu.Lock()
	l := s.lanes[name]
	if l == nil {
		s.mu.Unlock()
		return
	}
	before := l.state()
	s.changes++
	l.changed, l.at = s.changes, now
	l.held, l.holds, l.reason = false, 0, ""
	l.ownUntil, l.ownHolds, l.probation, l.unsent = time.Time{}, 0, false, 0
	l.failures.forget()
	s.setHealth(l, queue.Untried)
	s.update(l, now)
	s.wake()
	after := l.state()
	s.mu.Unlock()
	s.laneChanged(name, before, after)
}
