package queuetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/pushhooks/webhook/queue"
)

// pairUp puts a second handle beside the queue under test and reports whether lanes' states are
// shared between them.
func (r *rig) pairUp() bool {
	if r.h.Another == nil || !r.q.Traits().SharedLanes {
		return false
	}
	r.paired = true
	r.beside()
	return true
}

// beside opens a second handle onto the store of the queue under test.
func (r *rig) beside() {
	other := r.h.Another(r.T, r.base)
	r.closeLater(other)
	p := &pair{handles: [2]queue.Queue{r.base, other}}
	r.q = p
	if _, ok := other.(queue.LaneLister); ok {
		r.q = listerPair{p}
	}
}

// partial reports whether a Receive may return fewer jobs than fit: of two handles, the one may not
// have heard yet of all that came through the other.
func (r *rig) partial() bool { return r.h.Lacks.Partial || r.paired }

// pair is two handles of one store, as two processes use it: calls go to either in turn, and what
// is about a lease to the handle that received it.
type pair struct {
	handles [2]queue.Queue
	calls   atomic.Uint32
	leases  sync.Map // the handle's number by lease
}

// listerPair is a pair whose handles list their lanes.
type listerPair struct{ *pair }

func (p listerPair) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	return p.handles[p.turn()].(queue.LaneLister).Lanes(ctx, after, limit)
}

// turn returns the number of the handle whose turn it is.
func (p *pair) turn() int { return int(p.calls.Add(1) % 2) }

// leaseKey identifies a lease. Queues that deliver at most once may have no receipts.
type leaseKey struct{ id, receipt string }

// of returns the number of the handle that received l.
func (p *pair) of(l *queue.Lease) int {
	if n, ok := p.leases.Load(leaseKey{l.ID, l.Receipt}); ok {
		return n.(int)
	}
	return p.turn()
}

// Traits returns those of the first handle.
func (p *pair) Traits() queue.Traits { return p.handles[0].Traits() }

func (p *pair) Enqueue(ctx context.Context, jobs []queue.Job) error {
	return p.handles[p.turn()].Enqueue(ctx, jobs)
}

func (p *pair) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	n := p.turn()
	leases, err := p.handles[n].Receive(ctx, w)
	for _, l := range leases {
		p.leases.Store(leaseKey{l.ID, l.Receipt}, n)
	}
	return leases, err
}

func (p *pair) Extend(ctx context.Context, leases []queue.Lease) error {
	return split(p, leases, asLease, func(q queue.Queue, part []queue.Lease) error { return q.Extend(ctx, part) })
}

func (p *pair) Ack(ctx context.Context, leases []queue.Lease) error {
	return split(p, leases, asLease, func(q queue.Queue, part []queue.Lease) error { return q.Ack(ctx, part) })
}

func (p *pair) Release(ctx context.Context, leases []queue.Lease) error {
	return split(p, leases, asLease, func(q queue.Queue, part []queue.Lease) error { return q.Release(ctx, part) })
}

func (p *pair) Nack(ctx context.Context, nacks []queue.Nack) error {
	lease := func(n *queue.Nack) *queue.Lease { return &n.Lease }
	return split(p, nacks, lease, func(q queue.Queue, part []queue.Nack) error { return q.Nack(ctx, part) })
}

func (p *pair) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	return p.handles[p.of(&l)].Replace(ctx, l, jobs)
}

func (p *pair) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	return p.handles[p.of(&l)].DeadLetter(ctx, l, reason)
}

func (p *pair) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	return p.handles[p.of(&u.Since)].SetLane(ctx, u)
}

// Close closes both handles.
func (p *pair) Close() error { return errors.Join(p.handles[0].Close(), p.handles[1].Close()) }

func asLease(l *queue.Lease) *queue.Lease { return l }

// split calls do on each handle with the items whose leases it received, and joins the errors.
func split[T any](p *pair, items []T, lease func(*T) *queue.Lease, do func(queue.Queue, []T) error) error {
	var parts [2][]T
	var index [2][]int // of the parts' items in items
	for i := range items {
		n := p.of(lease(&items[i]))
		parts[n] = append(parts[n], items[i])
		index[n] = append(index[n], i)
	}
	var failed *queue.BatchError
	for n, part := range parts {
		if len(part) == 0 {
			continue
		}
		err := do(p.handles[n], part)
		for k, i := range index[n] {
			if err := queue.ErrorOf(err, k); err != nil {
				failed = failed.Fail(i, err)
			}
		}
	}
	return failed.Err()
}
