package flatqueue

import (
	"context"
	"slices"
	"time"

	"github.com/pushhooks/webhook/internal/limits"
	"github.com/pushhooks/webhook/queue"
)

// Extend renews leases, at most until the store's limit.
func (q *Queue) Extend(ctx context.Context, leases []queue.Lease) error {
	b, err := q.pick(leases)
	if err != nil {
		return err
	}
	for k, err := range q.extend(ctx, b.messages) {
		b.fail(k, err)
	}
	return b.failed.Err()
}

// Ack deletes the messages of delivered jobs.
func (q *Queue) Ack(ctx context.Context, leases []queue.Lease) error {
	b, err := q.settle(leases)
	if err != nil {
		return err
	}
	b.end(q.remove(ctx, b.messages), q.set.Ack)
	return b.failed.Err()
}

// DeadLetter has the store keep a copy of the job, and deletes it.
func (q *Queue) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	b, err := q.settle([]queue.Lease{l})
	if err != nil {
		return err
	}
	if b.failed != nil {
		return queue.ErrLeaseLost
	}
	if err := q.bury(ctx, b.messages[0], reason); err != nil {
		b.end([]error{err}, nil)
		return err
	}
	b.end(q.remove(ctx, b.messages), q.set.Remove)
	return queue.ErrorOf(b.failed.Err(), 0)
}

// bury has the store keep a copy of a message, unless it has one.
func (q *Queue) bury(ctx context.Context, m *message, reason string) error {
	q.mu.Lock()
	buried, letter := m.buried, q.letter(m, reason)
	q.mu.Unlock()
	if buried {
		return nil
	}
	if err := q.store.Bury(ctx, letter); err != nil {
		return err
	}
	q.mu.Lock()
	m.buried = true
	q.mu.Unlock()
	return nil
}

// letter makes a dead letter of a leased message. The caller holds q.mu.
func (q *Queue) letter(m *message, reason string) queue.DeadLetter {
	first, ok := m.job.First()
	if !ok {
		first = m.job.Began()
	}
	return queue.DeadLetter{
		Job: m.Job.Job, Reason: reason, Attempts: m.job.Attempts() + 1, First: q.set.Time(first), At: time.Now(),
	}
}

// Release parks jobs again. They are hidden from others until they are wanted here.
func (q *Queue) Release(_ context.Context, leases []queue.Lease) error {
	b, err := q.settle(leases)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.set.Now()
	for _, m := range slices.Backward(b.messages) {
		q.release(m, now)
	}
	return b.failed.Err()
}

// release parks a leased message again. The caller holds q.mu.
func (q *Queue) release(m *message, now time.Duration) {
	m.parked = now
	q.set.Release(m.job, now)
	q.lookBy(m.until - q.opts.Lease/2)
}

// Nack leaves jobs to the store for their delay, so that any process can have them afterwards; a
// counted one, with Options.OwnRetry, for what remains of its lease if that is longer.
func (q *Queue) Nack(ctx context.Context, nacks []queue.Nack) error {
	leases := make([]queue.Lease, len(nacks))
	for i := range nacks {
		leases[i] = nacks[i].Lease
	}
	b, err := q.settle(leases)
	if err != nil {
		return err
	}
	left := &batch{q: q, failed: b.failed}
	var changes []Change
	q.mu.Lock()
	now := q.set.Now()
	for k, m := range b.messages {
		if after, leaves := q.nack(m, &nacks[b.at[k]], now); leaves {
			left.add(m, b.at[k])
			changes = append(changes, Change{Handle: m.Handle, After: after})
		}
	}
	q.mu.Unlock()
	if len(changes) > 0 {
		left.endNacks(q.store.Hide(ctx, changes))
	}
	return left.failed.Err()
}

// nack parks a message again or drops it, or tells after which time the store has to return it. The
// caller holds q.mu.
func (q *Queue) nack(m *message, n *queue.Nack, now time.Duration) (after time.Duration, leaves bool) {
	if n.Delay <= 0 && !n.Counted {
		q.release(m, now)
		return 0, false
	}
	after, own := max(0, min(n.Delay, limits.Delay)), false
	if rest := m.until - now; n.Counted && q.opts.OwnRetry && rest >= after {
		after, own = rest, true
	}
	m.leaving = &leaving{delay: after, counted: n.Counted}
	followers := q.followers(m)
	switch {
	case q.mustStay(m, n.Counted, len(followers) > 0, now+after):
		m.leaving = nil
		m.parked = now
		q.set.Nack(m.job, after, n.Counted, now)
		q.lookBy(min(m.until-q.opts.Lease/2, now+after))
		return 0, false
	case own && len(followers) == 0:
		q.left(m, now)
		return 0, false
	}
	q.giveBackFollowers(m, now)
	if q.opts.MaxHidden > 0 {
		after = min(after, max(0, m.limit-now).Truncate(time.Second))
	}
	return after, true
}

// mustStay reports whether a message waits out its delay in this process: always if it is a part,
// and after an attempt while others of its ordered lane are here, because the store would not
// return it before those are settled, which wait for it.
func (q *Queue) mustStay(m *message, counted, followed bool, until time.Duration) bool {
	switch {
	case m.split != nil:
		return true
	case !counted, q.opts.MaxHidden > 0 && until+q.opts.Lease > m.limit:
		return false
	}
	return followed
}

// left drops a message that a Nack has left to the store. The caller holds q.mu.
func (q *Queue) left(m *message, now time.Duration) {
	q.set.Yield(m.job, m.leaving.delay, m.leaving.counted, now)
	m.leaving = nil
	q.leave(m)
}

// remove deletes settled messages. Their IDs are remembered before, so that a copy that turns up
// here is deleted and not handed out. A message that was split is deleted with its last part.
func (q *Queue) remove(ctx context.Context, messages []*message) []error {
	errs := make([]error, len(messages))
	var handles []string
	var at []int
	q.mu.Lock()
	for k, m := range messages {
		q.settled.add(m.ID)
		if !m.split.others() {
			handles = append(handles, m.Handle)
			at = append(at, k)
		}
	}
	q.mu.Unlock()
	if len(handles) == 0 {
		return errs
	}
	for i, err := range q.store.Delete(ctx, handles) {
		errs[at[i]] = err
	}
	return errs
}
