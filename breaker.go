package webhook

import "time"

// BreakerState is the state of a webhook's circuit breaker.
type BreakerState uint8

const (
	// BreakerClosed lets attempts through: the endpoint is fine, as far as is known.
	BreakerClosed BreakerState = iota
	// BreakerOpen lets none through: the endpoint failed too often. Its jobs wait in the queue.
	BreakerOpen
	// BreakerHalfOpen lets one attempt through, the probe, which decides.
	BreakerHalfOpen
)

// String returns "closed", "open" or "half-open".
func (s BreakerState) String() string {
	return [...]string{"closed", "open", "half-open"}[s]
}

const (
	breakerRow     = 10          // so many failures in a row open a breaker,
	breakerSample  = 20          // or this share of at least so many attempts
	breakerPercent = 60          //
	breakerWindow  = time.Minute // within this time
	breakerFirst   = 10 * time.Second
	breakerMost    = 2 * time.Minute
)

// breaker is the circuit breaker of one webhook. The time of an attempt is that of its end.
type breaker struct {
	row      int       // failures since the last success
	halves   [2]tally  // of the current and the last half of the window
	began    time.Time // the current half
	openFor  time.Duration
	until    time.Time // when it is half-open; zero while closed
	downFrom time.Time // when it opened after having been closed; zero while closed
}

type tally struct{ ok, failed int }

func (b *breaker) state(now time.Time) BreakerState {
	switch {
	case b.until.IsZero():
		return BreakerClosed
	case now.Before(b.until):
		return BreakerOpen
	}
	return BreakerHalfOpen
}

// succeeded notes a delivery. One that had begun before the breaker opened doesn't close it; the probe does.
func (b *breaker) succeeded(now time.Time) {
	switch b.state(now) {
	case BreakerClosed:
		b.row = 0
		b.half(now).ok++
	case BreakerHalfOpen:
		*b = breaker{}
	}
}

// failed notes a failed attempt, and opens the breaker if it was one too many.
func (b *breaker) failed(now time.Time) {
	switch b.state(now) {
	case BreakerClosed:
		b.row++
		b.half(now).failed++
		if b.row >= breakerRow || b.mostlyFails() {
			b.downFrom = now
			b.open(now)
		}
	case BreakerHalfOpen:
		b.open(now)
	}
}

func (b *breaker) open(now time.Time) {
	b.openFor = min(max(2*b.openFor, breakerFirst), breakerMost)
	b.until = now.Add(b.openFor)
}

func (b *breaker) mostlyFails() bool {
	failed := b.halves[0].failed + b.halves[1].failed
	all := failed + b.halves[0].ok + b.halves[1].ok
	return all >= breakerSample && 100*failed >= breakerPercent*all
}

// half returns the tally of the current half of the window.
func (b *breaker) half(now time.Time) *tally {
	switch age := now.Sub(b.began); {
	case age >= breakerWindow:
		b.halves, b.began = [2]tally{}, now
	case age >= breakerWindow/2:
		b.halves, b.began = [2]tally{{}, b.halves[0]}, b.began.Add(breakerWindow/2)
	}
	return &b.halves[0]
}
