package webhook

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// lane is what this process knows of one webhook's endpoint: how many attempts it may have at once, and whether
// it may have any. The pool's mutex guards it.
type lane struct {
	name    string
	waiting int       // tasks received and not begun
	turn    int       // of its next task, unless the pool is further
	running []*task   // attempts in flight
	share   int       // attempts at once that its record allows
	proven  bool      // its last attempts succeeded: it is warm
	starved bool      // the last Want asked for none of its jobs
	filled  time.Time // when its share was last in full use
	latency time.Duration
	peak    int // most attempts at once since window
	window  time.Time
	breaker breaker
	like    envelope      // of the last job, for the strings that the next one shares
	paused  time.Time     // this node lacks the lane's configuration, and leaves it to others until then
	limiter *rate.Limiter // nil: no rate limit
}

const (
	firstShare = 2 // of a webhook that nothing is known of

	// An attempt is late, a sign of an endpoint that hangs, when it takes four times the usual,
	// and never before lateLeast; lateCold where nothing is usual yet.
	lateFactor = 4
	lateLeast  = 100 * time.Millisecond
	lateCold   = time.Second

	shareWindow = time.Second
)

// limit returns how many attempts of this lane there may be at once, of at most most. Late attempts halve it
// each: an endpoint that hangs keeps what it has and gets no more.
func (l *lane) limit(now time.Time, most int) int {
	switch state := l.breaker.state(now); {
	case state == BreakerOpen || now.Before(l.paused):
		return 0
	case state == BreakerHalfOpen:
		return 1
	}
	n := max(l.unhurried(now, min(l.share, most)), 1)
	if l.limiter != nil {
		n = min(n, len(l.running)+int(l.limiter.TokensAt(now)))
	}
	return n
}

// unhurried returns n, halved for each late attempt.
func (l *lane) unhurried(now time.Time, n int) int {
	for _, t := range l.running {
		if now.Sub(t.began) > l.lateAfter() {
			n /= 2
		}
	}
	return n
}

// ahead returns how many jobs are received ahead when there may be n attempts at once.
func (l *lane) ahead(n int) int {
	inTime := time.Duration(n) * aheadTime / max(l.latency, time.Microsecond)
	return min(max(1, int(inTime)), aheadFactor*n)
}

func (l *lane) lateAfter() time.Duration {
	if l.latency == 0 {
		return lateCold
	}
	return max(lateFactor*l.latency, lateLeast)
}

// begin notes the start of an attempt.
func (l *lane) begin(t *task) {
	if l.limiter != nil {
		l.limiter.AllowN(t.began, 1)
	}
	t.probe = l.breaker.state(t.began) == BreakerHalfOpen
	l.running = append(l.running, t)
	if len(l.running) >= l.share {
		l.filled = t.began
	}
	l.peak = max(l.peak, len(l.running))
}

// end notes the end of t, and what it says of the endpoint. most bounds the share.
func (l *lane) end(t *task, now time.Time, says evidence, most int) {
	full := len(l.running)+l.waiting >= l.share || !l.filled.Before(t.began)
	for i, r := range l.running {
		if r == t {
			last := len(l.running) - 1
			l.running[i], l.running[last] = l.running[last], nil
			l.running = l.running[:last]
			break
		}
	}
	if !t.probe && l.breaker.state(now) == BreakerHalfOpen {
		return // it began before the breaker opened; the probe decides
	}
	switch says {
	case wentWell:
		l.succeeded(now, now.Sub(t.began), full, most)
	case wentBadly:
		l.failed(now)
	}
}

// evidence is what the end of a task says of its endpoint.
type evidence uint8

const (
	saysNothing evidence = iota
	wentWell
	wentBadly
)

// succeeded grows the share if it was in full use, and gives back what has not been used for a while.
func (l *lane) succeeded(now time.Time, took time.Duration, full bool, most int) {
	probe := l.breaker.state(now) == BreakerHalfOpen
	l.breaker.succeeded(now)
	l.proven = l.breaker.state(now) == BreakerClosed
	if l.latency == 0 {
		l.latency = took
	}
	l.latency += (took - l.latency) / 8
	switch {
	case probe:
		l.share = firstShare
	case full:
		l.share = min(l.share+1, most)
	}
	if now.Sub(l.window) > shareWindow {
		l.share = max(firstShare, min(l.share, 2*l.peak))
		l.window, l.peak = now, len(l.running)
	}
}

func (l *lane) failed(now time.Time) {
	l.breaker.failed(now)
	l.proven = false
	l.share = max(1, l.share/2)
}

// changes returns when the limit will be more by itself, or zero.
func (l *lane) changes(now time.Time) time.Time {
	switch {
	case now.Before(l.breaker.until) || now.Before(l.paused):
		if l.paused.After(l.breaker.until) {
			return l.paused
		}
		return l.breaker.until
	case l.limiter == nil:
		return time.Time{}
	}
	missing := 1 - l.limiter.TokensAt(now)
	if missing <= 0 {
		return time.Time{}
	}
	wait := math.Ceil(missing / float64(l.limiter.Limit()) * float64(time.Second))
	return now.Add(time.Duration(wait))
}

// setRate has the lane keep a rate limit. One that did not change goes on as it is.
func (l *lane) setRate(r RateLimit) {
	burst := r.Burst
	if burst == 0 {
		burst = int(math.Ceil(r.PerSecond))
	}
	switch {
	case r.PerSecond == 0:
		l.limiter = nil
	case l.limiter == nil || l.limiter.Limit() != rate.Limit(r.PerSecond) || l.limiter.Burst() != burst:
		l.limiter = rate.NewLimiter(rate.Limit(r.PerSecond), burst)
	}
}

// heldSince returns since when the breaker has been holding back a job that was made at the time, or zero. A breaker that has
// been half-open for long holds nothing back: there was just nothing to probe with.
func (l *lane) heldSince(now, made time.Time) time.Time {
	down := l.breaker.downFrom
	if now.Sub(l.breaker.until) > breakerMost {
		return time.Time{}
	}
	if down.IsZero() || down.After(made) {
		return down
	}
	return made
}

// cold returns how many workers the lane has without having proven itself.
func (l *lane) cold() int {
	if l.proven {
		return 0
	}
	return len(l.running)
}

// quiet reports whether nothing of the lane is under way here.
func (l *lane) quiet() bool { return l.waiting == 0 && len(l.running) == 0 }
