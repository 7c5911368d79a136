package sqsqueue

import (
	"context"
	"errors"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Extensions that fail are tried again after keepRetry; one call takes at most keepTimeout.
const (
	keepRetry   = 500 * time.Millisecond
	keepTimeout = 5 * time.Second
	keepIdle    = time.Hour
)

// due is what has to be done now, and how long until the next thing.
type due struct {
	extend []*message   // parked and half way to becoming visible
	change []visibility // jobs for others, and followers of an ordered job whose lease ended
	woken  bool         // a delay is over
	next   time.Duration
}

// keep looks after the messages that this process holds: it extends parked ones, ends
// delays, and forgets leases that ended. Those that are handed out are the caller's to extend.
func (q *Queue) keep() {
	for {
		q.mu.Lock()
		d := q.sweep(time.Now())
		if d.woken {
			q.broadcast()
		}
		q.mu.Unlock()
		if !q.carryOut(d) {
			d.next = min(d.next, keepRetry)
		}
		select {
		case <-q.closed:
			return
		case <-q.kick:
		case <-time.After(d.next):
		}
	}
}

// sweep finds what is due. The caller holds q.mu.
func (q *Queue) sweep(now time.Time) due {
	d := due{next: keepIdle, change: q.leaveToOthers(now)}
	for _, m := range q.park.byID {
		switch {
		case !m.until.After(now):
			q.lapse(m, &d)
			continue
		case m.receipt != "":
			d.next = min(d.next, m.until.Sub(now))
			continue
		}
		if _, delayed := q.park.delayed[m]; delayed {
			if !m.ready.After(now) {
				q.park.wake(m)
				d.woken = true
			} else {
				d.next = min(d.next, m.ready.Sub(now))
			}
		}
		left := m.until.Sub(now)
		if !q.idle(now) {
			left -= q.opts.VisibilityTimeout / 2
		}
		if left <= 0 {
			d.extend = append(d.extend, m)
			left = q.opts.VisibilityTimeout / 2
		}
		d.next = min(d.next, left)
	}
	return d
}

// lapse forgets a message that is visible again. The caller holds q.mu.
func (q *Queue) lapse(m *message, d *due) {
	if m.receipt == "" {
		q.unlease(m)
	}
	d.change = append(d.change, q.letGo(q.park.followers(m))...)
	q.park.forget(m)
}

// idle tells whether this process has stopped receiving. Then nothing is extended, so that
// others get what is parked here. The caller holds q.mu.
func (q *Queue) idle(now time.Time) bool {
	return len(q.waiting) == 0 && now.Sub(q.received) > q.opts.VisibilityTimeout
}

// carryOut makes the calls that are due, and tells whether all of them succeeded.
func (q *Queue) carryOut(d due) bool {
	ctx, cancel := context.WithTimeout(q.ctx, keepTimeout)
	defer cancel()
	ok := true
	for _, err := range q.prolong(ctx, d.extend) {
		ok = ok && (err == nil || errors.Is(err, queue.ErrLeaseLost))
	}
	// What can't be given back becomes visible when its timeout ends.
	q.changeVisibility(ctx, q.url, d.change)
	return ok
}

// prolong makes messages invisible for another lease from now, but not past SQS's
// limit. What SQS says is no longer ours is forgotten.
func (q *Queue) prolong(ctx context.Context, messages []*message) []error {
	if len(messages) == 0 {
		return nil
	}
	now := time.Now()
	changes := make([]visibility, len(messages))
	q.mu.Lock()
	for i, m := range messages {
		timeout := min(q.opts.VisibilityTimeout, m.limit.Sub(now).Truncate(time.Second))
		changes[i] = visibility{m: m, handle: m.handle, timeout: timeout}
	}
	q.mu.Unlock()
	errs := q.changeVisibility(ctx, q.url, changes)
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, c := range changes {
		switch {
		case errs[i] == nil:
			c.m.until = now.Add(c.timeout)
		case errors.Is(errs[i], queue.ErrLeaseLost):
			q.park.forget(c.m)
		}
	}
	return errs
}
