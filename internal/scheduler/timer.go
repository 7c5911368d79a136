package scheduler

import "time"

// setWake has the scheduler look at l again when something happens to it by time alone: a hold of
// this process ends, there is a token for a waiting task, or an attempt has been slow for so long
// that the waiting tasks have to be released. An earlier time that is already set stays; who looks
// too early looks again.
func (s *Scheduler) setWake(l *lane, now time.Time) {
	at := l.nextWake(now)
	if at.IsZero() {
		return
	}
	key := int64(at.Sub(s.epoch))
	if l.wakePlace.heap == nil || key < l.wakePlace.key {
		s.wakes.set(l, key)
		s.setTimer(at, now)
	}
}

// nextWake returns when something happens to l by time alone, or zero.
func (l *lane) nextWake(now time.Time) (at time.Time) {
	if now.Before(l.ownUntil) {
		return l.ownUntil
	}
	if l.waiting.len == 0 || l.held {
		return time.Time{}
	}
	if stalled := l.stalledAt(); now.Before(stalled) {
		at = stalled
	}
	if l.rate.limits() {
		if token := l.rate.next(now); token.After(now) && (at.IsZero() || token.Before(at)) {
			at = token
		}
	}
	return at
}

// setTimer has onTimer run at the time, or earlier.
func (s *Scheduler) setTimer(at, now time.Time) {
	if s.stopped || !s.timerAt.IsZero() && !at.Before(s.timerAt) {
		return
	}
	s.timerAt = at
	if s.timer == nil {
		s.timer = time.AfterFunc(at.Sub(now), s.onTimer)
	} else {
		s.timer.Reset(at.Sub(now))
	}
}

// onTimer looks at the lanes whose time has come.
func (s *Scheduler) onTimer() {
	now := time.Now()
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	s.background.Add(1)
	defer s.background.Done()
	s.timerAt = time.Time{}
	var released []*Task
	for l := s.wakes.first(); l != nil && l.wakePlace.key <= int64(now.Sub(s.epoch)); l = s.wakes.first() {
		s.wakes.remove(l)
		released = append(released, s.trim(l, now)...)
		s.update(l, now)
	}
	if l := s.wakes.first(); l != nil {
		s.setTimer(s.epoch.Add(time.Duration(l.wakePlace.key)), now)
	}
	s.refreshIfDue(now)
	s.watchLater(now)
	if s.suspicion.on && now.Before(s.suspicion.next) {
		s.setTimer(s.suspicion.next, now)
	}
	s.wake()
	s.mu.Unlock()
	s.release(released)
}
