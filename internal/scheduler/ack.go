package scheduler

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/pushhooks/webhook/queue"
)

// maxAcks is how many jobs one call acknowledges.
const maxAcks = 256

// acker acknowledges jobs for many workers: what gathers while one call is under way goes into the
// next.
type acker struct {
	call func([]queue.Lease) error

	mu      sync.Mutex
	pending []*ack
	busy    bool
}

type ack struct {
	lease *queue.Lease
	done  chan error    // the result
	lead  chan struct{} // or: it is this one's turn to make the call
}

// ack acknowledges one lease and returns when the queue has answered.
func (a *acker) ack(l *queue.Lease) error {
	own := &ack{lease: l, done: make(chan error, 1), lead: make(chan struct{}, 1)}
	a.mu.Lock()
	a.pending = append(a.pending, own)
	leads := !a.busy
	a.busy = true
	a.mu.Unlock()
	if !leads {
		select {
		case err := <-own.done:
			return err
		case <-own.lead:
		}
	}
	a.flush()
	return <-own.done
}

// errNoAnswer is the result of a call that has panicked or ended its goroutine.
var errNoAnswer = errors.New("scheduler: the queue has not returned")

// flush acknowledges what is pending, and passes the lead on, whatever becomes of the call. It yields
// first, so that workers which were answered just now can add theirs.
func (a *acker) flush() {
	runtime.Gosched()
	a.mu.Lock()
	n := min(len(a.pending), maxAcks)
	acks := a.pending[:n:n]
	a.pending = a.pending[n:]
	a.mu.Unlock()

	leases := make([]queue.Lease, n)
	for i, k := range acks {
		leases[i] = *k.lease
	}
	err := errNoAnswer
	defer func() { a.answer(acks, err) }()
	err = a.call(leases)
}

// answer tells the workers the result of a call, and passes the lead on.
func (a *acker) answer(acks []*ack, err error) {
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

// ackAll makes one call for all leases.
func (s *Scheduler) ackAll(leases []queue.Lease) error {
	ctx, cancel := context.WithTimeout(s.settleCtx, settleTime)
	defer cancel()
	return s.q.Ack(ctx, leases)
}
