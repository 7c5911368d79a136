package lanes

import "time"

// Update is a change of a lane's state. Its fields are those of queue.LaneUpdate, checked; Since is
// a lease's number, 0 when a person decides.
type Update struct {
	Lane   string
	Health Health
	Hold   time.Duration
	Since  uint64
	For    time.Duration
	Reason string
}

// Verdict is what became of an Update.
type Verdict uint8

const (
	// Changed reports that the state changed.
	Changed Verdict = iota
	// Unchanged reports that the update was about an earlier hold (H3).
	Unchanged
	// RefusedHealthy reports that the lane has succeeded since (H4).
	RefusedHealthy
)

// SetLane changes a lane's state.
func (s *Set[T]) SetLane(u Update, now time.Duration) Verdict {
	l := s.lane(u.Lane)
	defer s.settle(l, now)
	if u.Health == Untried {
		s.setHealth(l, Untried, now)
		l.holds, l.reason, l.acked, l.since = 0, "", 0, 0
		s.endHold(l)
		return Changed
	}
	switch {
	case u.Since > 0 && l.acked > u.Since:
		return RefusedHealthy
	case u.Since > 0 && l.held && u.Since <= l.holdBegan:
		return Unchanged
	}
	s.setHealth(l, Failing, now-u.For)
	l.reason = u.Reason
	if u.Hold > 0 {
		s.setHeld(l, true)
		l.probe = nil
		l.holdBegan, l.heldUntil = s.number, now+u.Hold
		l.holds++
		if l.node.in == &s.probes {
			l.node.leave()
		}
	}
	return Changed
}

// settle places a lane after its state has changed. It may have no jobs.
func (s *Set[T]) settle(l *Lane[T], now time.Duration) {
	if l.jobs == 0 {
		l.emptied = now
		l.node.leave() // its place among the idle ones is the last again
	}
	s.place(l)
}

// setHealth changes a lane's health, which it has since the given time, and what the lanes of both
// healths hold.
func (s *Set[T]) setHealth(l *Lane[T], to Health, since time.Duration) {
	if l.health == to {
		return
	}
	s.held[l.health].add(l.usage(), -1)
	s.held[to].add(l.usage(), 1)
	l.health, l.since = to, since
}

// endHold ends a lane's hold. The caller places the lane.
func (s *Set[T]) endHold(l *Lane[T]) {
	s.setHeld(l, false)
	l.probe, l.heldUntil = nil, 0
}

// setHeld notes that a lane is held, or not.
func (s *Set[T]) setHeld(l *Lane[T], held bool) {
	if l.held != held {
		l.held = held
		s.onHold += l.ready() * (2*b2i(held) - 1)
	}
}

// Info is a lane's state. Times are on the Set's clock.
type Info struct {
	Ready, Delayed, Leased int
	Bytes                  int64
	Oldest                 time.Duration // age of the oldest ready job
	Health                 Health
	// when Health became what it is, or its row of failures began; if it is not Untried
	Since     time.Duration
	Held      bool
	HeldUntil time.Duration
	Holds     int
	Reason    string
}

// Info returns a lane's state.
func (s *Set[T]) Info(l *Lane[T], now time.Duration) Info {
	i := Info{
		Ready: l.ready(), Delayed: l.delayed, Leased: l.busy - l.delayed, Bytes: l.bytes,
		Health: l.health, Since: l.since, Held: l.held, HeldUntil: l.heldUntil, Holds: l.holds, Reason: l.reason,
	}
	if i.Ready > 0 {
		i.Oldest = now - l.oldest()
	}
	return i
}

// Stored is what a durable driver stores of a lane's state.
type Stored struct {
	Health    Health
	Since     time.Duration
	Held      bool
	HeldUntil time.Duration
	Holds     int
	Reason    string
	Emptied   time.Duration // when the last job left; 0 while there are jobs
}

// Stored returns what is to be stored of a lane's state; false if there is nothing worth keeping.
func (s *Set[T]) Stored(l *Lane[T]) (st Stored, ok bool) {
	st = Stored{
		Health: l.health, Since: l.since, Held: l.held, HeldUntil: l.heldUntil, Holds: l.holds, Reason: l.reason,
	}
	if l.jobs == 0 {
		st.Emptied = l.emptied
	}
	return st, l.stateful()
}

// RestoreLane sets the state of a lane that an earlier process stored. All leases of this process
// are later than its hold.
func (s *Set[T]) RestoreLane(name string, st Stored, now time.Duration) {
	if now-st.Emptied >= keepState && st.Emptied != 0 {
		return
	}
	l := s.lane(name)
	s.setHealth(l, st.Health, now)
	l.since, l.holds, l.reason = st.Since, st.Holds, st.Reason
	s.setHeld(l, st.Held)
	l.heldUntil, l.holdBegan = st.HeldUntil, s.number
	s.settle(l, now)
	if st.Emptied != 0 {
		l.emptied = st.Emptied
	}
}
