package scheduler

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/pushhooks/webhook/queue"
)

const (
	// maxAcks is how many jobs one call acknowledges.
	maxAcks = 256

	// acksPerWorker is how many deliveries a worker there may be whose acks are under way while the
	// workers make other attempts. Beyond that they wait. It bounds what a process that is killed
	// has delivered and not settled.
	acksPerWorker = 4
)

// acker acknowledges jobs for many workers: what gathers while one call is under way goes into the
// next. A goroutine makes the calls for as long as there are acks.
type acker struct {
	call func([]queue.Lease) error
	// runs a function in a goroutine, and again when that has ended before its time
	spawn func(func())

	mu      sync.Mutex
	pending []*ack
	busy    bool
}

// ack is a lease to acknowledge, and what is done with the queue's answer.
type ack struct {
	lease  *queue.Lease
	answer func(error) // it does not wait
}

// add has a lease acknowledged.
func (a *acker) add(k *ack) {
	a.mu.Lock()
	a.pending = append(a.pending, k)
	leads := !a.busy
	a.busy = true
	a.mu.Unlock()
	if leads {
		a.spawn(a.flush)
	}
}

// ack acknowledges one lease and returns when the queue has answered.
func (a *acker) ack(l *queue.Lease) error {
	done := make(chan error, 1)
	a.add(&ack{l, func(err error) { done <- err }})
	return <-done
}

// flush makes calls until nothing is pending. It yields before each, so that workers which were
// answered just now can add theirs.
func (a *acker) flush() {
	for {
		runtime.Gosched()
		acks := a.take()
		if len(acks) == 0 {
			return
		}
		a.acknowledge(acks)
	}
}

func (a *acker) take() []*ack {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := min(len(a.pending), maxAcks)
	acks := a.pending[:n:n]
	if a.pending = a.pending[n:]; n == 0 {
		a.pending, a.busy = nil, false
	}
	return acks
}

// errNoAnswer is the result of a call that has panicked or ended its goroutine.
var errNoAnswer = errors.New("scheduler: the queue has not returned")

// acknowledge makes one call, and passes its result on whatever becomes of it.
func (a *acker) acknowledge(acks []*ack) {
	leases := make([]queue.Lease, len(acks))
	for i, k := range acks {
		leases[i] = *k.lease
	}
	err := errNoAnswer
	defer func() { answer(acks, err, 0) }()
	err = a.call(leases)
}

// answer passes on the result of a call from the ith ack on, also if a callback ends this
// goroutine.
func answer(acks []*ack, err error, i int) {
	defer func() {
		if i < len(acks) {
			answer(acks, err, i)
		}
	}()
	for i < len(acks) {
		i++
		acks[i-1].answer(queue.ErrorOf(err, i-1))
	}
}

// ackAll makes one call for all leases.
func (s *Scheduler) ackAll(leases []queue.Lease) error {
	ctx, cancel := context.WithTimeout(s.settleCtx, settleTime)
	defer cancel()
	return s.q.Ack(ctx, leases)
}

// mayAckLater reports whether the ack of t's job changes nothing but that job, so that no decision
// has to wait for it: its lane is known to be healthy. The next job of an ordered lane waits in the
// queue, which gives none before it has the ack (R5). The ack of a queue in this process is no call
// to wait for.
func (s *Scheduler) mayAckLater(t *Task, r Result) bool {
	return r.Action == Ack && !s.traits.InProcess && !s.traits.AtMostOnce && !t.Lease.Probe && s.knownHealthy(t)
}

// ackLater has t's job acknowledged while its worker makes the next attempt. If too many acks are
// under way already it waits.
func (s *Scheduler) ackLater(t *Task, r Result) {
	s.mu.Lock()
	for s.unsettled >= acksPerWorker*s.workers {
		s.acked.Wait()
	}
	s.unsettled++
	s.leave(t)
	s.mu.Unlock()
	s.acks.add(&ack{&t.Lease, func(err error) {
		if err == nil {
			defer s.settledLater(t)
			s.confirm(t, r)
			return
		}
		s.keep(&s.background, func() { // a few at most, and only while the queue has troubles
			defer s.settledLater(t)
			s.settleAgain(t, r, err)
		})
	}})
}

// settledLater ends a task after ackLater.
func (s *Scheduler) settledLater(t *Task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsettled--
	t.inAll.leave()
	s.acked.Signal()
	s.wake()
}
