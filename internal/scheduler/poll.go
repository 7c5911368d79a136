package scheduler

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// uselessBackoff is the pause after Receives that brought only what had to be released.
var uselessBackoff = backoff{first: time.Millisecond, max: 100 * time.Millisecond}

// poll receives whenever there are few tasks left, until the scheduler stops.
func (s *Scheduler) poll() {
	useless := 0
	for {
		r := s.reserve()
		if r == nil {
			return
		}
		useful, surplus := s.receive(r)
		if useful {
			useless = 0
		} else if useless++; !uselessBackoff.sleep(s.stopCtx, useless) {
			return
		}
		if surplus > 0 && !sleep(s.stopCtx, time.Duration(surplus*s.pollers)*surplusPause) {
			return
		}
	}
}

// receive receives once. It reports false if all that came had to be given back, and returns how many
// of those jobs are of lanes that the queue cannot be asked to skip.
func (s *Scheduler) receive(r *reservation) (useful bool, surplus int) {
	ctx, cancel := r.ctx, context.CancelFunc(func() {})
	if r.suspect {
		ctx, cancel = context.WithTimeout(ctx, suspectReceive)
	}
	var tasks []*Task
	err := errNoAnswer
	defer func() { // also if the queue, or opening a job, ends this goroutine
		failed := err != nil && ctx.Err() == nil
		cancel()
		a := s.admit(tasks, r)
		s.release(a.released)
		s.putOff(a.putOff)
		useful = failed || len(tasks) == 0 || len(a.released)+len(a.putOff) < len(tasks)
		surplus = a.surplus
		if failed {
			queueBackoff.sleep(s.stopCtx, s.failed(opReceive, err))
		}
		for _, n := range a.news {
			s.laneChanged(n.lane, n.from, n.to)
		}
		if err == nil {
			s.worked(opReceive)
		}
	}()
	var leases []queue.Lease
	leases, err = s.q.Receive(ctx, r.want)
	tasks = s.locate(leases)
	for i, t := range tasks {
		if i > 0 && tasks[i-1].Lease.Lane == t.Lease.Lane {
			t.previous = handled(tasks[i-1].job)
		}
		s.open(t)
		t.previous = nil
	}
	return true, 0
}

// locate makes tasks of leases. From here on they are renewed.
func (s *Scheduler) locate(leases []queue.Lease) []*Task {
	if len(leases) == 0 {
		return nil
	}
	tasks, now := make([]*Task, len(leases)), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range leases {
		t := &Task{Lease: leases[i], Received: now, until: leases[i].Until, job: unopened{}, aborted: s.aborting}
		t.inLane.item, t.inAll.item = t, t
		t.Lease.Health = known(t.Lease.Health)
		if l := s.lanes[t.Lease.Lane]; l != nil {
			t.previous = handled(l.lastJob)
		}
		s.tasks.pushBack(&t.inAll)
		tasks[i] = t
	}
	return tasks
}

// admission is what becomes of received tasks that may not begin here, and what their leases tell of
// lanes.
type admission struct {
	released []*Task // they exceed what their lane or class may have, or the scheduler has stopped
	putOff   []*Task // surplus
	surplus  int
	news     []news
}

