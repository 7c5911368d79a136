// Package limits holds the upper bounds of what options and calls may ask for. They are far above
// what is of use, and far enough below the largest numbers that sums and small multiples of them do
// not overflow.
package limits

import (
	"fmt"
	"time"
)

// Upper bounds.
const (
	Count = 1_000_000_000             // of jobs and the like
	Bytes = 1 << 40                   // of room: 1 TiB
	Lease = 365 * 24 * time.Hour      // of a job
	Age   = 10 * 365 * 24 * time.Hour // of what is kept
	// of a job that is given back: a longer one is shortened to it
	Delay = 365 * 24 * time.Hour
)

// Problem says what is wrong with a number that has to be from low to high, "" if nothing is.
func Problem[N int | int64 | time.Duration](n, low, high N) string {
	switch {
	case n < low:
		return fmt.Sprintf("is %v; it must be at least %v", n, low)
	case n > high:
		return fmt.Sprintf("is %v; it must be at most %v", n, high)
	}
	return ""
}
