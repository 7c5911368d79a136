package webhook

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// task is a job under lease in this process.
type task struct {
	lease  queue.Lease
	job    *parsedJob // nil: unreadable
	parsed parsedJob  // what job points to
	rate   RateLimit
	lane   *lane
	turn   int // among the waiting
	began  time.Time
	held   time.Time          // since when it was held back here; zero: never
	known  bool               // its configuration is here
	probe  bool               // it decides about a half-open breaker
	tried  int                // attempts made under this lease: 0 or 1
	until  time.Time          // the lease's end
	lost   bool               // the lease ended under way
	cut    bool               // the attempt was cut off because the pool stops
	cancel context.CancelFunc // of the attempt, while it runs
}

// heldSince returns since when a breaker here has been holding the job back, or zero. A replay starts anew.
func (t *task) heldSince(now time.Time) time.Time {
	if t.lease.ID != t.job.id {
		return time.Time{}
	}
	return t.lane.heldSince(now, time.UnixMilli(t.job.timeMS))
}

// parse reads the job; one that is unreadable stays nil.
func (t *task) parse() {
	like := t.parsed.envelope
	like.id = t.lease.ID
	if t.parsed.parse(t.lease.Data, like) == nil {
		t.job = &t.parsed
	}
}

// rateOf returns the rate limit of a job's webhook.
func (e *Emitter) rateOf(j *parsedJob) RateLimit {
	if j == nil {
		return RateLimit{}
	}
	a := e.apps.get(j.app)
	if a == nil {
		return RateLimit{}
	}
	h := a.hook(j.webhook)
	if h == nil {
		return RateLimit{}
	}
	return h.RateLimit
}
