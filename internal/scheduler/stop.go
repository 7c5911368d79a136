package scheduler

import (
	"context"
	"sync"
	"time"
)

// settleGrace is the time for the queue to be told of attempts that were ended early.
const settleGrace = 500 * time.Millisecond

// Stop starts no more jobs, releases those that have not begun, and returns when the running ones
// are settled. When ctx ends it aborts them. It always returns soon after that, even if a Run does
// not.
func (s *Scheduler) Stop(ctx context.Context) {
	s.mu.Lock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.cancelStop()
	s.refresh()
	waiting := s.takeWaiting()
	s.taskReady.Broadcast()
	s.roomFree.Broadcast()
	s.mu.Unlock()

	hurried := context.AfterFunc(ctx, func() {
		s.abortAll()
		time.AfterFunc(settleGrace, s.cancelSettle)
	})
	s.release(waiting)
	s.await(&s.background)
	hurried()
	s.cancelSettle()
	s.await(&s.renewing)
}

// await returns when all goroutines of the group have ended. When the time to settle is over it
// leaves behind what a Run, a callback or the queue does not give back.
func (s *Scheduler) await(group *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-s.settleCtx.Done():
	}
	timer := time.NewTimer(settleGrace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// abortAll ends the attempts that run early, and those that begin nevertheless.
func (s *Scheduler) abortAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborting = true
	for n := s.tasks.front; n != nil; n = n.next {
		n.item.abort()
	}
}

// takeWaiting takes all tasks that have not begun. s is locked.
func (s *Scheduler) takeWaiting() (out []*Task) {
	now := time.Now()
	for n := s.tasks.front; n != nil; {
		t := n.item
		n = n.next
		if t.lane != nil && t.inLane.in == &t.lane.waiting {
			s.drop(t)
			s.update(t.lane, now)
			out = append(out, t)
		}
	}
	return out
}
