package lanes

import (
	"math"
	"time"
)

// ages counts ready jobs by when their age began, in steps of about a second, so that the oldest
// one is found without a look at all lanes. A step without jobs is not in it.
type ages map[int64]int

const (
	ageStep = 30 // bits of a step: 1.07 s

	// exactLanes is up to how many lanes are looked at for the exact age.
	exactLanes = 1000
)

// count adds n jobs whose age began at the time.
func (a ages) count(enqueued time.Duration, n int) {
	step := int64(enqueued) >> ageStep
	if n += a[step]; n == 0 {
		delete(a, step)
	} else {
		a[step] = n
	}
}

// oldest returns the beginning of the first step, or MaxInt64 if there are no jobs.
func (a ages) oldest() time.Duration {
	first := int64(math.MaxInt64)
	for step := range a {
		first = min(first, step)
	}
	if len(a) == 0 {
		return math.MaxInt64
	}
	return time.Duration(first << ageStep)
}
