package webhook

import (
	"sync"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/oneline"
)

// attempts counts the attempts of this process by webhook, of the 10,000 with the latest ones. An
// attempt locks its webhook's tally alone.
type attempts struct {
	began time.Time // steps of time are counted from here

	mu   sync.Mutex
	all  []*tally
	hand int // where the next one to give up is looked for
}

const (
	// maxTallies bounds the memory: a tally takes about 700 bytes, and its reason up to 256.
	maxTallies     = 10_000
	maxReasonBytes = 256

	// A tally is given up for another webhook's when it is the one of so many that has had no attempt
	// for longest.
	tallySample = 16

	// The last minute and hour are counted in steps, the one under way included.
	minuteStep, minuteSteps = 5 * time.Second, 13
	hourStep, hourSteps     = time.Minute, 61
)

// tally counts the attempts of one webhook.
type tally struct {
	mu     sync.Mutex
	owner  *slot
	last   time.Time // when the last attempt ended; zero: none yet
	status int       // of the last attempt
	failed time.Time // when the last failed one ended
	reason string    // of it

	minute  [minuteSteps]outcomes // rings, by the number of the step
	hour    [hourSteps]outcomes
	elapsed time.Duration // the time of the newest steps
}

// outcomes counts attempts of one step.
type outcomes struct{ delivered, failed uint32 }

// record counts an attempt of the slot's webhook that ended at a time. An Unsent one counts as none,
// but its reason is kept. reason words a failure.
func (a *attempts) record(s *slot, now time.Time, out dispatch.Outcome, reason func() string) {
	t := a.lock(s)
	defer t.mu.Unlock()
	t.advance(now.Sub(a.began))
	minute, hour := &t.minute[t.elapsed/minuteStep%minuteSteps], &t.hour[t.elapsed/hourStep%hourSteps]
	t.last, t.status = now, out.Status
	switch out.Verdict {
	case dispatch.Delivered:
		minute.delivered++
		hour.delivered++
		return
	case dispatch.Unsent:
	default:
		minute.failed++
		hour.failed++
	}
	t.failed, t.reason = now, oneline.Cut(reason(), maxReasonBytes)
}

// of returns what is known of the slot's webhook.
func (a *attempts) of(s *slot) ProcessStatus {
	p := ProcessStatus{Dropped: s.dropped.Load()}
	t := s.tally.Load()
	if t == nil {
		return p
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.owner != s {
		return p
	}
	t.advance(time.Since(a.began))
	p.LastAttempt, p.LastStatus, p.LastFailure, p.LastError = t.last, t.status, t.failed, t.reason
	p.LastMinute, p.LastHour = sum(t.minute[:]), sum(t.hour[:])
	return p
}

func sum(steps []outcomes) (c AttemptCounts) {
	for _, o := range steps {
		c.Delivered += int(o.delivered)
		c.Failed += int(o.failed)
	}
	return c
}

// advance empties the steps that have begun since the newest ones.
func (t *tally) advance(elapsed time.Duration) {
	if elapsed <= t.elapsed {
		return
	}
	empty(t.minute[:], t.elapsed/minuteStep, elapsed/minuteStep)
	empty(t.hour[:], t.elapsed/hourStep, elapsed/hourStep)
	t.elapsed = elapsed
}

// empty empties the steps of a ring after one number up to another.
func empty(ring []outcomes, after, to time.Duration) {
	n := time.Duration(len(ring))
	for i := max(after+1, to-n+1); i <= to; i++ {
		ring[i%n] = outcomes{}
	}
}

// lock returns the slot's tally, locked. It makes one if there is none.
func (a *attempts) lock(s *slot) *tally {
	for {
		t := s.tally.Load()
		if t == nil {
			t = a.assign(s)
		}
		t.mu.Lock()
		if t.owner == s {
			return t
		}
		t.mu.Unlock() // it was given to another webhook
	}
}

// assign gives the slot a tally.
func (a *attempts) assign(s *slot) *tally {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := s.tally.Load(); t != nil {
		return t
	}
	if len(a.all) < maxTallies {
		t := &tally{owner: s, elapsed: time.Since(a.began)}
		a.all = append(a.all, t)
		s.tally.Store(t)
		return t
	}
	t := a.leastUsed()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.owner.tally.Store(nil)
	t.owner, t.last, t.status, t.failed, t.reason = s, time.Time{}, 0, time.Time{}, ""
	t.minute, t.hour, t.elapsed = [minuteSteps]outcomes{}, [hourSteps]outcomes{}, time.Since(a.began)
	s.tally.Store(t)
	return t
}

// leastUsed returns, of the next few tallies, the one that has had no attempt for longest.
func (a *attempts) leastUsed() (least *tally) {
	var at time.Time
	for range tallySample {
		t := a.all[a.hand]
		a.hand = (a.hand + 1) % len(a.all)
		t.mu.Lock()
		last := t.last
		t.mu.Unlock()
		if least == nil || last.Before(at) {
			least, at = t, last
		}
	}
	return least
}