// admit lets opened tasks begin.
func (s *Scheduler) admit(tasks []*Task, r *reservation) (a admission) {
	rates := make([]Rate, len(tasks))
	for i, t := range tasks {
		rates[i] = s.rateOf(t)
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreserve(r, now)
	for i, t := range tasks {
		l := s.lane(t)
		t.lane = l
		s.seq++
		t.seq = s.seq
		if handled(t.job) != nil {
			l.rate.set(rates[i], now)
		}
		a.news = s.learn(t, r, now, a.news)
		if !s.stopped && !t.lost && s.wanted(t, now) {
			l.lastJob = t.job
			s.enqueue(t)
		} else {
			t.inAll.leave()
			s.refuse(t, &a, now)
		}
		s.update(l, now)
	}
	if r.suspect && len(tasks) == 0 {
		s.suspicion.nothing()
	}
	s.wake()
	return a
}

// refuse has a received task be given back.
func (s *Scheduler) refuse(t *Task, a *admission, now time.Time) {
	if s.stopped || t.lost || !s.surplus(t, now) {
		a.released = append(a.released, t)
		return
	}
	a.surplus++
	if !s.traits.SharedLanes || t.Lease.Ordered {
		a.released = append(a.released, t)
		return
	}
	t.delay = t.lane.putOff(now)
	a.putOff = append(a.putOff, t)
}

// wanted reports whether a task that was just received may stay.
func (s *Scheduler) wanted(t *Task, now time.Time) bool {
	l := t.lane
	switch {
	case s.suspicion.on && !(s.mayBegin(t, now) && s.suspicion.wants(l, s.waiting > 0)):
		s.suspicion.lanes[l.name] = struct{}{}
		return false
	case l.held && !t.Lease.Probe:
		return false
	}
	return l.left(now, s.share(now), s.perWork) > 0 && !s.crowded(l, 1)
}

// mayBegin reports whether a task that was just received could begin at once, but for the other tasks of
// a process that suspects itself.
func (s *Scheduler) mayBegin(t *Task, now time.Time) bool {
	l, c := t.lane, &s.classes[t.lane.health]
	switch {
	case c.running >= c.limit:
		return false
	case t.Lease.Probe:
		return !now.Before(l.ownUntil)
	}
	return l.limit(now, s.share(now)) > l.running
}

// lane returns the record of t's lane.
func (s *Scheduler) lane(t *Task) *lane {
	l := s.lanes[t.Lease.Lane]
	if l == nil {
		l = newLane(t.Lease.Lane)
		s.lanes[l.name] = l
		l.holds = t.Lease.Holds
		s.setHealth(l, t.Lease.Health)
		if t.Lease.Probe {
			s.setHealth(l, queue.Failing)
			l.held = true
		}
	}
	return l
}

// news is a change of a lane's state to tell the handler of.
type news struct {
	lane     string
	from, to LaneState
}

// learn takes over the lane's state from a lease, unless this process has changed it since.
func (s *Scheduler) learn(t *Task, r *reservation, now time.Time, n []news) []news {
	l, lease := t.lane, &t.Lease
	leased := lease.Until.Add(-s.traits.Lease)
	if (l.changes > 0 || l.changed > r.changes && !leased.After(l.at)) && !lease.Probe {
		return n
	}
	before := l.state()
	l.holds = lease.Holds
	switch {
	case lease.Probe && !l.held:
		l.held, l.until, l.heldAt = true, now, now
		s.setHealth(l, queue.Failing)
	case !lease.Probe:
		l.held = false
		s.setHealth(l, lease.Health)
	}
	if l.health != queue.Failing {
		l.reason = ""
	}
	if after := l.state(); after != before && after.Health != before.Health {
		n = append(n, news{l.name, before, after})
	}
	return n
}

// release gives back tasks unused.
func (s *Scheduler) release(tasks []*Task) {
	s.giveBack(tasks, func(ctx context.Context, tasks []*Task) error { return s.q.Release(ctx, leasesOf(tasks)) })
}

// giveBack gives back tasks by a call of the queue. Where that fails their leases end by themselves, but
// an at-most-once queue has nothing to fall back on.
func (s *Scheduler) giveBack(tasks []*Task, call func(context.Context, []*Task) error) {
	for len(tasks) > 0 {
		ctx, cancel := context.WithTimeout(s.settleCtx, settleTime)
		err := call(ctx, tasks)
		cancel()
		if err == nil {
			s.worked(opRelease)
			return
		}
		left, lost := unreleased(tasks, err)
		if s.traits.AtMostOnce {
			s.notReleased(lost, err)
		}
		if tasks = left; len(tasks) == 0 {
			return
		}
		n := s.failed(opRelease, err)
		if !s.traits.AtMostOnce {
			return
		}
		if isClosed(err) || !queueBackoff.sleep(s.settleCtx, n) {
			s.notReleased(tasks, err)
			return
		}
	}
}
