package lanes

import "time"

// Begin notes that the settlement of a leased job is being stored, so that its lease does not end
// meanwhile. Every other method of this file takes Leased and Settling jobs alike.
func (s *Set[T]) Begin(j *Job[T]) { s.move(j, Settling) }

// Abort notes that a settlement could not be stored: the job is leased as before.
func (s *Set[T]) Abort(j *Job[T]) {
	s.move(j, Leased)
	s.timers.set(j)
	s.arm(j.until)
}

// Extend has a job's lease end at a time.
func (s *Set[T]) Extend(j *Job[T], until time.Duration) {
	j.until = until
	if j.state == Leased {
		s.timers.set(j)
		s.arm(until)
	}
	if l := j.lane; l.probe == j {
		l.heldUntil = until
		s.place(l)
	}
}

// Ack settles a delivered job.
func (s *Set[T]) Ack(j *Job[T], now time.Duration) {
	s.Succeed(j, now)
	s.remove(j, now)
}

// Succeed has the lane of a leased job learn that its endpoint took the job. The lane is healthy
// then, and no longer held if the lease began after the hold (H1). It reports whether that changed
// anything. A driver that stores its settlements calls it first, and Remove when the Ack is stored.
func (s *Set[T]) Succeed(j *Job[T], now time.Duration) (changed bool) {
	l := j.lane
	l.acked = max(l.acked, j.lease)
	ends := l.held && j.lease > l.holdBegan
	if l.health == Healthy && l.holds == 0 && !ends {
		return false
	}
	s.setHealth(l, Healthy, now)
	l.holds, l.reason = 0, ""
	if ends {
		s.endHold(l)
	}
	s.place(l)
	return true
}

// Nack gives a job back that was worked on. If it was a probe and the lease was no attempt, the
// hold is due again after the delay (H2).
func (s *Set[T]) Nack(j *Job[T], delay time.Duration, counted bool, now time.Duration) {
	s.endLease(j, delay, counted, now)
	j.returned = true
	if delay > 0 {
		s.delay(j, now+delay)
		return
	}
	s.enter(j, false)
}

// Yield is a Nack to a store that decides when the job is received again: the job leaves the Set.
func (s *Set[T]) Yield(j *Job[T], delay time.Duration, counted bool, now time.Duration) {
	s.endLease(j, delay, counted, now)
	s.remove(j, now)
}

// endLease notes what a Nack says of the lease.
func (s *Set[T]) endLease(j *Job[T], delay time.Duration, counted bool, now time.Duration) {
	if !counted {
		s.dueAgain(j, now+delay)
		return
	}
	j.count()
	if j.lane.probe == j {
		j.lane.probe = nil
	}
}

// Release gives a job back unused, at the head of its lane. Of several jobs, the last is released
// first. A probe's hold is due again at once (H2).
func (s *Set[T]) Release(j *Job[T], now time.Duration) {
	s.dueAgain(j, now)
	s.enter(j, true)
}

// dueAgain has the hold of a lane be due at a time, if j is its probe.
func (s *Set[T]) dueAgain(j *Job[T], at time.Duration) {
	if l := j.lane; l.probe == j {
		l.probe, l.heldUntil = nil, at
	}
}
