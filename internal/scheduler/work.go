package scheduler

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

// work is a worker.
func (s *Scheduler) work() {
	for t := s.next(); t != nil; t = s.next() {
		s.process(t)
	}
}

// process takes a task from its attempt to its end. What comes after Run also comes when Run ends
// the goroutine, so it is deferred.
func (s *Scheduler) process(t *Task) {
	if t.expired {
		defer s.free(t)
		s.leaseLost(t)
		return
	}
	r := Result{Action: Retry, Counted: true, Delay: panicDelay(t), Reason: "panic"}
	defer func() { s.finish(t, r) }()
	s.run(t, &r)
}

// finish draws the conclusions from a result, and settles the task.
func (s *Scheduler) finish(t *Task, r Result) {
	later := false
	defer func() {
		if !later {
			s.free(t)
		}
	}()
	t.endAttempt()
	if r = normal(r); s.traits.AtMostOnce && r.Action == Retry && r.Counted {
		r.Action = Drop // a failed attempt is the last
	}
	c := s.judge(t, &r)
	if later = !c.change && s.mayAckLater(t, r); later {
		s.ackLater(t, r)
		s.release(c.released)
		return
	}
	defer s.settle(t, r)
	if c.change {
		defer s.answered(t.lane)
	}
	s.release(c.released)
	if c.change {
		s.setLane(t.lane, c.update, c.before)
	}
}

// free ends a task.
func (s *Scheduler) free(t *Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.inAll.leave()
	s.leave(t)
}

// leave takes a task from those that run.
func (s *Scheduler) leave(t *Task) {
	now := time.Now()
	l := t.lane
	c := &s.classes[l.health]
	t.inLane.leave()
	l.ended(t)
	l.running--
	c.running--
	s.running--
	if t.trial && s.suspicion.trying {
		s.suspicion.skip(l.name, now)
	}
	s.update(l, now)
	s.refreshIfIdle(&s.classes[queue.Untried])
	s.refreshIfIdle(&s.classes[queue.Failing])
	s.wake()
}
