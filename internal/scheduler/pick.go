package scheduler

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

// next returns the next task to run, or nil when the scheduler has stopped.
func (s *Scheduler) next() *Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.stopped {
		if t := s.begin(time.Now()); t != nil {
			return t
		}
		s.idle++
		s.wake()
		s.taskReady.Wait()
		s.idle--
	}
	return nil
}

// begin begins the task whose turn it is, of those that may begin. The lanes take turns: a
// webhook's few tasks do not wait for all that were received of another's before them. (This is
// start-time fair queueing, Goyal, Vin and Cheng, 1996, with tasks of equal length.)
func (s *Scheduler) begin(now time.Time) *Task {
	for {
		l := s.first()
		if l == nil {
			return nil
		}
		if s.update(l, now); l.ready == 0 { // it has become slow, say
			continue
		}
		t := l.waiting.front.item
		s.turn = max(s.turn, l.turn)
		l.begin(t, now)
		s.count(t, -1)
		c := &s.classes[l.health]
		c.running++
		s.running++
		if !now.Before(t.until) {
			t.lost, t.expired = true, true // it was not extended in time
		}
		if s.suspicion.on {
			s.suspicion.trying, t.trial = true, true
		}
		if s.lastLane != l {
			if s.lastLane != nil {
				s.lastContended = now
			}
			s.lastLane = l
		}
		s.update(l, now)
		s.wake()
		return t
	}
}

// first returns the lane whose turn it is, or nil if none may begin a task.
func (s *Scheduler) first() (first *lane) {
	if s.suspicion.on && s.suspicion.trying {
		return nil
	}
	for i := range s.classes {
		c := &s.classes[i]
		if c.running >= c.limit {
			continue
		}
		if l := c.lanes.first(); l != nil && (first == nil || l.turn < first.turn) {
			first = l
		}
	}
	return first
}

// wake wakes a worker if there may be a task for it, and a poller if it is time to receive more.
func (s *Scheduler) wake() {
	if s.idle > 0 && s.first() != nil {
		s.taskReady.Signal()
	}
	low := s.low()
	if low && s.watching {
		s.watching = false
		s.refreshReceives()
	}
	if s.receiving < s.pollers && (low || s.mayWatch(time.Now())) {
		s.roomFree.Signal()
	}
}

// low reports whether it is time to receive more: a worker has nothing to do, or half of what may
// be prefetched is used up.
func (s *Scheduler) low() bool { return s.idle > 0 || s.soon <= s.perWork*s.workers/2 }

// count adds t to the waiting tasks, or takes it from them with n = -1.
func (s *Scheduler) count(t *Task, n int) {
	s.waiting += n
	s.bytes += n * len(t.Lease.Data)
	s.classes[t.lane.health].waiting += n
}

// enqueue puts t among its lane's waiting tasks. The caller updates the lane.
func (s *Scheduler) enqueue(t *Task) {
	l := t.lane
	if l.waiting.len == 0 {
		l.turn = max(l.turn, s.turn)
	}
	if t.Lease.Probe {
		l.probes++
		l.waiting.pushFront(&t.inLane)
	} else {
		l.waiting.pushBack(&t.inLane)
	}
	s.count(t, 1)
}

// drop takes a waiting task out of the scheduler. The caller updates the lane.
func (s *Scheduler) drop(t *Task) {
	t.inLane.leave()
	t.inAll.leave()
	t.lane.ended(t)
	s.count(t, -1)
}

// trim takes the tasks of a lane that wait beyond its allowance, or its class's, the newest first.
func (s *Scheduler) trim(l *lane, now time.Time) (out []*Task) {
	if l.waiting.len == 0 {
		return nil
	}
	may := l.allowance(now, s.share(now), s.perWork)
	if l.slow(now) && !l.shut(now) && now.Before(l.stalledAt()) {
		may = l.tasks()
	}
	for l.waiting.len > 0 && (l.tasks() > may || s.crowded(l, 0)) {
		t := l.waiting.back.item
		s.drop(t)
		out = append(out, t)
	}
	return out
}

// crowded reports whether the lane's class would have too many tasks with n more of them.
func (s *Scheduler) crowded(l *lane, n int) bool {
	c := &s.classes[l.health]
	return l.health != queue.Healthy && c.running+c.waiting+n > c.limit+c.prefetch
}

// setHealth moves a lane to another class. The caller updates it.
func (s *Scheduler) setHealth(l *lane, h queue.Health) {
	if h == l.health {
		return
	}
	from, to := &s.classes[l.health], &s.classes[h]
	from.lanes.remove(l)
	from.running, from.waiting, from.ready = from.running-l.running, from.waiting-l.waiting.len, from.ready-l.ready
	to.running, to.waiting = to.running+l.running, to.waiting+l.waiting.len
	l.ready, l.health = 0, h
	switch h {
	case queue.Healthy:
		l.concurrency = max(l.concurrency, min(firstConcurrency, s.workers))
	case queue.Untried:
		l.concurrency = 1
	}
}

// update puts l where it belongs, after anything about it has changed.
func (s *Scheduler) update(l *lane, now time.Time) {
	share := s.share(now)
	c := &s.classes[l.health]
	ready := max(0, min(l.waiting.len, l.limit(now, share)-l.running))
	c.ready += ready - l.ready
	l.ready = ready
	s.soon -= l.soon
	if l.soon = ready; l.flows(now) {
		l.soon = l.waiting.len
	}
	s.soon += l.soon
	if ready > 0 {
		c.lanes.set(l, l.turn)
	} else {
		c.lanes.remove(l)
	}
	s.sort(l, now, share)
	s.setWake(l, now)
	s.refreshIfStarved(l, now, share)
}

// sort puts l into the list that it belongs to.
func (s *Scheduler) sort(l *lane, now time.Time, share int) {
	var to *list[lane]
	switch {
	case l.tasks() == 0 && !now.Before(l.ownUntil):
		s.rest(l, now)
		return
	case l.left(now, share, s.perWork) == 0:
		to = &s.full
	default:
		to = &s.active
	}
	if l.in.in != to {
		l.in.leave()
		to.pushBack(&l.in)
	}
}

// rest puts a lane without tasks among those that are remembered, and forgets others beyond the
// bounds.
func (s *Scheduler) rest(l *lane, now time.Time) {
	l.lastJob = nil
	to, limit := &s.plain, maxPlain
	if l.memorable(now) {
		to, limit = &s.memorable, maxMemorable
	}
	if l.in.in == to {
		return
	}
	l.in.leave()
	to.pushBack(&l.in)
	for to.len > limit {
		s.forget(to.front.item)
	}
}

// forget drops the record of a lane without tasks.
func (s *Scheduler) forget(l *lane) {
	l.in.leave()
	s.wakes.remove(l)
	delete(s.lanes, l.name)
	if s.lastLane == l {
		s.lastLane = nil
	}
}
