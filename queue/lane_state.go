package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/pushhooks/webhook/internal/oneline"
)

// Health is what a queue knows of a lane's endpoint.
type Health int

const (
	// Untried is the health of a lane that has neither succeeded nor failed yet, as far as is
	// known.
	Untried Health = iota
	// Healthy is the health of a lane after an Ack.
	Healthy
	// Failing is the health of a lane after a SetLane with Failing, until the next Ack.
	Failing
)

// String returns "untried", "healthy" or "failing".
func (h Health) String() string {
	switch h {
	case Untried:
		return "untried"
	case Healthy:
		return "healthy"
	case Failing:
		return "failing"
	}
	return fmt.Sprintf("Health(%d)", int(h))
}

// Limits of a LaneUpdate.
const (
	MaxHold        = 5 * time.Minute // longer holds are shortened to this
	MaxReasonBytes = 256             // longer reasons are cut, and end in "…"
)

// LaneUpdate is a change of a lane's state.
type LaneUpdate struct {
	Lane string

	// Health is Failing, or Untried, which forgets everything about the lane and ends a hold. Only
	// an Ack makes a lane Healthy.
	Health Health

	// Hold, with Failing, is for how long the lane yields no jobs; 0 changes no hold. It is at most
	// MaxHold.
	Hold time.Duration

	// Since is the lease whose failure began this row of failures. It is zero when a person
	// decides; then H3 and H4 refuse nothing.
	Since Lease

	// For is how long ago the row of failures began; 0 is now. It sets LaneInfo.Since where the
	// lane becomes Failing, and changes nothing where it is already.
	For time.Duration

	// Reason tells people why the lane fails, on one line of at most MaxReasonBytes.
	Reason string
}

// Checked returns u with Hold and Reason within their limits, or an error that names the field that
// cannot be used. Drivers call it first.
func (u LaneUpdate) Checked() (LaneUpdate, error) {
	switch {
	case u.Lane == "":
		return u, fmt.Errorf("queue: LaneUpdate.Lane is empty: it must name a lane")
	case u.Health != Failing && u.Health != Untried:
		return u, fmt.Errorf("queue: LaneUpdate.Health is %v: it must be failing or untried", u.Health)
	case u.Hold < 0:
		return u, fmt.Errorf("queue: LaneUpdate.Hold is %v: it must not be negative", u.Hold)
	case u.Health == Untried && u.Hold > 0:
		return u, fmt.Errorf("queue: LaneUpdate.Hold is %v: an untried lane is not held", u.Hold)
	case u.For < 0:
		return u, fmt.Errorf("queue: LaneUpdate.For is %v: it must not be negative", u.For)
	}
	u.Hold = min(u.Hold, MaxHold)
	u.Reason = oneline.Cut(u.Reason, MaxReasonBytes)
	return u, nil
}

// LaneInfo is a lane's state at one moment. Times are by this process's clock.
type LaneInfo struct {
	Lane   string
	Ready  int           // ready jobs, those of a held lane included
	Oldest time.Duration // age of the oldest ready job; 0 if there is none

	Health Health
	// when Health became what it is, or when the failures began that made it Failing; zero while
	// Untried
	Since     time.Time
	HeldUntil time.Time // when the hold ends or ended, if the lane is held; else zero
	Holds     int       // holds since the last Ack
	Reason    string    // of the last SetLane, while Failing

	Delayed int   // delayed jobs; -1 where the store cannot tell at no cost
	Leased  int   // leased jobs; -1 likewise
	Bytes   int64 // Data of all jobs; -1 likewise
	Dead    int   // dead letters of the lane; -1 likewise
}

// LaneLister is implemented by drivers that can list their lanes, which all drivers of this module
// except None can.
type LaneLister interface {
	// Lanes lists up to limit lanes that have jobs, a state or dead letters, in the order of their
	// names (by bytes), beginning after the name after; "" begins with the first.
	Lanes(ctx context.Context, after string, limit int) ([]LaneInfo, error)
}
