package queuetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// probing is many consumers of a few lanes that fail now and then. No lane may have two probes.
type probing struct {
	*rig
	ctx    context.Context
	cancel context.CancelFunc

	mu   sync.Mutex
	out  map[string]queue.Lease // probes by lane, until their settlement begins
	left int                    // jobs that were not acked
}

const (
	probingWorkers = 6
	probingLanes   = 5
	probingJobs    = 15 // of each lane
)

func newProbing(r *rig) *probing {
	r.rule = "H2" // unless another is said to be broken
	p := &probing{rig: r, out: make(map[string]queue.Lease), left: probingLanes * probingJobs}
	p.ctx, p.cancel = context.WithTimeout(r.Context(), 4*r.patience())
	return p
}

// run consumes until everything is acked.
func (p *probing) run() {
	defer p.cancel()
	t := p.q.Traits()
	if t.AtMostOnce || t.OwnRetry {
		return
	}
	for i := range probingLanes {
		p.enqueue(p.jobs(fmt.Sprintf("lane-%d", i), probingJobs)...)
	}
	var consumers sync.WaitGroup
	for i := range probingWorkers {
		q := p.q
		if p.h.Another != nil && t.SharedLanes && i%2 == 1 {
			q = p.h.Another(p.T, p.q)
			p.closeLater(q)
		}
		consumers.Go(func() { p.consume(q, rand.New(rand.NewPCG(p.h.Seed, uint64(i)))) })
	}
	consumers.Wait()
	if p.left > 0 {
		p.breaks("%d jobs were not received within %v (seed %d)", p.left, 4*p.patience(), p.h.Seed)
	}
}

// consume receives and settles until nothing is left.
func (p *probing) consume(q queue.Queue, rnd *rand.Rand) {
	for p.ctx.Err() == nil {
		leases, err := q.Receive(p.ctx, all(2))
		if err != nil && p.ctx.Err() == nil {
			p.breaksRule("R1", "Receive: %v", err)
			p.cancel()
		}
		for _, l := range leases {
			p.received(l)
		}
		p.sleep(time.Duration(rnd.IntN(5)) * time.Millisecond)
		for _, l := range leases {
			p.settle(q, l, rnd.IntN(10))
		}
	}
}

// received notes a probe that is out.
func (p *probing) received(l queue.Lease) {
	if !l.Probe {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other, out := p.out[l.Lane]; out && time.Now().Before(other.Until) {
		p.breaks("%q was received as a probe while %q was one", l.ID, other.ID)
	}
	p.out[l.Lane] = l
}

// settle finishes a job, or has it fail.
func (p *probing) settle(q queue.Queue, l queue.Lease, dice int) {
	p.mu.Lock()
	if p.out[l.Lane].ID == l.ID {
		delete(p.out, l.Lane) // before the call, since another probe may come before it returns
	}
	p.mu.Unlock()
	ctx := p.Context()
	var err error
	switch {
	case dice < 6:
		err = q.Ack(ctx, []queue.Lease{l})
		p.acked()
	case dice < 8:
		err = q.SetLane(ctx, queue.LaneUpdate{Lane: l.Lane, Health: queue.Failing, Hold: p.h.Delay, Since: l})
		if errors.Is(err, queue.ErrLaneHealthy) {
			err = nil
		}
		err = errors.Join(err, q.Nack(ctx, []queue.Nack{{Lease: l, Counted: true}}))
	case dice < 9:
		err = q.Nack(ctx, []queue.Nack{{Lease: l, Delay: p.h.Delay}})
	default:
		err = q.Release(ctx, []queue.Lease{l})
	}
	if err != nil {
		p.breaksRule("L2", "a settlement within the lease: %v", err)
		p.cancel()
	}
}

// acked counts a job and ends everything after the last.
func (p *probing) acked() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left--
	if p.left == 0 {
		p.cancel()
	}
}
