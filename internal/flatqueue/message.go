package flatqueue

import (
	"errors"
	"strconv"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// message is a message that is here: leased, or parked. Times are on the clock of Queue.set.
type message struct {
	Message                      // as it was received last
	job     *lanes.Job[*message] // its place among the lanes
	until   time.Duration        // the end of its hiding, on the early side
	limit   time.Duration        // the store hides it no longer than until then
	parked  time.Duration        // when it was parked
	leaving *leaving             // it is being left to the store; else nil
	buried  bool                 // a copy of it is among the dead letters
	split   *split               // what it is a part of, or nil
}

// leaving is a Nack that leaves a message to the store.
type leaving struct {
	delay   time.Duration
	counted bool
}

// history is what this process knows of a message that it has had. A store counts receives only.
type history struct {
	uncounted int       // receives that were no attempts; below 0: attempts that were no receives
	first     time.Time // when the first attempt began; zero if there was none here
}

// isParked reports whether the message is here without a lease.
func (m *message) isParked() bool {
	return m.job.State() == lanes.Ready || m.job.State() == lanes.Delayed
}

// isLeased reports whether the message has a lease that lasts.
func (m *message) isLeased() bool {
	return m.job.State() == lanes.Leased || m.job.State() == lanes.Settling
}

// add parks a message that was just received. The caller holds q.mu.
func (q *Queue) add(m *message, now time.Duration) {
	m.parked = now
	m.job = q.set.New(m.Lane, m.Ordered, int64(len(m.Data)), m, now)
	q.byID[m.MessageID], q.byJob[m.ID] = m, m
	q.set.Restore(m.job, q.progress(m, now), now)
}

// progress returns what a received message has behind it.
func (q *Queue) progress(m *message, now time.Duration) lanes.Progress {
	known := q.history.get(m.MessageID)
	p := lanes.Progress{Enqueued: now, Attempts: max(m.Receives-1-known.uncounted, 0)}
	first := m.First
	if first.IsZero() && p.Attempts > 0 {
		first = known.first
		if first.IsZero() && !m.FirstReceived.IsZero() {
			first = m.FirstReceived.Add(q.skew)
		}
	}
	if !first.IsZero() {
		p.First, p.Tried = q.set.At(first), true
	}
	switch {
	case !m.Enqueued.IsZero():
		p.Enqueued = min(now, q.set.At(m.Enqueued))
	case !m.Sent.IsZero():
		p.Enqueued = min(now, q.set.At(m.Sent.Add(q.skew)))
	}
	return p
}

// forget drops a message that has left the Set. The caller holds q.mu.
func (q *Queue) forget(m *message) {
	if q.byID[m.MessageID] == m {
		delete(q.byID, m.MessageID)
	}
	if q.byJob[m.ID] == m {
		delete(q.byJob, m.ID)
	}
	q.demanded.Broadcast() // there is room
}

// leave drops a message that has left the Set and comes back from the store, which will count one
// receive more. The caller holds q.mu.
func (q *Queue) leave(m *message) {
	known := history{uncounted: m.Receives - m.job.Attempts()}
	if first, ok := m.job.First(); ok {
		known.first = q.set.Time(first)
	}
	q.history.set(m.MessageID, known)
	q.forget(m)
}

// giveBack leaves a parked message to the store. The keeper makes the call. The caller holds q.mu.
func (q *Queue) giveBack(m *message, after, now time.Duration) {
	q.set.Remove(m.job, now)
	q.leave(m)
	q.returned = append(q.returned, Change{Handle: m.Handle, After: after})
	q.lookBy(now)
}

// giveBackFollowers leaves to the store what is parked of an ordered message's lane behind it. The
// store returns nothing of the lane while any of it is hidden, and nothing here may overtake a
// message that leaves. The caller holds q.mu.
func (q *Queue) giveBackFollowers(m *message, now time.Duration) {
	for _, other := range q.followers(m) {
		q.giveBack(other, 0, now)
	}
}

// followers returns the parked messages of an ordered message's lane, apart from parts, which have
// the place of a message that is still hidden. The caller holds q.mu.
func (q *Queue) followers(m *message) (list []*message) {
	if !m.Ordered || !q.opts.Groups {
		return nil
	}
	for _, other := range q.byID {
		if other != m && other.job.Lane() == m.job.Lane() && other.job.State() == lanes.Ready && other.split == nil {
			list = append(list, other)
		}
	}
	return list
}

// lapse drops a message that others may have by now: its lease ended, or it is no longer hidden.
// The caller holds q.mu.
func (q *Queue) lapse(m *message, now time.Duration) {
	q.giveBackFollowers(m, now)
	if m.isLeased() {
		q.set.Yield(m.job, 0, true, now) // a lease that ends is an attempt
	} else {
		q.set.Remove(m.job, now)
	}
	m.leaving = nil
	q.leave(m)
}

// current returns the message that l is the current lease of, or nil. The caller holds q.mu and has
// called tick.
func (q *Queue) current(l *queue.Lease) *message {
	m := q.byJob[l.ID]
	if m == nil || m.job.State() != lanes.Leased || m.job.Number() != leaseNumber(l.Receipt) {
		return nil
	}
	return m
}

// leaseNumber returns the number of the lease that a receipt is for, or 0.
func leaseNumber(receipt string) uint64 {
	n, err := strconv.ParseUint(receipt, 36, 64)
	if err != nil {
		return 0
	}
	return n
}

// lease returns the lease of a message that was taken. The caller holds q.mu.
func (q *Queue) lease(m *message) queue.Lease {
	j, l := m.job, m.job.Lane()
	lease := queue.Lease{
		Job: m.Job.Job, Receipt: strconv.FormatUint(j.Number(), 36), Attempts: j.Attempts(),
		Until: q.set.Time(j.Until()), Health: queue.Health(l.Health()), Probe: l.IsProbe(j), Holds: l.Holds(),
		Age: j.Began() - j.Enqueued(),
	}
	if first, ok := j.First(); ok {
		lease.First = q.set.Time(first)
	}
	return lease
}

// isLost reports whether a message is no longer this process's.
func isLost(err error) bool { return errors.Is(err, queue.ErrLeaseLost) }
