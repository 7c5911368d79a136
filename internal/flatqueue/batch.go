package flatqueue

import (
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// batch is the messages of a call's leases that last.
type batch struct {
	q        *Queue
	messages []*message
	at       []int // of each in the caller's slice
	failed   *queue.BatchError
}

func (b *batch) add(m *message, at int) {
	b.messages = append(b.messages, m)
	b.at = append(b.at, at)
}

// fail notes the error of the kth message, if there is one.
func (b *batch) fail(k int, err error) {
	if err != nil {
		b.failed = b.failed.Fail(b.at[k], err)
	}
}

// pick looks up leases. Those that do not last have failed.
func (q *Queue) pick(leases []queue.Lease) (*batch, error) {
	return q.lookUp(leases, func(*message) {})
}

// settle is pick, and keeps the leases from ending until the batch has ended.
func (q *Queue) settle(leases []queue.Lease) (*batch, error) {
	return q.lookUp(leases, func(m *message) { q.set.Begin(m.job) })
}

func (q *Queue) lookUp(leases []queue.Lease, found func(*message)) (*batch, error) {
	if _, err := q.begin(); err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	b := &batch{q: q}
	for i := range leases {
		m := q.current(&leases[i])
		if m == nil {
			b.failed = b.failed.Fail(i, queue.ErrLeaseLost)
			continue
		}
		found(m)
		b.add(m, i)
	}
	return b, nil
}

// end calls done for what the store has settled, drops what was lost, and leaves the rest leased.
func (b *batch) end(errs []error, done func(*lanes.Job[*message], time.Duration)) {
	q := b.q
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.tick()
	for k, m := range b.messages {
		b.fail(k, errs[k])
		switch {
		case m.job.State() == lanes.Gone: // others had it, as another call has noticed
		case errs[k] == nil:
			q.settlePart(m)
			done(m.job, now)
			q.forget(m)
		case isLost(errs[k]):
			q.lapse(m, now)
		default:
			q.set.Abort(m.job)
			q.lookBy(m.job.Until())
		}
	}
}

// endNacks is end for messages that are left to the store.
func (b *batch) endNacks(errs []error) {
	q := b.q
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.tick()
	for k, m := range b.messages {
		b.fail(k, errs[k])
		switch {
		case m.leaving == nil: // it came back already
		case errs[k] == nil:
			q.left(m, now)
		case isLost(errs[k]):
			q.lapse(m, now)
		default:
			m.leaving = nil
			q.set.Abort(m.job)
			q.lookBy(m.job.Until())
		}
	}
}
