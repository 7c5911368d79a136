package lanes

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// How long, and of how many lanes, the state is kept after the last job has left (H6).
const (
	keepState    = 24 * time.Hour
	maxIdleLanes = 100_000
)

// Set is the lanes of a queue. All times are since its base, on the monotonic clock.
type Set[T any] struct {
	base   time.Time
	lease  time.Duration
	number uint64 // of the last lease
	lanes  map[string]*Lane[T]

	rings  [3]list[Lane[T]] // by Health: lanes that may give a job, the next in turn in front
	probes list[Lane[T]]    // held lanes whose hold is due, the earliest in front
	holds  timers[*Lane[T]] // held lanes with a job to give once they are due
	timers timers[*Job[T]]  // delayed and leased jobs
	idle   list[Lane[T]]    // lanes without jobs whose state is kept, the longest idle in front
	packed packedLanes      // the same, idle for longer than those
	served []*Lane[T]       // of the Take under way
	takes  uint64           // counts the Takes, see Lane.take
	turn   int              // where the next Take begins

	oldest oldest // of the ready jobs of lanes that are not held

	maxIdle int64         // bytes of packed
	counts  [states]int   // jobs
	sizes   [states]int64 // of them
	bytes   int64         // of all jobs
	held    [3]usage      // by Health
	onHold  int           // ready jobs of held lanes

	waiters []*Waiter
}

// usage is what some lanes hold.
type usage struct {
	jobs  int
	bytes int64
	lanes int // with jobs
}

// add counts other n times.
func (u *usage) add(other usage, n int) {
	u.jobs += n * other.jobs
	u.bytes += int64(n) * other.bytes
	u.lanes += n * other.lanes
}

// usage returns what the lane holds.
func (l *Lane[T]) usage() usage { return usage{l.jobs, l.bytes, b2i(l.jobs > 0)} }

// New makes a Set whose leases last for the given time. Lease numbers begin at random, so that the
// receipts of an earlier process are stale.
func New[T any](lease time.Duration) *Set[T] {
	return &Set[T]{
		base: time.Now(), lease: lease, number: rand.Uint64() >> 8,
		lanes: make(map[string]*Lane[T]), maxIdle: math.MaxInt64,
	}
}

// Now returns the time on the Set's clock.
func (s *Set[T]) Now() time.Duration { return time.Since(s.base) }

// Time converts a time on the Set's clock.
func (s *Set[T]) Time(at time.Duration) time.Time { return s.base.Add(at) }

// At converts a time to the Set's clock. One that was stored is taken by the wall clock.
func (s *Set[T]) At(t time.Time) time.Duration { return t.Sub(s.base) }

// Lane returns the lane of this name to look at, or nil if it has neither jobs nor a state.
func (s *Set[T]) Lane(name string) *Lane[T] {
	if l := s.lanes[name]; l != nil {
		return l
	}
	if p := s.packed.byName[name]; p != nil {
		return unpacked[T](p)
	}
	return nil
}

// Count returns how many jobs are in a state.
func (s *Set[T]) Count(state State) int { return s.counts[state] }

// Size returns the size of the jobs in a state.
func (s *Set[T]) Size(state State) int64 { return s.sizes[state] }

// Jobs returns how many jobs there are, Pending ones included, and their size.
func (s *Set[T]) Jobs() (n int, size int64) { return s.jobs(), s.bytes }

func (s *Set[T]) jobs() (n int) {
	for _, count := range s.counts[:Gone] {
		n += count
	}
	return n
}

// Page returns up to limit lanes whose names come after the given one, in the order of their names.
// Besides those of the Set it has the other names, as lanes without jobs and without a state.
func (s *Set[T]) Page(after string, limit int, others iter.Seq[string]) []*Lane[T] {
	if limit <= 0 {
		return nil
	}
	p := namePage{after: after, limit: limit}
	for name := range s.lanes {
		p.add(name)
	}
	for name := range s.packed.byName {
		p.add(name)
	}
	for name := range others {
		if !s.has(name) {
			p.add(name)
		}
	}
	var page []*Lane[T]
	for _, name := range p.sorted() {
		l := s.Lane(name)
		if l == nil {
			l = &Lane[T]{Name: name}
		}
		page = append(page, l)
	}
	return page
}

func (s *Set[T]) has(name string) bool {
	return s.lanes[name] != nil || s.packed.byName[name] != nil
}

// lane returns the lane of this name, making it if need be.
func (s *Set[T]) lane(name string) *Lane[T] {
	l := s.lanes[name]
	if l != nil {
		return l
	}
	if p := s.packed.byName[name]; p != nil {
		s.packed.remove(p)
		l = unpacked[T](p)
	} else {
		l = &Lane[T]{Name: name}
		l.node.item = l
	}
	s.lanes[name] = l
	return l
}

// New makes a Pending job with a lane. It counts from now on, and can be received after Enter.
func (s *Set[T]) New(lane string, ordered bool, size int64, value T, now time.Duration) *Job[T] {
	j := &Job[T]{Value: value, lane: s.lane(lane), enqueued: now, size: uint32(min(size, math.MaxUint32))}
	j.node.item = j
	j.lane.Ordered = ordered
	if j.lane.node.in == &s.idle {
		j.lane.node.leave()
	}
	s.counts[Pending]++
	s.sizes[Pending] += size
	s.account(j, 1)
	return j
}

// Enter puts a Pending job at the end of its lane.
func (s *Set[T]) Enter(j *Job[T]) { s.enter(j, false) }

