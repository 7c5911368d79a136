package webhook

import (
	"sync"
	"time"

	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

const (
	// warnedAttempts is how many failed attempts of a webhook have a line at Warn, until one
	// succeeds.
	warnedAttempts = 3

	// failingRow is how many failures in a row make a webhook one that the log calls failing, also
	// while the queue does not yet: its state changes with what failures cost, or after ten.
	failingRow = 3

	// rowTime is how long after its last failure a row tells that a webhook fails. Where other
	// processes make the attempts, this one does not learn that they succeed.
	rowTime = 5 * time.Minute

	// quietTime is how long a webhook is remembered of which nothing more is heard.
	quietTime = time.Hour
)

// failingHooks is what the log knows of webhooks that fail: what happened in this process, and
// their lanes' state in the queue as far as this process has learned it. It holds at most maxKnown;
// of others the log has no more than the lines of their attempts.
type failingHooks struct {
	mu     sync.Mutex
	byLane map[string]*failingHook
	due    map[string]struct{} // lanes about which a line may be due
	wake   chan struct{}       // capacity 1: there are such
}

// failingHook is a webhook whose attempts have failed since its last success, or whose lane the
// queue knows as failing.
type failingHook struct {
	lane, app, webhook string
	slot               *slot // nil: the webhook is not configured here

	since   time.Time           // when it began to fail, as far as is known
	state   scheduler.LaneState // of its lane, as far as is known
	learned time.Time           // when the state was learned

	row       int       // failures in a row
	warned    int       // attempts since the last success that did not deliver
	failed    int64     // attempts that failed since the webhook began to fail
	delivered int64     // events delivered since then
	last      time.Time // when an attempt failed or the queue refused a job
	status    int       // of the last failure
	reason    string    // of the last failure

	told  told      // what the log says of it
	begun time.Time // when the log last began to say that it fails
	lined time.Time // when the last line about it was written
}

// told is what the log has said of a webhook last.
type told uint8

const (
	toldNothing told = iota // or that it works
	toldFailing
	toldHeld
)

func (f *failingHook) fails() bool {
	return f.row >= failingRow || f.state.Health == queue.Failing
}

// update changes what is known of a webhook, and has the reporter look at it. A webhook that is not
// known is made known if add says so and there are not too many.
func (s *failingHooks) update(app, webhook string, h *hook, add bool, change func(f *failingHook, now time.Time)) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.find(app, webhook, add)
	if f == nil {
		return
	}
	if h != nil {
		f.slot = h.slot
		f.slot.failing.Store(true)
	}
	failed := f.fails()
	change(f, now)
	f.begin(now)
	if failed || f.fails() {
		s.look(f.lane)
	} else if f.told == toldNothing && f.warned == 0 && f.begun.IsZero() {
		s.forget(f)
	}
}

// find returns what is known of a webhook, nil if nothing is. The caller holds the lock.
func (s *failingHooks) find(app, webhook string, add bool) *failingHook {
	lane := laneOf(app, webhook)
	f := s.byLane[lane]
	if f != nil || !add || len(s.byLane) >= maxKnown {
		return f
	}
	if s.byLane == nil {
		s.byLane = map[string]*failingHook{}
	}
	f = &failingHook{lane: lane, app: app, webhook: webhook}
	s.byLane[lane] = f
	return f
}

// begin notes when the webhook began to fail, or forgets it when it has failed too little to be
// told.
func (f *failingHook) begin(now time.Time) {
	switch failing := f.row > 0 || f.fails(); {
	case failing && f.since.IsZero():
		f.since = now
	case !failing && f.told == toldNothing:
		f.since, f.failed, f.delivered = time.Time{}, 0, 0
	}
}

// look has a line written about a lane, if one is due. The caller holds the lock.
func (s *failingHooks) look(lane string) {
	if s.due == nil {
		s.due = map[string]struct{}{}
	}
	s.due[lane] = struct{}{}
	notify(s.wake)
}

// forget forgets a webhook. The caller holds the lock.
func (s *failingHooks) forget(f *failingHook) {
	delete(s.byLane, f.lane)
	delete(s.due, f.lane)
	if f.slot != nil {
		f.slot.failing.Store(false)
	}
}

// attempted notes an attempt that did not deliver, and returns how many there were since the last
// success, this one included.
func (s *failingHooks) attempted(h *hook, evidence scheduler.Evidence, status int, reason string) (n int) {
	n = 1
	s.update(h.app.id, h.id, h, true, func(f *failingHook, now time.Time) {
		f.warned++
		n, f.last = f.warned, now
		switch evidence {
		case scheduler.Up:
			f.row = 0
		case scheduler.Down:
			f.row++
			f.failed++
			f.status, f.reason = status, reason
		}
	})
	return n
}

// delivered notes a delivery of a webhook that may have failed before.
func (s *failingHooks) delivered(h *hook, events int) {
	if !h.slot.failing.Load() {
		return
	}
	s.update(h.app.id, h.id, h, false, func(f *failingHook, _ time.Time) {
		f.row, f.warned = 0, 0
		f.delivered += int64(events)
	})
}

// learn notes the state of a lane. It returns the state that was known before, if one was, and
// reports whether the new one is another.
func (s *failingHooks) learn(app, webhook string, h *hook, from, to scheduler.LaneState) (before scheduler.LaneState, changed bool) {
	before, changed = from, true
	s.update(app, webhook, h, to.Health == queue.Failing, func(f *failingHook, now time.Time) {
		if f.state != (scheduler.LaneState{}) {
			before = f.state
			changed = laneState(before) != laneState(to) || laneState(to) == LaneHeld && before.HeldUntil.Sub(to.HeldUntil).Abs() > time.Second
		}
		f.becomes(from, to, now)
	})
	return before, changed
}

// becomes notes a change of the lane's state. One that is untried again, because it was
// resumed or because it answers, begins anew.
func (f *failingHook) becomes(from, to scheduler.LaneState, now time.Time) {
	if from.Health == queue.Failing && to.Health == queue.Untried {
		f.row = 0
	}
	f.state, f.learned = to, now
}

// resumed notes that a webhook was resumed.
func (s *failingHooks) resumed(app, webhook string, h *hook) {
	s.update(app, webhook, h, false, func(f *failingHook, _ time.Time) { f.row = 0 })
}

// refused notes that the queue takes no more jobs of a webhook because it fails. It reports whether
// that is news.
func (s *failingHooks) refused(h *hook) (news bool) {
	s.update(h.app.id, h.id, h, true, func(f *failingHook, now time.Time) {
		f.last = now
		if news = f.state.Health != queue.Failing; news {
			f.state, f.learned = scheduler.LaneState{Health: queue.Failing}, now
		}
	})
	return news
}

// row returns since when this process's attempts of a webhook have failed, and why, for a webhook
// that the queue does not call failing. It reports false if too few have failed in a row, or the
// queue knows better: the webhook became healthy since, at the given time, or was called failing
// before and is so no longer, as after a Resume in another process.
func (s *failingHooks) row(h *hook, healthy time.Time) (since time.Time, reason string, fails bool) {
	if !h.slot.failing.Load() {
		return since, "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.byLane[h.lane]
	if f == nil || f.row < failingRow || f.state.Health == queue.Failing || healthy.After(f.last) || time.Since(f.last) > rowTime {
		return since, "", false
	}
	return f.since, f.reason, true
}

// idle reports whether nothing is known.
func (s *failingHooks) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byLane) == 0
}
