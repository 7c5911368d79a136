package scheduler

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	failingCost   = 1.0  // timeouts since the last success: a healthy lane is failing from then on
	holdCost      = 3.0  // the same: it is held
	holdCostFirst = 1.0  // the same, for a lane that has never succeeded
	costSlack     = 0.02 // timers and clocks are not exact

	holdRow     = 10          // failures in a row: the lane is held
	holdSample  = 20          // or, of at least so many attempts
	holdPercent = 60          // this share failed
	holdWindow  = time.Minute // within this time
)

// failures is what a lane's failures since its last success have cost, and how many attempts of the
// last minute failed. The time of an attempt is that of its end.
type failures struct {
	count int         // counted attempts
	cost  float64     // in timeouts
	since queue.Lease // of the first one
	first time.Time   // when that one ended

	succeededSeq uint64 // the newest lease that succeeded

	halves [2]tally  // the current and the last half of the window
	began  time.Time // of the current half
}

type tally struct{ ok, failed int }

// succeeded notes a success, which ends the row of failures.
func (f *failures) succeeded(seq uint64, now time.Time) {
	f.count, f.cost, f.since, f.first = 0, 0, queue.Lease{}, time.Time{}
	f.succeededSeq = max(f.succeededSeq, seq)
	f.half(now).ok++
}

// failed notes a failed attempt; sent reports that it is a counted one. A failure whose lease is
// older than one that has succeeded begins no row and lengthens none: the endpoint works since
// (H4).
func (f *failures) failed(t *Task, sent bool, now time.Time) {
	if sent {
		f.half(now).failed++
	}
	if t.seq < f.succeededSeq {
		return
	}
	if f.since.Receipt == "" {
		f.since, f.first = t.since(), now
	}
	f.cost += t.cost()
	if sent {
		f.count++
	}
}

// forget begins a new row and a new minute.
func (f *failures) forget() {
	*f = failures{succeededSeq: f.succeededSeq}
}

// costs reports whether the failures have cost this many timeouts.
func (f *failures) costs(timeouts float64) bool { return f.cost >= timeouts-costSlack }

// mostlyFailed reports whether too many attempts of the last minute failed.
func (f *failures) mostlyFailed() bool {
	failed := f.halves[0].failed + f.halves[1].failed
	all := failed + f.halves[0].ok + f.halves[1].ok
	return all >= holdSample && 100*failed >= holdPercent*all
}

// recent reports whether the last minute had failures.
func (f *failures) recent(now time.Time) bool {
	return now.Sub(f.began) < holdWindow && f.halves[0].failed+f.halves[1].failed > 0
}

// half returns the tally of the current half of the window.
func (f *failures) half(now time.Time) *tally {
	switch age := now.Sub(f.began); {
	case age >= holdWindow:
		f.halves, f.began = [2]tally{}, now
	case age >= holdWindow/2:
		f.halves, f.began = [2]tally{{}, f.halves[0]}, f.began.Add(holdWindow/2)
	}
	return &f.halves[0]
}
