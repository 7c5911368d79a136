package scheduler

import (
	"math"
	"time"
)

// maxPerSecond is the rate from which on a limit is none: no process makes as many attempts.
const maxPerSecond = 1e6

// bucket is the token bucket of a rate limit. Its zero value limits nothing.
type bucket struct {
	perSecond, burst float64 // perSecond is 0 without a limit
	tokens           float64 // at the time
	at               time.Time
}

func (b *bucket) limits() bool { return b.perSecond > 0 }

// set has b keep another limit, and reports whether that is another one. A first limit begins with
// a full bucket.
func (b *bucket) set(r Rate, now time.Time) bool {
	if !(r.PerSecond > 0 && r.PerSecond < maxPerSecond) { // NaN is none
		changed := b.limits()
		*b = bucket{}
		return changed
	}
	burst := float64(r.Burst)
	if burst < 1 {
		burst = math.Ceil(r.PerSecond)
	}
	if b.perSecond == r.PerSecond && b.burst == burst {
		return false
	}
	tokens := burst
	if b.limits() {
		tokens = min(b.available(now), burst)
	}
	*b = bucket{perSecond: r.PerSecond, burst: burst, tokens: tokens, at: now}
	return true
}

// available returns the tokens at a time that is not before the last call's.
func (b *bucket) available(at time.Time) float64 {
	return min(b.burst, b.tokens+b.perSecond*max(0, at.Sub(b.at).Seconds()))
}

// whole returns the whole tokens at a time that is not before the last call's.
func (b *bucket) whole(at time.Time) int { return int(b.available(at) + 1e-6) }

// take takes a token.
func (b *bucket) take(now time.Time) {
	b.tokens, b.at = b.available(now)-1, now
}

// next returns when there will be a token.
func (b *bucket) next(now time.Time) time.Time {
	if b.whole(now) > 0 {
		return now
	}
	seconds := min((1-b.available(now))/b.perSecond, 3600) // who waits looks again
	return now.Add(time.Duration(math.Ceil(seconds*1e9)) + 1)
}
