package scheduler

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	// firstConcurrency is how many attempts a lane may have at once that is known to be healthy,
	// and nothing else. One that is not starts with one.
	firstConcurrency = 2

	// An attempt is slow, a sign of an endpoint that hangs, when it takes longer than slowAfter and
	// than slowFactor times the lane's average.
	slowAfter  = time.Second
	slowFactor = 4

	// A lane gives back concurrency that it has not used for this time.
	usageWindow = time.Second

	// prefetchTime limits prefetching for each lane: a job that cannot start within it is left in
	// the queue, where other processes see it.
	prefetchTime = 50 * time.Millisecond
)

// lane is what this process knows of one webhook's endpoint. The scheduler's mutex guards it.
type lane struct {
	name string

	// The state, as the queue has it as far as is known.
	health  queue.Health
	holds   int       // in a row
	held    bool      // only a probe may run
	until   time.Time // when the hold ends, if the lane is held
	heldAt  time.Time // when this process last held it
	reason  string
	changed uint64 // the number of the last change that this process made
	at      time.Time
	changes int // of this process that the queue has not answered yet

	// A hold that the queue refused or did not hear of is this process's own.
	ownUntil  time.Time
	ownHolds  int  // in a row
	probation bool // after such a hold one attempt decides

	putOffUntil time.Time // when the last job that was put off comes back

	unsent int // attempts in a row before which nothing was sent

	failures failures

	// The tasks.
	waiting  list[Task] // received and not begun
	attempts list[Task] // begun, and Run has not returned; the oldest first
	running  int        // begun, and not settled
	ready    int        // waiting and may begin now
	soon     int        // waiting and will begin as earlier ones end
	probes   int        // waiting or running
	turn     int64      // of the next to begin
	lastJob  Job        // that was opened; nil while there are no tasks

	// The limits.
	concurrency int
	filledAt    time.Time // when the concurrency was last in full use
	halvedAt    time.Time
	latency     time.Duration // of successes, on average; 0 if there is none
	window      time.Time     // the last check of usage
	peak        int           // the most running since then
	rate        bucket
	host        string // of the last attempt

	// The places.
	turnPlace place // in its class's heap of lanes that may begin a task
	wakePlace place // in the heap of times
	in        node[lane]
	starved   bool // the last Want skipped it
	givenBack bool // the last task that ended was given back without an attempt
}

func turnPlace(l *lane) *place { return &l.turnPlace }
func wakePlace(l *lane) *place { return &l.wakePlace }

func newLane(name string) *lane {
	l := &lane{name: name, concurrency: 1}
	l.in.item = l
	return l
}

// tasks returns how many tasks of the lane are here.
func (l *lane) tasks() int { return l.waiting.len + l.running }

// probe reports whether the next task is the probe of a held lane.
func (l *lane) probe() bool { return l.waiting.len > 0 && l.waiting.front.item.Lease.Probe }

// slowAt returns when the oldest attempt becomes slow, or zero if there is none.
func (l *lane) slowAt() time.Time {
	if l.attempts.len == 0 {
		return time.Time{}
	}
	return l.attempts.front.item.began.Add(max(slowAfter, slowFactor*l.latency))
}

// slow reports whether an attempt is slow.
func (l *lane) slow(now time.Time) bool {
	at := l.slowAt()
	return !at.IsZero() && !now.Before(at)
}

// stalledAt returns when the waiting tasks of a slow lane have waited for long enough: one slow
// attempt among thousands is often over soon. It is zero if no attempt runs.
func (l *lane) stalledAt() time.Time {
	at := l.slowAt()
	if at.IsZero() {
		return at
	}
	return at.Add(slowAfter)
}

// shut reports whether the lane may start nothing but a probe, whatever else happens.
func (l *lane) shut(now time.Time) bool { return l.held || now.Before(l.ownUntil) }

// flows reports whether the lane's waiting tasks begin one after the other as earlier ones end.
func (l *lane) flows(now time.Time) bool {
	return l.health == queue.Healthy && !l.shut(now) && !l.slow(now) && !l.rate.limits() && !l.probation
}

