package flatqueue

import (
	"context"
	"math"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// Renewals that fail are tried again after keepRetry; one call takes at most keepTimeout.
const (
	keepRetry   = 500 * time.Millisecond
	keepTimeout = 5 * time.Second
	keepIdle    = time.Hour
)

// maxPark is how long a message is parked at most: a little longer than a hold lasts at most, so
// that a lane that is held has its probe here.
const maxPark = queue.MaxHold + time.Minute

// keep looks after the messages that are here: it keeps parked ones hidden, ends leases, and gives
// back what is to be left to the store. Leases are the caller's to extend.
func (q *Queue) keep() {
	for {
		q.mu.Lock()
		now := q.tick()
		q.next = min(now+keepIdle, q.set.Next())
		stale := q.sweep(now)
		q.trim(now)
		changes := q.returned
		q.returned = nil
		q.mu.Unlock()
		failed := !q.renew(stale)
		q.hide(changes)
		select {
		case <-q.closed:
			return
		case <-q.kick:
		case <-time.After(q.pause(failed)):
		}
	}
}

// pause is how long the keeper waits.
func (q *Queue) pause(failed bool) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	if failed {
		q.next = min(q.next, q.set.Now()+keepRetry)
	}
	return q.next - q.set.Now()
}

// lookBy has the keeper look no later than at a time. The caller holds q.mu.
func (q *Queue) lookBy(at time.Duration) {
	if at >= q.next {
		return
	}
	q.next = at
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// sweep returns the parked messages that must be hidden for longer, and drops those that are
// visible again. The caller holds q.mu.
func (q *Queue) sweep(now time.Duration) (stale []*message) {
	idle := q.isIdle(now)
	for _, m := range q.byID {
		if !m.isParked() {
			continue
		}
		due := m.until
		if !idle {
			due -= q.opts.Lease / 2
		}
		switch {
		case m.until <= now:
			q.lapse(m, now)
			continue
		case m.staysUntil() <= now:
			for _, m := range append(q.followers(m), m) {
				q.giveBack(m, minYield, now)
			}
			continue
		case due <= now:
			stale = append(stale, m)
			due = now + q.opts.Lease/2
		}
		q.next = min(q.next, due, m.staysUntil())
	}
	return stale
}

// staysUntil is when a parked message is given back although there is room for it: another process
// may want it, one that reaches an endpoint which this one cannot, for instance.
func (m *message) staysUntil() time.Duration {
	if m.job.State() != lanes.Ready || m.split != nil {
		return math.MaxInt64
	}
	return m.parked + maxPark
}

// renew extends parked messages, and reports whether all calls succeeded.
func (q *Queue) renew(stale []*message) bool {
	ctx, cancel := context.WithTimeout(q.ctx, keepTimeout)
	defer cancel()
	for _, err := range q.extend(ctx, stale) {
		if err != nil && !isLost(err) {
			return false
		}
	}
	return true
}

// hide gives messages back. One that cannot be given back is visible when its time ends.
func (q *Queue) hide(changes []Change) {
	if len(changes) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(q.ctx, keepTimeout)
	defer cancel()
	q.store.Hide(ctx, changes)
}

// extend hides messages for another lease from now, but not past the store's limit. What the store
// says is lost is dropped.
func (q *Queue) extend(ctx context.Context, messages []*message) []error {
	if len(messages) == 0 {
		return nil
	}
	q.mu.Lock()
	start := q.set.Now()
	changes := make([]Change, len(messages))
	for i, m := range messages {
		changes[i] = Change{Handle: m.Handle, After: q.opts.Lease}
		if q.opts.MaxHidden > 0 {
			changes[i].After = min(q.opts.Lease, max(0, m.limit-start).Truncate(time.Second))
		}
	}
	q.mu.Unlock()
	errs := q.store.Hide(ctx, changes)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.tick()
	for i, m := range messages {
		switch {
		case m.job.State() == lanes.Gone:
			errs[i] = queue.ErrLeaseLost
		case errs[i] == nil:
			m.until = start + changes[i].After
			if m.isLeased() {
				q.set.Extend(m.job, m.until)
			}
			q.lookBy(m.until)
		case isLost(errs[i]):
			q.lapse(m, now)
		}
	}
	return errs
}