// Progress is what a stored job has behind it.
type Progress struct {
	Enqueued time.Duration
	Attempts int
	First    time.Duration // if Tried
	Tried    bool
	Returned bool
	Due      time.Duration // delayed until then, if later than now
}

// Restore puts a Pending job that was stored by an earlier process where it belongs. Jobs of a lane
// are restored in the order in which they are to be received.
func (s *Set[T]) Restore(j *Job[T], p Progress, now time.Duration) {
	j.enqueued, j.attempts, j.first, j.tried = p.Enqueued, int32(p.Attempts), p.First, p.Tried
	if p.Due > now {
		j.returned = true
		s.delay(j, p.Due)
		return
	}
	// Jobs of an ordered lane are restored in their order, and none of them goes before another.
	j.returned = (p.Returned || p.Attempts > 0) && !j.lane.Ordered
	s.enter(j, false)
}

// Inherit gives a Pending job the first attempt and the age of the one that it is a part of.
func (j *Job[T]) Inherit(from *Job[T]) {
	j.enqueued, j.first, j.tried, j.returned = from.enqueued, from.first, from.tried, true
}

// EnterFirst puts Pending jobs at the head of their lane, in their order.
func (s *Set[T]) EnterFirst(jobs ...*Job[T]) {
	for _, j := range slices.Backward(jobs) {
		s.enter(j, true)
	}
}

// Remove takes a job out of the Set: it became a dead letter, was replaced or could not be stored.
// If it was a probe, the hold is due again at once (H2).
func (s *Set[T]) Remove(j *Job[T], now time.Duration) {
	s.dueAgain(j, now)
	s.remove(j, now)
}

func (s *Set[T]) remove(j *Job[T], now time.Duration) {
	s.move(j, Gone)
	s.account(j, -1)
	if j.lane.jobs == 0 {
		j.lane.emptied = now
	}
	s.place(j.lane)
}

// account counts a job n times.
func (s *Set[T]) account(j *Job[T], n int) {
	size := int64(n) * j.Size()
	l := j.lane
	s.held[l.health].add(l.usage(), -1)
	l.jobs += n
	l.bytes += size
	s.bytes += size
	s.held[l.health].add(l.usage(), 1)
}

// enter makes a job ready.
func (s *Set[T]) enter(j *Job[T], atHead bool) {
	s.move(j, Ready)
	j.lane.insert(j, atHead)
	s.place(j.lane)
}

// delay makes a job wait.
func (s *Set[T]) delay(j *Job[T], until time.Duration) {
	j.until = until
	s.move(j, Delayed)
	s.timers.set(j)
	s.arm(until)
	s.place(j.lane)
}

// move changes a job's state, and takes it out of the list or the heap of the old one.
func (s *Set[T]) move(j *Job[T], to State) {
	j.node.leave()
	s.timers.remove(j)
	l, from := j.lane, j.state
	l.busy += to.busy() - from.busy()
	l.delayed += b2i(to == Delayed) - b2i(from == Delayed)
	if l.held {
		s.onHold += b2i(to == Ready) - b2i(from == Ready)
	}
	s.counts[from]--
	s.counts[to]++
	s.sizes[from] -= int64(j.size)
	s.sizes[to] += int64(j.size)
	j.state = to
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// place puts a lane where it belongs after its jobs or its state have changed, and wakes waiters
// for which it has a job.
func (s *Set[T]) place(l *Lane[T]) {
	switch {
	// a probe may outlive the hold's time while its settlement is stored
	case !l.open(), l.probe != nil:
		s.holds.remove(l)
		s.rest(l)
		return
	case !l.held:
		s.holds.remove(l)
		s.ring(l, &s.rings[l.health])
	case l.node.in == &s.probes:
	default: // until its hold is due
		l.node.leave()
		s.holds.set(l)
		s.arm(l.heldUntil)
		return
	}
	s.offer(l)
}

// ring puts a lane at the end of a ring, unless it is there.
func (s *Set[T]) ring(l *Lane[T], to *list[Lane[T]]) {
	if l.node.in != to {
		l.node.leave()
		to.pushBack(&l.node)
	}
}

// rest takes a lane that has nothing to give out of the rings. One without jobs is kept for its
// state, or forgotten.
func (s *Set[T]) rest(l *Lane[T]) {
	switch {
	case l.jobs > 0:
		l.node.leave()
	case !l.stateful():
		l.node.leave()
		delete(s.lanes, l.Name)
	default:
		s.ring(l, &s.idle)
		s.trimIdle()
	}
}

// forget drops a lane without jobs.
func (s *Set[T]) forget(l *Lane[T]) {
	l.node.leave()
	delete(s.lanes, l.Name)
}

// Tick ends the delays, leases and holds whose time has come, and forgets the state of lanes that
// have had no jobs for a day. It returns the jobs whose lease has ended. Every other method that is
// given the time expects that Tick was called with it.
func (s *Set[T]) Tick(now time.Duration) (ended []*Job[T]) {
	for j, ok := s.timers.next(); ok && j.until <= now; j, ok = s.timers.next() {
		if j.state == Leased {
			j.count()
			ended = append(ended, j)
			if j.lane.probe == j {
				j.lane.probe = nil
			}
		}
		j.returned = true
		s.enter(j, false)
	}
	for l, ok := s.holds.next(); ok && l.heldUntil <= now; l, ok = s.holds.next() {
		s.holds.remove(l)
		s.ring(l, &s.probes)
		s.offer(l)
	}
	s.forgetIdle(now)
	return ended
}
