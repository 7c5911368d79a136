package webhook

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	settleTime  = 10 * time.Second       // for one call
	settleGrace = 500 * time.Millisecond // for what is cut off at the end
)

// settle tells the queue what has become of a task, again and again until the queue has heard it or the lease has
// ended. The worker waits for it, so that no more delivered jobs are unsettled than there are workers. For any other job it
// waits a lease's time and then leaves the lease to end by itself: that costs an attempt, not a worker for ever.
func (p *pool) settle(t *task, v fate) {
	began := time.Now()
	for n := 1; ; n++ {
		err := p.tell(t, v)
		if err == nil {
			p.account(t, v)
			return
		}
		now := time.Now()
		ended := !now.Before(p.leaseEnd(t)) || v.kind != delivered && now.Sub(began) > p.e.traits.Lease
		refused := errors.Is(err, queue.ErrLeaseLost)
		if refused && n > 1 && !ended { // an earlier call was heard, and its answer lost
			p.account(t, v)
			return
		}
		if refused || ended {
			p.e.log.leaseLost(t)
			return
		}
		p.e.log.queueTrouble("settle", n, err)
		if !handoverBackoff.sleep(p.settling, n) {
			return
		}
	}
}

func (p *pool) leaseEnd(t *task) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return t.until
}

// tell makes the one call that v asks for.
func (p *pool) tell(t *task, v fate) error {
	if v.kind == delivered && p.e.traits.Trusted { // no round trip to share or to bound
		return p.e.queue.Ack(p.settling, []queue.Lease{t.lease})
	}
	ctx, cancel := context.WithTimeout(p.settling, settleTime)
	defer cancel()
	q := p.e.queue
	switch v.kind {
	case delivered:
		return p.acks.ack(ctx, &t.lease)
	case again, lost:
		return q.Nack(ctx, []queue.Nack{{Lease: t.lease, Delay: v.delay, Counted: v.counts || v.kind == lost}})
	case split:
		return q.Replace(ctx, t.lease, v.halves)
	}
	return q.DeadLetter(ctx, t.lease, v.reason)
}

// account counts a settled task, after the host was told of it: when Drain returns, it knows.
func (p *pool) account(t *task, v fate) {
	events := int64(1)
	if t.job != nil {
		events = int64(t.job.events)
	}
	own := p.e.ids.made(t.lease.ID)
	s := &p.e.stats
	switch v.kind {
	case delivered:
		s.settled(&s.delivered, events, own)
	case dead:
		p.e.watch.deadLettered(t, v.reason)
		p.e.log.deadLettered(t, v.reason)
		s.settled(&s.dead, events, own)
	case lost:
		p.e.watch.lost(t, v.reason)
		s.settled(&s.dropped, events, own)
	default:
		return
	}
	nudge(p.e.settled)
}

// acker acknowledges jobs for many workers: what gathers while one call is under way goes into the next.
type acker struct {
	queue queue.Queue

	mu      sync.Mutex
	pending []*ack
	busy    bool
}

type ack struct {
	lease *queue.Lease
	done  chan error    // the result
	lead  chan struct{} // or: it is this one's turn to make the call
}

// most acks of one call.
const ackMost = 256

// ack acknowledges one lease and returns when the queue has answered.
func (a *acker) ack(ctx context.Context, l *queue.Lease) error {
	mine := &ack{lease: l, done: make(chan error, 1), lead: make(chan struct{}, 1)}
	a.mu.Lock()
	a.pending = append(a.pending, mine)
	leads := !a.busy
	a.busy = true
	a.mu.Unlock()
	if !leads {
		select {
		case err := <-mine.done:
			return err
		case <-mine.lead:
		}
	}
	a.call(ctx)
	return <-mine.done
}

// call acknowledges what is pending, and passes the lead on. It yields first, so that workers which were answered just
// now can put in theirs.
func (a *acker) call(ctx context.Context) {
	runtime.Gosched()
	a.mu.Lock()
	n := min(len(a.pending), ackMost)
	acks := a.pending[:n:n]
	a.pending = a.pending[n:]
	a.mu.Unlock()

	leases := make([]queue.Lease, n)
	for i, k := range acks {
		leases[i] = *k.lease
	}
	err := a.queue.Ack(ctx, leases)
	for i, k := range acks {
		k.done <- queue.ErrorOf(err, i)
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.pending) == 0 {
		a.busy = false
		return
	}
	a.pending[0].lead <- struct{}{}
}
