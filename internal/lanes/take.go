package lanes

import "time"

// Want limits a Take. Its fields are those of queue.Want.
type Want struct {
	Max        int
	MaxPerLane int
	MaxUntried int
	MaxFailing int
	Lanes      map[string]int
}

// limit returns how many jobs w allows of a lane by itself.
func (w *Want) limit(lane string) int {
	if n, named := w.Lanes[lane]; named {
		return min(n, w.MaxPerLane)
	}
	return w.MaxPerLane
}

// class returns how many jobs w allows of lanes like l together.
func (w *Want) class(l lane) *int {
	switch {
	case l.isHeld() || l.Health() == Failing:
		return &w.MaxFailing
	case l.Health() == Untried:
		return &w.MaxUntried
	}
	return &w.Max
}

// lane is what a Want asks of a Lane, whatever its jobs are.
type lane interface {
	Health() Health
	isHeld() bool
}

func (l *Lane[T]) isHeld() bool { return l.held }

// fits reports whether w has room for a job of l.
func (s *Set[T]) fits(w *Want, l *Lane[T]) bool {
	return w.Max > 0 && *w.class(l) > 0 && w.limit(l.Name) > 0
}

// Take leases ready jobs within w, a job of each lane in turn, and returns them in that order.
func (s *Set[T]) Take(w Want, now time.Duration) []*Job[T] {
	s.takes++
	s.turn = (s.turn + 1) % 4
	var jobs []*Job[T]
	for i := range 4 {
		jobs = s.lap(&w, s.ringAt(s.turn+i), jobs, now)
	}
	for len(s.served) > 0 && w.Max > 0 {
		jobs = s.again(&w, jobs, now)
	}
	clear(s.served)
	s.served = s.served[:0]
	return jobs
}

// ringAt returns the rings in turn.
func (s *Set[T]) ringAt(turn int) *list[Lane[T]] {
	if i := turn % 4; i < 3 {
		return &s.rings[i]
	}
	return &s.probes
}

// lap takes a job of each lane of a ring that fits, and puts those lanes at its end.
func (s *Set[T]) lap(w *Want, ring *list[Lane[T]], jobs []*Job[T], now time.Duration) []*Job[T] {
	if ring.front == nil {
		return jobs
	}
	class := w.class(ring.front.item)
	next := ring.front
	for range ring.len {
		if w.Max <= 0 || *class <= 0 {
			break
		}
		l := next.item
		next = next.next
		if l.take != s.takes {
			l.take, l.left = s.takes, w.limit(l.Name)
		}
		if l.left > 0 {
			jobs = append(jobs, s.takeFrom(w, l, now))
			s.served = append(s.served, l)
		}
	}
	return jobs
}

// again takes another job of each lane that gave one in the last round.
func (s *Set[T]) again(w *Want, jobs []*Job[T], now time.Duration) []*Job[T] {
	served := s.served
	s.served = s.served[:0]
	for _, l := range served {
		if l.left > 0 && w.Max > 0 && *w.class(l) > 0 && l.open() && !l.held {
			jobs = append(jobs, s.takeFrom(w, l, now))
			s.served = append(s.served, l)
		}
	}
	return jobs
}

// takeFrom leases the next job of a lane that has one to give.
func (s *Set[T]) takeFrom(w *Want, l *Lane[T], now time.Duration) *Job[T] {
	if class := w.class(l); class != &w.Max {
		*class--
	}
	w.Max--
	l.left--
	j := l.next()
	s.number++
	j.lease, j.began, j.until = s.number, now, now+s.lease
	s.move(j, Leased)
	s.timers.set(j)
	s.arm(j.until)
	if l.held {
		l.probe, l.heldUntil = j, j.until
		l.node.leave()
	} else if l.node.in != nil {
		ring := l.node.in
		l.node.leave()
		ring.pushBack(&l.node)
	}
	s.place(l)
	return j
}
