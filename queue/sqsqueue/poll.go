package sqsqueue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/queue"
)

const (
	pollMinPause = 100 * time.Millisecond // after a receive call that failed,
	pollMaxPause = 5 * time.Second        // doubling up to this
	callSlack    = 10 * time.Second       // what a call may take beyond its waiting time
)

// waiter is a Receive that found nothing to take.
type waiter struct {
	want queue.Want
	err  chan error // has room for one
}

// Receive implements queue.Queue. It takes what is parked and fits; if nothing does, it
// waits while receive calls run in the background. When ctx ends, such a call goes on
// until its WaitTime is over, and what it brings is parked for the next Receive.
func (q *Queue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	me := &waiter{want: w, err: make(chan error, 1)}
	defer q.stopWaiting(me)
	for {
		taken, changed := q.takeOrWait(w, me)
		if len(taken) > 0 {
			leases, err := q.refresh(ctx, taken)
			if len(leases) > 0 {
				return leases, nil
			}
			if err != nil {
				return nil, err
			}
			continue // others had become the owners of all of them
		}
		select {
		case <-q.closed:
			return nil, queue.ErrClosed
		case <-changed:
		case err := <-me.err:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// takeOrWait leases what fits, or notes that me waits for a change.
func (q *Queue) takeOrWait(w queue.Want, me *waiter) ([]*message, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.isClosed() {
		return nil, q.changed
	}
	q.received = time.Now()
	taken := q.park.take(w, q.received, q.receipt)
	if len(taken) > 0 {
		q.broadcast() // there is room for more
		return taken, q.changed
	}
	if _, waits := q.waiting[me]; !waits {
		q.waiting[me] = struct{}{}
		q.broadcast()
		q.wakeKeeper() // what is not wanted may be for others
	}
	return nil, q.changed
}

func (q *Queue) stopWaiting(me *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waiting, me)
	q.received = time.Now()
}

// refresh extends those leases that have been parked for a while, so that each lasts
// nearly as long as Traits.Lease says. What can't be extended now is parked again, and
// one of the reasons returned.
func (q *Queue) refresh(ctx context.Context, taken []*message) (leases []queue.Lease, err error) {
	stale := q.staleOf(taken)
	errs := q.prolong(ctx, stale)
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for i, m := range stale {
		if errs[i] != nil && q.current(m.receipt, now) == m {
			err = errs[i]
			q.park.release(m, now, now)
		}
	}
	for _, m := range taken {
		if q.current(m.receipt, now) == m {
			leases = append(leases, m.lease())
		}
	}
	q.wakeKeeper()
	return leases, err
}

func (q *Queue) staleOf(taken []*message) (stale []*message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	soon := time.Now().Add(q.opts.VisibilityTimeout * 3 / 4)
	for _, m := range taken {
		if m.until.Before(soon) {
			stale = append(stale, m)
		}
	}
	return stale
}

// poll runs receive calls, one at a time, while a Receive waits and there is room.
func (q *Queue) poll() {
	pause := pollMinPause
	for {
		n, ok := q.awaitNeed()
		if !ok {
			return
		}
		err := q.pollOnce(n)
		if err == nil {
			pause = pollMinPause
			continue
		}
		q.tellWaiters(err)
		select {
		case <-q.closed:
		case <-time.After(pause + rand.N(pause/4)):
		}
		pause = min(2*pause, pollMaxPause)
	}
}

// awaitNeed waits until a receive call is needed and returns how many messages it
// should ask for. It is not ok when the queue was closed.
func (q *Queue) awaitNeed() (n int, ok bool) {
	for {
		q.mu.Lock()
		changed := q.changed
		if q.isClosed() {
			q.mu.Unlock()
			return 0, false
		}
		if n = q.need(); n > 0 {
			q.asked += n
			q.polls++
			q.mu.Unlock()
			return n, true
		}
		q.mu.Unlock()
		<-changed // Close broadcasts too
	}
}

// need is how many messages the next receive call should ask for. The caller holds q.mu.
func (q *Queue) need() int {
	if q.park.bytes >= q.opts.ParkedBytes {
		return 0
	}
	wanted := 0
	for w := range q.waiting {
		wanted += w.want.Jobs
	}
	room := q.opts.ParkedJobs - q.park.jobs()
	return min(wanted-q.asked, room-q.asked, q.opts.MaxMessages)
}

// pollOnce makes one receive call and parks what it brings.
func (q *Queue) pollOnce(n int) error {
	ctx, cancel := context.WithTimeout(q.ctx, q.opts.WaitTime+callSlack)
	defer cancel()
	start := time.Now()
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    &q.url,
		MaxNumberOfMessages:         int32(n),
		WaitTimeSeconds:             seconds(q.opts.WaitTime),
		VisibilityTimeout:           seconds(q.opts.VisibilityTimeout),
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: systemAttributes,
	})
	var copies []string
	q.mu.Lock()
	q.asked -= n
	q.polls--
	if err == nil {
		copies = q.accept(out.Messages, visibleFrom(start))
	}
	q.broadcast()
	q.mu.Unlock()
	q.wakeKeeper()
	if err != nil {
		return fmt.Errorf("sqsqueue: receive messages: %w", err)
	}
	q.deleteMessages(ctx, q.url, copies) // a copy that stays comes back and is deleted then
	return nil
}

// systemAttributes are what the driver reads of SQS's own attributes.
var systemAttributes = []types.MessageSystemAttributeName{
	types.MessageSystemAttributeNameApproximateReceiveCount,
	types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp,
	types.MessageSystemAttributeNameSentTimestamp,
}

// visibleFrom is when the messages of a receive call that began at start became
// invisible, on the early side: an answer takes less than a second to arrive.
func visibleFrom(start time.Time) time.Time {
	arrived := time.Now().Add(-time.Second)
	if arrived.Before(start) {
		return start
	}
	return arrived
}

// accept parks messages and returns the receipt handles of those that are copies of
// jobs that were delivered, or are here already as other messages. The caller holds q.mu.
func (q *Queue) accept(messages []types.Message, from time.Time) (copies []string) {
	for _, raw := range messages {
		m := received(raw, from, q.opts.VisibilityTimeout)
		if q.adopt(m) {
			continue
		}
		if q.acked.has(m.job.ID) || q.park.byJob[m.job.ID] != nil {
			copies = append(copies, m.handle)
			continue
		}
		m.attempts = max(m.attempts+q.offset.get(m.id), 0)
		if q.fresh.has(m.id) && q.fresh.get(m.id) == m.receives-1 {
			m.first = time.Time{}
		}
		q.park.add(m)
	}
	return copies
}

// adopt handles a message that is here already, because SQS sent it twice: only its
// newest receipt handle counts. One whose lease has ended, or was given up, is received afresh.
func (q *Queue) adopt(m *message) bool {
	old := q.park.byID[m.id]
	if old == nil {
		return false
	}
	if old.leaving || old.receipt != "" && q.current(old.receipt, time.Now()) == nil {
		q.park.forget(old)
		return false
	}
	q.uncount(m)
	old.handle, old.limit, old.receives = m.handle, m.limit, m.receives
	if old.receipt == "" {
		old.until = m.until
	}
	return true
}

// tellWaiters returns a receive call's error to everybody who waits for one.
func (q *Queue) tellWaiters(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for w := range q.waiting {
		select {
		case w.err <- err:
		default:
		}
	}
}
