package boltqueue

import (
	"container/heap"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// picking is one choice of jobs on behalf of a Receive.
type picking struct {
	x      *index
	want   *queue.Want
	lasts  time.Duration // of the leases
	left   int           // jobs still wanted
	cold   int           // of them, jobs of lanes that are not warm
	picked []*entry
	served []*lane // lanes that gave something
}

// pick leases the ready jobs that fit into w, one of each lane in turn.
func (x *index) pick(w *queue.Want, lasts time.Duration) []*entry {
	p := &picking{x: x, want: w, lasts: lasts, left: w.Jobs, cold: w.Cold}
	p.ring()
	if p.cold <= 0 {
		p.named()
	}
	for again := slices.Clone(p.served); p.left > 0 && len(again) > 0; {
		again = slices.DeleteFunc(again, func(l *lane) bool { return !p.take(l) })
	}
	for _, l := range p.served {
		l.taken = 0
	}
	return p.picked
}

// ring asks every lane in turn, and puts those that gave a job behind the others. It stops when
// only warm lanes can give any more: they are named, and a crowd of cold ones need not be looked at.
func (p *picking) ring() {
	ring := p.x.ring
	for at, n := ring.Front(), ring.Len(); n > 0 && p.left > 0 && p.cold > 0; n-- {
		l, next := at.Value.(*lane), at.Next()
		p.serve(l)
		at = next
	}
}

// named asks the lanes that have a limit of their own and were not served yet.
func (p *picking) named() {
	for name := range p.want.Lanes {
		if l := p.x.lanes[name]; l != nil && l.taken == 0 {
			p.serve(l)
		}
	}
}

// serve takes a job of l if it can, and makes l wait for its next turn then.
func (p *picking) serve(l *lane) {
	if !p.take(l) {
		return
	}
	p.served = append(p.served, l)
	if l.place != nil {
		p.x.ring.MoveToBack(l.place)
	}
}

// take leases a job of l, if l has one and it fits.
func (p *picking) take(l *lane) bool {
	most, isCold := p.want.Of(l.name)
	if p.left <= 0 || l.place == nil || l.taken >= most || isCold && p.cold <= 0 {
		return false
	}
	if isCold {
		p.cold--
	}
	p.left--
	l.taken++
	p.picked = append(p.picked, p.x.lend(l, p.lasts))
	return true
}

// lend leases the next job of a lane.
func (x *index) lend(l *lane, lasts time.Duration) *entry {
	e := heap.Pop(&l.ready).(*entry)
	x.lastNo++
	e.lease = x.lastNo
	e.at = x.now() + int64(lasts)
	if e.first == 0 {
		e.first, e.fresh = time.Now().UnixNano(), true
	}
	x.move(e, leased)
	return e
}
