package scheduler

import "time"

// Hanging returns how many workers there are, and how many of them are busy with attempts that have
// used up more than half of their timeouts.
func (s *Scheduler) Hanging() (workers, hanging int) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := s.tasks.front; n != nil; n = n.next {
		if n.item.hangs(now) {
			hanging++
		}
	}
	return s.workers, hanging
}

// hangs reports whether the task's attempt runs for longer than half of its timeout.
func (t *Task) hangs(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cancel != nil && now.Sub(t.started) > t.timeout/2
}
