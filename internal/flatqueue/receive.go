package flatqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// demand is a Receive that found nothing to take.
type demand struct {
	max  int                     // jobs that it wants
	fail context.CancelCauseFunc // ends it with an error
}

// Receive leases what is parked and fits. If nothing does, it waits while receive calls run in the
// background. When ctx ends, such a call goes on for its waiting time, and what it brings is parked
// for the next Receive.
func (q *Queue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	if w.Max < 1 {
		return nil, fmt.Errorf("queue: Want.Max is %d; it must be at least 1", w.Max)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d := &demand{max: w.Max, fail: cancel}
	defer q.quit(d)
	for {
		taken, waiter, err := q.takeOrWait(w, d)
		if err != nil {
			return nil, err
		}
		if waiter != nil {
			if err := q.wait(ctx, waiter); err != nil {
				return nil, context.Cause(ctx)
			}
			continue
		}
		leases, err := q.refresh(ctx, taken)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case len(leases) > 0 || err != nil:
			return leases, err
		}
		// Others had become the owners of all that was taken.
	}
}

// takeOrWait leases what fits, or registers a demand and returns a waiter that is woken when
// something may fit.
func (q *Queue) takeOrWait(w queue.Want, d *demand) ([]*message, *lanes.Waiter, error) {
	now, err := q.begin()
	if err != nil {
		return nil, nil, err
	}
	defer q.mu.Unlock()
	if q.isIdle(now) {
		q.lookBy(now) // what is parked is kept hidden again
	}
	q.received = now
	jobs := q.set.Take(lanes.Want(w), now)
	if len(jobs) == 0 {
		q.demands[d] = struct{}{}
		q.demanded.Broadcast()
		return nil, q.set.Wait(lanes.Want(w), now), nil
	}
	delete(q.demands, d)
	q.demanded.Broadcast() // there is room for more
	taken := make([]*message, len(jobs))
	for i, j := range jobs {
		m := j.Value
		q.set.Extend(j, m.until) // the store decides when the lease ends
		q.lookBy(m.until)
		taken[i] = m
	}
	return taken, nil, nil
}

// wait waits until it is time to take again, or ctx ends.
func (q *Queue) wait(ctx context.Context, waiter *lanes.Waiter) error {
	err := waiter.Until(ctx)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.set.Leave(waiter)
	return err
}

// quit ends a Receive's demand.
func (q *Queue) quit(d *demand) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.demands, d)
	q.received = q.set.Now()
}

// isIdle reports whether this process has stopped receiving. Then nothing is kept hidden, so that
// others get what is parked here. The caller holds q.mu.
func (q *Queue) isIdle(now time.Duration) bool {
	return len(q.demands) == 0 && now-q.received > q.opts.Lease
}

// refresh extends those leases whose messages have been parked for a while, so that each lasts
// nearly as long as Traits.Lease says. What cannot be extended now is released, and one of the
// reasons is returned if nothing is left.
func (q *Queue) refresh(ctx context.Context, taken []*message) (leases []queue.Lease, err error) {
	stale := q.staleOf(taken)
	errs := q.extend(ctx, stale)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.tick()
	for i, m := range stale {
		if errs[i] == nil || isLost(errs[i]) {
			continue
		}
		err = errs[i]
		if m.job.State() == lanes.Leased {
			q.set.Release(m.job, now)
		}
	}
	for _, m := range taken {
		if m.job.State() == lanes.Leased {
			leases = append(leases, q.lease(m))
		}
	}
	if len(leases) > 0 {
		return leases, nil
	}
	return nil, err
}

func (q *Queue) staleOf(taken []*message) (stale []*message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	soon := q.set.Now() + q.opts.Lease*3/4
	for _, m := range taken {
		if m.until < soon {
			stale = append(stale, m)
		}
	}
	return stale
}