// limit returns how many tasks may run at once; share bounds the concurrency.
func (l *lane) limit(now time.Time, share int) int {
	switch {
	case l.shut(now):
		if l.probe() && !now.Before(l.ownUntil) {
			return l.running + 1
		}
		return 0
	case l.slow(now):
		return min(l.running, l.concurrency)
	}
	n := min(l.concurrency, share)
	if l.probation {
		n = 1
	}
	if l.rate.limits() {
		n = min(n, l.running+l.rate.whole(now))
	}
	return n
}

// allowance returns how many tasks may be here, waiting or running. prefetch is how many the pool
// prefetches for each worker.
func (l *lane) allowance(now time.Time, share, prefetch int) int {
	n := min(l.concurrency, share)
	switch {
	case l.shut(now), l.slow(now):
		return l.limit(now, share)
	case l.probation:
		return 1
	case l.rate.limits():
		soon := l.rate.whole(now.Add(prefetchTime))
		return l.running + max(1, min(soon, n-l.running))
	case l.health != queue.Healthy:
		return n
	}
	return n + l.prefetch(n, prefetch)
}

// left returns how many more tasks may be received. Of a held lane that is its probe.
func (l *lane) left(now time.Time, share, prefetch int) int {
	if l.held && !now.Before(l.ownUntil) {
		return max(0, 1-l.probes)
	}
	return max(0, l.allowance(now, share, prefetch)-l.tasks())
}

// prefetch returns how many tasks are prefetched when n may run at once.
func (l *lane) prefetch(n, perWorker int) int {
	if l.latency == 0 {
		return n
	}
	soon := time.Duration(n) * prefetchTime / max(l.latency, time.Microsecond)
	return min(max(1, int(soon)), perWorker*n)
}

// begin notes the start of a task, which is the first of the waiting ones.
func (l *lane) begin(t *Task, now time.Time) {
	t.began = now
	t.inLane.leave()
	l.attempts.pushBack(&t.inLane)
	l.running++
	l.turn++
	if l.rate.limits() {
		l.rate.take(now)
	}
	if l.running >= l.concurrency {
		l.filledAt = now
	}
	l.peak = max(l.peak, l.running)
}

// ended notes that t is not here any longer.
func (l *lane) ended(t *Task) {
	if t.Lease.Probe {
		l.probes--
	}
}

// succeeded notes that t, which is still counted as running, found the endpoint working.
func (l *lane) succeeded(t *Task, now time.Time, share int) {
	l.failures.succeeded(t.seq, now)
	l.ownUntil, l.ownHolds, l.probation = time.Time{}, 0, false
	took := max(now.Sub(t.began), 1)
	if l.latency == 0 {
		l.latency = took
	}
	l.latency += (took - l.latency) / 8
	switch full := l.tasks() >= l.concurrency || !l.filledAt.Before(t.began); {
	case t.Lease.Probe:
		l.concurrency = firstConcurrency
	case full:
		l.concurrency = min(l.concurrency+1, share)
	}
	if now.Sub(l.window) > usageWindow {
		l.concurrency = max(min(firstConcurrency, share), min(l.concurrency, 2*l.peak))
		l.window, l.peak = now, l.running
	}
}

// noteUnsent pauses a lane in this process after ten attempts in a row before which nothing was sent:
// they count for nothing and cost no time, but each of its jobs would be tried once a second.
func (l *lane) noteUnsent(e Evidence, now time.Time) {
	switch e {
	case Unsent:
		if l.unsent++; l.unsent >= holdRow {
			l.ownUntil = now.Add(doubled(suspectFirst, l.unsent-holdRow, suspectMax))
		}
	case Up, Down:
		l.unsent = 0
	}
}

// slowDown halves the concurrency, at most once for the attempts that were under way together.
func (l *lane) slowDown(t *Task, now time.Time) {
	if l.halvedAt.IsZero() || t.began.After(l.halvedAt) {
		l.concurrency = max(1, l.concurrency/2)
		l.halvedAt = now
	}
}

// memorable reports whether the record says more than that the lane works.
func (l *lane) memorable(now time.Time) bool {
	return l.health == queue.Failing || l.held || l.probation || l.failures.count > 0 || l.failures.cost > 0 || l.unsent > 0 ||
		l.failures.recent(now) || l.rate.limits() && l.rate.available(now) < l.rate.burst
}

// state returns the lane's state as a Handler sees it.
func (l *lane) state() LaneState {
	s := LaneState{Health: l.health, Holds: l.holds, Reason: l.reason}
	if l.held {
		s.HeldUntil = l.until
	}
	return s
}
