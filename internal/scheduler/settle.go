package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// settleTime is for one call of the queue.
const settleTime = 10 * time.Second

// settle tells the queue what becomes of a job, and returns when the queue has heard it.
func (s *Scheduler) settle(t *Task, r Result) {
	if s.traits.AtMostOnce && r.Action == Ack && s.knownHealthy(t) {
		s.confirm(t, r)
		return
	}
	s.settleAgain(t, r, s.settleOnce(t, r))
}

// settleAgain goes on after the first call, which has returned err: it calls again and again until the
// queue has heard or the lease has ended. So no more delivered jobs are unsettled than there are workers
// and acks under way. For any other job it goes on for a lease's time and then leaves the lease to end by
// itself: that costs an attempt, and no worker for good.
func (s *Scheduler) settleAgain(t *Task, r Result, err error) {
	began := time.Now()
	for n := 1; ; n++ {
		if n > 1 {
			err = s.settleOnce(t, r)
		}
		if err == nil || s.heard(t, n, err) {
			s.confirm(t, r)
			s.worked(opSettle)
			return
		}
		if errors.Is(err, queue.ErrLeaseLost) {
			s.abandon(t, r, err)
			return
		}
		s.failed(opSettle, err)
		if isClosed(err) || s.ended(t, r, began) || s.traits.AtMostOnce && r.Action == Ack ||
			!queueBackoff.sleep(s.settleCtx, n) {
			s.abandon(t, r, err)
			return
		}
	}
}

// knownHealthy reports whether the queue knows already that t's lane is healthy.
func (s *Scheduler) knownHealthy(t *Task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return t.Lease.Health == queue.Healthy && t.lane.health == queue.Healthy && !t.lane.held
}

// settleOnce makes the one call that r asks for.
func (s *Scheduler) settleOnce(t *Task, r Result) error {
	if r.Action == Ack && s.traits.InProcess { // no round trip to share or to bound
		return queue.ErrorOf(s.q.Ack(s.settleCtx, []queue.Lease{t.Lease}), 0)
	}
	if r.Action == Ack {
		return s.acks.ack(&t.Lease)
	}
	ctx, cancel := context.WithTimeout(s.settleCtx, settleTime)
	defer cancel()
	switch r.Action {
	case Retry:
		if r.Delay == 0 && !r.Counted {
			return queue.ErrorOf(s.q.Release(ctx, []queue.Lease{t.Lease}), 0)
		}
		return queue.ErrorOf(s.q.Nack(ctx, []queue.Nack{{Lease: t.Lease, Delay: r.Delay, Counted: r.Counted}}), 0)
	case Split:
		return s.q.Replace(ctx, t.Lease, r.Parts)
	case Drop:
		return queue.ErrorOf(s.q.Nack(ctx, []queue.Nack{{Lease: t.Lease, Counted: true}}), 0)
	}
	return s.q.DeadLetter(ctx, t.Lease, r.Reason)
}

// heard reports whether an earlier call was heard and only its answer lost.
func (s *Scheduler) heard(t *Task, n int, err error) bool {
	return n > 1 && errors.Is(err, queue.ErrLeaseLost) && time.Now().Before(s.leaseEnd(t))
}

// ended reports whether it is no use to try again.
func (s *Scheduler) ended(t *Task, r Result, began time.Time) bool {
	return !time.Now().Before(s.leaseEnd(t)) || r.Action != Ack && time.Since(began) > s.traits.Lease
}

func (s *Scheduler) leaseEnd(t *Task) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return t.until
}

// confirm tells the job that r is settled.
func (s *Scheduler) confirm(t *Task, r Result) {
	defer s.settled(t, r) // also if the handler ends this goroutine when it hears of the lane
	if r.Action == Ack {
		s.noteAck(t)
	}
}

// abandon ends a job that could not be settled. Its lease ends by itself, and the job is received
// again; an at-most-once queue has forgotten it.
func (s *Scheduler) abandon(t *Task, r Result, err error) {
	switch {
	case !s.traits.AtMostOnce:
		if s.settleCtx.Err() == nil {
			s.leaseLost(t)
		}
	case r.Action == Ack || r.Action == Drop:
		s.settled(t, r)
	default:
		s.settled(t, Result{Action: Drop, Reason: "not settled: " + errorText(err)})
	}
}

func isClosed(err error) bool { return errors.Is(err, queue.ErrClosed) }

// errorText returns an error's text, also of an error that has none.
func errorText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "unknown error"
		}
	}()
	return err.Error()
}

// notReleased tells the jobs of tasks that an at-most-once queue does not have any more.
func (s *Scheduler) notReleased(tasks []*Task, err error) {
	for _, t := range tasks {
		s.settled(t, Result{Action: Drop, Reason: "not given back: " + errorText(err)})
	}
}

func leasesOf(tasks []*Task) []queue.Lease {
	leases := make([]queue.Lease, len(tasks))
	for i, t := range tasks {
		leases[i] = t.Lease
	}
	return leases
}

// unreleased returns the tasks that a failed Release leaves to be released, and those whose leases
// are lost.
func unreleased(tasks []*Task, err error) (left, lost []*Task) {
	for i, t := range tasks {
		switch e := queue.ErrorOf(err, i); {
		case errors.Is(e, queue.ErrLeaseLost):
			lost = append(lost, t)
		case e != nil:
			left = append(left, t)
		}
	}
	return left, lost
}
