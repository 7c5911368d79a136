package lanes

import "time"

// warmLanes is how many lanes without jobs stay as they are, so that a lane that often has none for
// a moment costs nothing. The state of older ones is packed.
const warmLanes = 256

// What the state of a lane without jobs takes, its place in the index included: of every lane, and
// besides of one that fails or is held. The name's bytes are not counted.
const (
	packedBytes = 100
	holdBytes   = 64 // and those of the reason
)

// packedLane is the state of a lane without jobs, in a quarter of the memory that a Lane takes. A
// store may keep a hundred thousand of them for a day, so its fields fill 64 bytes, a size that the
// allocator has.
type packedLane struct {
	name       string
	prev, next *packedLane
	since      time.Duration
	emptied    time.Duration
	acked      uint64
	hold       *packedHold // nil: the lane is Healthy, and there is no more to tell
}

// packedHold is the rest of the state of a lane that fails or is held.
type packedHold struct {
	health    Health
	reason    string
	holds     int
	held      bool
	holdBegan uint64
	heldUntil time.Duration
}

func (p *packedLane) health() Health {
	if p.hold == nil {
		return Healthy
	}
	return p.hold.health
}

// bytes returns what the state takes.
func (p *packedLane) bytes() int64 {
	if p.hold == nil {
		return packedBytes
	}
	return packedBytes + holdBytes + int64(len(p.hold.reason))
}

// packedLanes are in the order in which their last jobs left.
type packedLanes struct {
	byName      map[string]*packedLane
	front, back *packedLane
	bytes       int64
}

func (p *packedLanes) push(l *packedLane) {
	if p.byName == nil {
		p.byName = make(map[string]*packedLane)
	}
	p.byName[l.name] = l
	p.bytes += l.bytes()
	if l.prev = p.back; l.prev == nil {
		p.front = l
	} else {
		l.prev.next = l
	}
	p.back = l
}

func (p *packedLanes) remove(l *packedLane) {
	delete(p.byName, l.name)
	p.bytes -= l.bytes()
	if l.prev == nil {
		p.front = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		p.back = l.prev
	} else {
		l.next.prev = l.prev
	}
}

// pack replaces an idle lane by its packed state.
func (s *Set[T]) pack(l *Lane[T]) {
	s.forget(l)
	p := &packedLane{name: l.Name, since: l.since, emptied: l.emptied, acked: l.acked}
	if l.health != Healthy || l.held || l.holds > 0 || l.reason != "" {
		p.hold = &packedHold{l.health, l.reason, l.holds, l.held, l.holdBegan, l.heldUntil}
	}
	s.packed.push(p)
}

// unpacked returns a lane with the state of p, which is in no list.
func unpacked[T any](p *packedLane) *Lane[T] {
	l := &Lane[T]{Name: p.name, since: p.since, emptied: p.emptied, acked: p.acked, health: p.health()}
	l.node.item = l
	if h := p.hold; h != nil {
		l.reason, l.holds, l.held, l.holdBegan, l.heldUntil = h.reason, h.holds, h.held, h.holdBegan, h.heldUntil
	}
	return l
}

// trimIdle packs idle lanes beyond the warm ones, and forgets the longest idle beyond the limits.
func (s *Set[T]) trimIdle() {
	for s.idle.len > warmLanes {
		s.pack(s.idle.front.item)
	}
	for len(s.packed.byName)+warmLanes > maxIdleLanes || s.packed.bytes > s.maxIdle {
		s.packed.remove(s.packed.front)
	}
}

// forgetIdle forgets the lanes that have had no jobs for keepState.
func (s *Set[T]) forgetIdle(now time.Duration) {
	for p := s.packed.front; p != nil && now-p.emptied >= keepState; p = s.packed.front {
		s.packed.remove(p)
	}
	for n := s.idle.front; n != nil && now-n.item.emptied >= keepState; n = s.idle.front {
		s.forget(n.item)
	}
}

// LimitIdle bounds what the states of lanes without jobs take, besides those of the few that went
// idle last. There is no limit but that of H6 unless it is called.
func (s *Set[T]) LimitIdle(bytes int64) { s.maxIdle = bytes }
