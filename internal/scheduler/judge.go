package scheduler

import (
	"math/rand/v2"
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	firstHold = 10 * time.Second
	maxHold   = 2 * time.Minute

	// unsentDelay is the delay of a job that a process which suspects itself would have given up.
	unsentDelay = time.Second
)

// conclusion is what follows from a result for its lane and others.
type conclusion struct {
	released []*Task
	change   bool
	update   queue.LaneUpdate
	before   LaneState
}

// judge takes note of what a result says of its lane's endpoint and of this process, and returns
// what follows from it. It corrects r.
func (s *Scheduler) judge(t *Task, r *Result) (c conclusion) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := t.lane
	t.inLane.leave() // it is no attempt any longer
	t.settling = true
	l.givenBack = r.Action == Retry && !t.attempted()
	if r.Host != "" {
		l.host = r.Host
	}
	if (r.Evidence == Down || r.Evidence == Unsent) && t.Aborted() {
		r.Evidence = None
	}
	c.released = s.suspect(t, r, now)
	if r.Evidence == Unsent && t.Lease.Probe && t.cost() < failingCost {
		r.Evidence = None // another process may reach the endpoint: it gets the probe
	}
	l.noteUnsent(r.Evidence, now)
	if c.change = s.weigh(t, r, &c.update, now); c.change {
		c.update.Lane, c.update.Reason = l.name, r.Reason
		c.before = l.state()
		s.expect(l, c.update, now)
	}
	if c.change || r.Evidence == Down || r.Evidence == Unsent {
		c.released = append(c.released, s.trim(l, now)...)
	}
	s.update(l, now)
	s.wake()
	return c
}

// weigh takes note of what a result says of the endpoint, and reports whether the lane's state
// changes because of it, and how.
func (s *Scheduler) weigh(t *Task, r *Result, u *queue.LaneUpdate, now time.Time) (change bool) {
	l := t.lane
	switch r.Evidence {
	case Up:
		l.succeeded(t, now, s.share(now))
		if r.Action != Ack && (t.Lease.Probe || l.health == queue.Failing && !l.held) {
			*u = queue.LaneUpdate{Health: queue.Untried, Since: t.since()}
			change = true
		}
	case Down, Unsent:
		change = s.fail(t, r, u, now)
	case None:
		if t.Lease.Probe && l.held {
			l.until = now.Add(r.Delay) // when the hold is due again
		}
	}
	if r.Hold > 0 && !change && (t.Lease.Probe || !l.held) {
		*u = queue.LaneUpdate{Health: queue.Failing, Hold: r.Hold, Since: t.since()}
		change = true
	}
	return change
}

// fail takes note of a failure, and reports whether the lane's state changes because of it, and
// how.
func (s *Scheduler) fail(t *Task, r *Result, u *queue.LaneUpdate, now time.Time) bool {
	l := t.lane
	if (l.held || now.Before(l.ownUntil)) && !t.Lease.Probe {
		return false // it began before the hold did; the probe decides
	}
	l.slowDown(t, now)
	sent := r.Evidence == Down // of another failure the time counts alone
	f := &l.failures
	f.failed(t, sent, now)
	*u = queue.LaneUpdate{Health: queue.Failing, Since: f.since}
	if u.Since.Receipt == "" {
		u.Since = t.since()
	} else {
		u.For = now.Sub(f.first)
	}
	limit := holdCost
	if l.health == queue.Untried {
		limit = holdCostFirst
	}
	switch {
	case t.Lease.Probe, l.probation && t.began.After(l.ownUntil) && (sent || t.cost() >= failingCost-costSlack):
		u.Since = t.since()
		u.Hold = holdTime(max(l.holds, l.ownHolds))
	case f.costs(limit), sent && (f.count >= holdRow || f.mostlyFailed()):
		u.Hold = holdTime(max(l.holds, l.ownHolds))
	case l.health != queue.Healthy || !f.costs(failingCost):
		return false
	}
	if r.Hold > 0 {
		u.Hold = r.Hold
	}
	return true
}

// holdTime returns how long a lane is held that has been held so many times in a row before: 10 s,
// doubled each time up to 2 minutes, less up to 25 % so that lanes do not come back together.
func holdTime(holds int) time.Duration {
	d := doubled(firstHold, holds, maxHold)
	return d - rand.N(d/4)
}

// suspect takes note of what a result says of this process. While it suspects itself, an attempt
// that sent nothing says nothing of its lane and counts for nothing; what waits is returned, to be
// released.
func (s *Scheduler) suspect(t *Task, r *Result, now time.Time) (released []*Task) {
	x := &s.suspicion
	began, ended := x.note(r.Host, r.Evidence, t.began, now)
	switch {
	case began:
		released = s.takeWaiting()
		s.refreshReceives()
	case ended:
		s.refreshReceives()
	}
	if !x.on {
		return released
	}
	if t.trial && r.Evidence == Unsent {
		x.failed(t.lane.name, r.Host, now)
	}
	s.setTimer(x.next, now)
	if r.Evidence == Unsent {
		r.Evidence, r.Counted = None, false
		if r.Action == DeadLetter || r.Action == Drop {
			r.Action = Retry
		}
		if r.Action == Retry {
			r.Delay = max(r.Delay, unsentDelay)
		}
	}
	return released
}
