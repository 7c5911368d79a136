package flatqueue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
)

const (
	pollMinPause = 100 * time.Millisecond // after a receive call that failed,
	pollMaxPause = 5 * time.Second        // doubling up to this
	callSlack    = 10 * time.Second       // what a call may take beyond its waiting time
	reportPause  = time.Minute            // between reports of two unreadable messages
)

// poll makes receive calls, one at a time, while a Receive waits and there is room.
func (q *Queue) poll() {
	pause := pollMinPause
	for {
		n, ok := q.awaitDemand()
		if !ok {
			return
		}
		err := q.pollOnce(n)
		if err == nil {
			pause = pollMinPause
			continue
		}
		select {
		case <-q.closed:
		case <-time.After(pause + rand.N(pause/4)):
		}
		pause = min(2*pause, pollMaxPause)
	}
}

// awaitDemand waits until a receive call is needed and returns how many messages it should ask for.
// It is not ok when the queue was closed.
func (q *Queue) awaitDemand() (n int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.isClosed() {
		if n = q.demand(); n > 0 {
			q.asked += n
			return n, true
		}
		q.demanded.Wait()
	}
	return 0, false
}

// demand is how many messages the next receive call should ask for. The caller holds q.mu.
func (q *Queue) demand() int {
	if q.set.Size(lanes.Ready)+q.set.Size(lanes.Delayed) >= q.opts.ParkedBytes {
		return 0
	}
	wanted := 0
	for d := range q.demands {
		wanted += d.max
	}
	room := q.opts.ParkedJobs - q.set.Count(lanes.Ready) - q.set.Count(lanes.Delayed)
	return min(wanted-q.asked, room-q.asked, q.opts.Batch)
}

// pollOnce makes one receive call and parks what it brings.
func (q *Queue) pollOnce(n int) error {
	ctx, cancel := context.WithTimeout(q.ctx, q.opts.Wait+callSlack)
	defer cancel()
	start := q.set.Now()
	messages, err := q.store.Receive(ctx, n)
	q.mu.Lock()
	q.asked -= n
	now := q.tick()
	copies := q.accept(messages, max(start, now-time.Second), now)
	if err != nil {
		q.failDemands(err)
	}
	q.demanded.Broadcast()
	q.mu.Unlock()
	if len(copies) > 0 {
		q.store.Delete(ctx, copies) // one that stays comes back and is deleted then
	}
	return err
}

// accept takes in what was received, hidden since the time from on the early side: an answer takes
// less than a second to arrive. It returns the handles of copies: of jobs that were settled, or
// that are here already as other messages. The caller holds q.mu.
func (q *Queue) accept(messages []Message, from, now time.Duration) (copies []string) {
	q.learnSkew(messages)
	for _, received := range messages {
		m := &message{Message: received, until: from + q.opts.Lease, limit: from + q.opts.MaxHidden}
		switch {
		case m.Unreadable != nil:
			q.refuse(m, now)
		case q.adopt(m, now):
		case q.settled.has(m.ID) || q.byJob[m.ID] != nil:
			copies = append(copies, m.Handle)
		default:
			q.add(m, now)
			q.lookBy(m.until - q.opts.Lease/2)
		}
	}
	if q.isCrowded() {
		q.lookBy(now + settleTime)
	}
	return copies
}

// learnSkew compares the store's clock with this process's: a message that is received for the
// first time is received now. The caller holds q.mu.
func (q *Queue) learnSkew(messages []Message) {
	for i := range messages {
		if m := &messages[i]; m.Receives == 1 && !m.FirstReceived.IsZero() {
			q.skew = time.Since(m.FirstReceived)
		}
	}
}

// refuse leaves an unreadable message to the others, and reports it once. The caller holds q.mu.
func (q *Queue) refuse(m *message, now time.Duration) {
	age := now - q.progress(m, now).Enqueued
	q.returned = append(q.returned, Change{Handle: m.Handle, After: yieldDelay(age, maxYield)})
	q.lookBy(now)
	if len(q.demands) > 0 && now-q.reported >= reportPause && !q.told.has(m.MessageID) {
		q.reported = now
		q.told.add(m.MessageID)
		q.failDemands(fmt.Errorf("message %s is left to other processes: %w", m.MessageID, m.Unreadable))
	}
}

// adopt handles a message that is here already, because the store returned it twice: only its
// newest handle counts. One that is being left to the store is received afresh. The caller holds
// q.mu.
func (q *Queue) adopt(m *message, now time.Duration) bool {
	old := q.byID[m.MessageID]
	if old == nil {
		return false
	}
	if old.leaving != nil {
		q.left(old, now)
		return false
	}
	old.Handle, old.Receives, old.limit = m.Handle, m.Receives, m.limit
	if old.isParked() {
		old.until = m.until
	}
	return true
}

// failDemands ends the Receives that wait with an error. The caller holds q.mu.
func (q *Queue) failDemands(err error) {
	for d := range q.demands {
		d.fail(err)
	}
}
