package sqsqueue

import (
	"context"
	"errors"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Extend implements queue.Queue. SQS extends a message for at most 12 hours after its receive.
func (q *Queue) Extend(ctx context.Context, leases []queue.Lease) error {
	if q.isClosed() {
		return queue.ErrClosed
	}
	held, failed := q.lookUp(leases)
	errs := q.prolong(ctx, held.messages)
	q.wakeKeeper()
	return held.fail(failed, errs).Err()
}

// Ack implements queue.Queue. The ids are remembered, so that a copy which turns up in
// this process is deleted and not handed out.
func (q *Queue) Ack(ctx context.Context, leases []queue.Lease) error {
	if q.isClosed() {
		return queue.ErrClosed
	}
	held, failed := q.lookUp(leases)
	q.mu.Lock()
	for _, m := range held.messages {
		q.acked.add(m.job.ID)
	}
	q.mu.Unlock()
	return held.fail(failed, q.remove(ctx, held.messages)).Err()
}

// found is the messages of those leases that last.
type found struct {
	messages []*message
	index    []int // of each in the caller's slice
}

func (q *Queue) lookUp(leases []queue.Lease) (f found, failed *queue.BatchError) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, l := range leases {
		m := q.current(l.Receipt, now)
		if m == nil || m.job.ID != l.ID {
			failed = failed.Fail(i, queue.ErrLeaseLost)
			continue
		}
		f.messages = append(f.messages, m)
		f.index = append(f.index, i)
	}
	return f, failed
}

func (f found) fail(failed *queue.BatchError, errs []error) *queue.BatchError {
	for i, err := range errs {
		if err != nil {
			failed = failed.Fail(f.index[i], err)
		}
	}
	return failed
}

// remove takes settled messages out of SQS and forgets them, and those that were lost.
func (q *Queue) remove(ctx context.Context, messages []*message) []error {
	errs := make([]error, len(messages))
	var handles []string
	var index []int
	q.mu.Lock()
	for i, m := range messages {
		if !m.split.others() {
			handles = append(handles, m.handle)
			index = append(index, i)
		}
	}
	q.mu.Unlock()
	for k, err := range q.deleteMessages(ctx, q.url, handles) {
		errs[index[k]] = err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, m := range messages {
		if errs[i] == nil {
			q.settlePart(m)
		}
		if errs[i] == nil || errors.Is(errs[i], queue.ErrLeaseLost) {
			q.park.forget(m)
		}
	}
	q.broadcast() // an ordered lane's next may go
	return errs
}

// Nack implements queue.Queue.
//
// A release keeps the message in this process, invisible to the others. A delay that is not
// counted leaves it to SQS for so long, so that another process can have it afterwards;
// SQS counts that receive. A counted one is left to SQS for what remains of its visibility
// timeout, or for Delay.
func (q *Queue) Nack(ctx context.Context, nacks []queue.Nack) error {
	if q.isClosed() {
		return queue.ErrClosed
	}
	leases := make([]queue.Lease, len(nacks))
	for i, n := range nacks {
		leases[i] = n.Lease
	}
	held, failed := q.lookUp(leases)
	left := found{}
	var changes, followers []visibility
	q.mu.Lock()
	now := time.Now()
	for i, m := range held.messages {
		timeout, leave := q.settleNack(m, nacks[held.index[i]], now)
		if !leave {
			continue
		}
		left.index = append(left.index, held.index[i])
		changes = append(changes, visibility{
			m: m, handle: m.handle, timeout: timeout, uncounted: !nacks[held.index[i]].Counted,
		})
		followers = append(followers, q.letGo(q.park.followers(m))...)
	}
	q.broadcast()
	q.mu.Unlock()
	q.wakeKeeper()
	errs := q.leave(ctx, changes)
	q.changeVisibility(ctx, q.url, followers) // or their timeout ends
	return left.fail(failed, errs).Err()
}

// settleNack parks the message again, or forgets it, or returns the visibility timeout with
// which it has to be left to SQS. The caller holds q.mu.
func (q *Queue) settleNack(m *message, n queue.Nack, now time.Time) (timeout time.Duration, leave bool) {
	if n.Delay <= 0 && !n.Counted {
		q.park.release(m, time.Time{}, now)
		return 0, false
	}
	if !n.Counted {
		q.putOff[m.job.Lane] = now.Add(putOffMemory)
	}
	wait, own := n.Delay, false
	if rest := m.until.Sub(now); n.Counted && !q.opts.RetryBackoff && rest >= wait {
		wait, own = rest, true
	}
	switch {
	case q.mustHold(m, n.Counted, now.Add(wait)):
		q.hold(m, n.Counted, now.Add(wait), now)
		return 0, false
	case own && len(q.park.followers(m)) == 0:
		q.park.forget(m)
		return 0, false
	}
	m.leaving = true
	return min(wait, m.limit.Sub(now).Truncate(time.Second)), true
}

// mustHold tells whether a message waits in this process: always if it is a part of a message, and
// after an attempt while others of its ordered lane are here, because SQS would not
// return it before those are settled, which wait for it.
func (q *Queue) mustHold(m *message, counted bool, ready time.Time) bool {
	switch {
	case m.split != nil:
		return true
	case !counted, ready.Add(q.opts.VisibilityTimeout).After(m.limit):
		return false
	}
	return len(q.park.followers(m)) > 0
}

// hold parks a message until ready, as one whose lease has been more than a release.
func (q *Queue) hold(m *message, counted bool, ready, now time.Time) {
	if m.first.IsZero() {
		m.first = m.began
	}
	if counted {
		m.attempts++
		q.offset.set(m.id, q.offset.get(m.id)+1)
	}
	q.park.release(m, ready, now)
}

// leave sets visibility timeouts and forgets the messages.
func (q *Queue) leave(ctx context.Context, changes []visibility) []error {
	errs := q.changeVisibility(ctx, q.url, changes)
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, c := range changes {
		c.m.leaving = false
		if errs[i] == nil && c.uncounted {
			q.uncount(c.m)
		}
		if errs[i] == nil || errors.Is(errs[i], queue.ErrLeaseLost) {
			q.park.forget(c.m)
		}
	}
	return errs
}
