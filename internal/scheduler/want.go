package scheduler

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// minRefresh is how many tasks of a lane have to be wanted for Receives under way to be repeated
// before the lane has none.
const minRefresh = 8

// watchPause is how long after a Receive the next one may begin that watches. Tasks that are quick
// have by then used up half of what is prefetched, and one Receive brings more at once. Without it,
// each Receive of a queue under load brings a dozen jobs.
const watchPause = 5 * time.Millisecond

// reservation is what a Receive under way may bring. Receives that run side by side share the room,
// so that together they stay within it.
type reservation struct {
	want    queue.Want
	ctx     context.Context //nolint:containedctx // of the pollers' calls
	changes uint64          // the changes of lanes that had been made when it began
	suspect bool
	watch   bool // enough is prefetched: it brings only what lanes with little of it have
}

// reserve waits until there is room and returns what may be received, or nil when the scheduler has
// stopped.
func (s *Scheduler) reserve() *reservation {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.stopped {
		if r := s.tryReserve(time.Now()); r != nil {
			s.receiving++
			s.watching = s.watching || r.watch
			s.reserved += r.want.Max
			s.classes[queue.Untried].reserved += r.want.MaxUntried
			s.classes[queue.Failing].reserved += r.want.MaxFailing
			s.wake()
			return r
		}
		s.roomFree.Wait()
	}
	return nil
}

// unreserve ends a reservation.
func (s *Scheduler) unreserve(r *reservation, now time.Time) {
	s.receiving--
	s.watching = s.watching && !r.watch
	if !s.traits.InProcess {
		s.watchAt = now.Add(watchPause)
	}
	s.reserved -= r.want.Max
	s.classes[queue.Untried].reserved -= r.want.MaxUntried
	s.classes[queue.Failing].reserved -= r.want.MaxFailing
}

// tryReserve returns what may be received now, or nil.
func (s *Scheduler) tryReserve(now time.Time) *reservation {
	r := &reservation{ctx: s.receiveCtx, changes: s.changes}
	if s.suspicion.on {
		if s.receiving > 0 || s.tasks.len > s.running+s.unsettled || !s.suspicion.due(now) {
			return nil
		}
		r.suspect = true
		r.want = s.suspicion.want()
		return r
	}
	n := s.room()
	if r.watch = !s.low(); r.watch {
		n = min(s.workers, s.space())
	}
	if n <= 0 {
		return nil
	}
	if r.watch && !s.mayWatch(now) {
		s.watchLater(now)
		return nil
	}
	if s.manyFull() {
		n = min(n, surplusMax)
	}
	r.want = queue.Want{
		Max:        s.portion(n),
		MaxUntried: s.portion(s.classes[queue.Untried].room()),
		MaxFailing: s.portion(s.classes[queue.Failing].room()),
		MaxPerLane: 2 * min(firstConcurrency, s.workers),
	}
	s.nameLanes(&r.want, r.watch, now)
	return r
}

// mayWatch reports whether a Receive may be under way although enough is prefetched, so that an
// event of a quiet lane need not wait until the busy ones have used half of it. It has to name all
// lanes.
func (s *Scheduler) mayWatch(now time.Time) bool {
	return !s.watching && s.full.len+s.active.len <= queue.MaxNamed && !now.Before(s.watchAt)
}

// watchLater has a poller look again when a Receive may watch, if that is a question of time.
func (s *Scheduler) watchLater(now time.Time) {
	if now.Before(s.watchAt) {
		s.setTimer(s.watchAt, now)
	}
}

// room returns how many tasks may be received in all.
func (s *Scheduler) room() int {
	return min(s.workers+s.perWork*s.workers-s.running-s.soon-s.reserved, s.space())
}

// space returns how many tasks fit besides those that wait, some of which can't begin.
func (s *Scheduler) space() int {
	blocked := max(maxBlocked, blockedFactor*s.workers)
	switch {
	case s.traits.AtMostOnce:
		blocked = s.workers
	case s.bytes > maxBlockedBytes:
		blocked = blockedFactor * s.workers
	}
	return blocked + s.perWork*s.workers - s.waiting - s.reserved
}

// room returns how many tasks of the class may be received.
func (c *class) room() int { return max(0, c.limit+c.prefetch-c.running-c.waiting-c.reserved) }

// portion returns the part of n that a poller may reserve, so that the others can receive as well.
func (s *Scheduler) portion(n int) int {
	pollers := max(1, s.pollers-s.receiving)
	return (n + pollers - 1) / pollers
}

// nameLanes limits the lanes that have tasks here: first those that may get none, then others. A
// Receive that watches skips those that have more than half of their prefetched tasks.
func (s *Scheduler) nameLanes(w *queue.Want, watch bool, now time.Time) {
	n := min(s.full.len+s.active.len, queue.MaxNamed)
	if n == 0 {
		return
	}
	w.Lanes = make(map[string]int, n)
	share := s.share(now)
	for _, from := range []*list[lane]{&s.full, &s.active} {
		for node := from.front; node != nil && len(w.Lanes) < n; node = node.next {
			l := node.item
			left := l.left(now, share, s.perWork)
			if watch && l.flows(now) && l.waiting.len > left {
				left = 0
			}
			l.starved = left == 0
			w.MaxPerLane = max(w.MaxPerLane, left)
			w.Lanes[l.name] = (left + s.pollers - 1) / s.pollers
		}
	}
}

// refreshIfStarved ends the Receives under way if they skip l although it could begin a task, or
// has used up half of what may be prefetched for it.
func (s *Scheduler) refreshIfStarved(l *lane, now time.Time, share int) {
	if !l.starved {
		return
	}
	if s.receiving == 0 {
		l.starved = false
		return
	}
	waits := l.held || l.rate.limits() // for a probe, or for the next token with a task at hand
	left := l.left(now, share, s.perWork)
	half := l.flows(now) && left >= minRefresh && left >= l.waiting.len
	if half || l.limit(now, share) > l.tasks() || waits && l.waiting.len == 0 && left > 0 {
		l.starved = false
		if l.givenBack {
			s.refreshSoon(now)
		} else {
			s.refreshReceives()
		}
	}
}

// refreshPause is how soon Receives are ended for a lane whose last job was given back without an
// attempt, such as one of an unknown webhook, so that thousands of them end few Receives.
const refreshPause = 50 * time.Millisecond

// refreshSoon has the Receives under way end in a while, together for all lanes.
func (s *Scheduler) refreshSoon(now time.Time) {
	if s.refreshAt.IsZero() {
		s.refreshAt = now.Add(refreshPause)
		s.setTimer(s.refreshAt, now)
	}
}

// refreshIfDue does what refreshSoon has announced.
func (s *Scheduler) refreshIfDue(now time.Time) {
	switch {
	case s.refreshAt.IsZero():
	case now.Before(s.refreshAt):
		s.setTimer(s.refreshAt, now)
	default:
		s.refreshAt = time.Time{}
		if s.receiving > 0 {
			s.refreshReceives()
		}
	}
}

// refreshIfIdle ends the Receives under way if they ask for no task of a class that could begin
// one.
func (s *Scheduler) refreshIfIdle(c *class) {
	if s.receiving > 0 && c.reserved == 0 && c.running+c.waiting < c.limit {
		s.refreshReceives()
	}
}

// refreshReceives ends the Receives under way, whose Want is out of date.
func (s *Scheduler) refreshReceives() {
	if s.stopped {
		return
	}
	s.refresh()
	s.receiveCtx, s.refresh = context.WithCancel(context.Background())
}
