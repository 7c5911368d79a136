package lanes

import (
	"context"
	"math"
	"slices"
	"time"
)

// Waiter is a Receive that waits.
type Waiter struct {
	want  Want
	wake  chan struct{} // closed to wake it
	looks time.Duration // when it looks by itself; MaxInt64: never
	delay time.Duration // until then
}

// Wait returns a waiter that is woken when a job fits into w. The caller has just called Take,
// which had none.
func (s *Set[T]) Wait(w Want, now time.Duration) *Waiter {
	waiter := &Waiter{want: w, wake: make(chan struct{}), looks: s.Next()}
	waiter.delay = max(waiter.looks-now, time.Microsecond)
	s.waiters = append(s.waiters, waiter)
	return waiter
}

// Next returns when the next delay, lease or hold ends; MaxInt64 if there is none.
func (s *Set[T]) Next() time.Duration {
	next := time.Duration(math.MaxInt64)
	if j, ok := s.timers.next(); ok {
		next = min(next, j.until)
	}
	if l, ok := s.holds.next(); ok {
		next = min(next, l.heldUntil)
	}
	return next
}

// Until returns nil when it is time to Take again, or the context's error. The caller calls Leave
// then. It is called without the Set's lock.
func (w *Waiter) Until(ctx context.Context) error {
	var due <-chan time.Time
	if w.looks != math.MaxInt64 {
		timer := time.NewTimer(w.delay)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-w.wake:
		return nil
	case <-due:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Leave ends a wait.
func (s *Set[T]) Leave(w *Waiter) {
	if i := slices.Index(s.waiters, w); i >= 0 {
		s.waiters = slices.Delete(s.waiters, i, i+1)
	}
}

// WakeAll has every waiter look again, at the end of the Set for instance.
func (s *Set[T]) WakeAll() {
	for _, w := range s.waiters {
		close(w.wake)
	}
	s.waiters = nil
}

// offer wakes the waiters that a job of l fits.
func (s *Set[T]) offer(l *Lane[T]) {
	s.wake(func(w *Waiter) bool { return s.fits(&w.want, l) })
}

// arm wakes the waiters that would look by themselves after a time when something ends.
func (s *Set[T]) arm(at time.Duration) {
	s.wake(func(w *Waiter) bool { return w.looks > at })
}

// wake wakes some waiters.
func (s *Set[T]) wake(which func(*Waiter) bool) {
	if len(s.waiters) == 0 {
		return
	}
	s.waiters = slices.DeleteFunc(s.waiters, func(w *Waiter) bool {
		woken := which(w)
		if woken {
			close(w.wake)
		}
		return woken
	})
}
