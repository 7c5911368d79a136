package scheduler

import (
	"context"
	"math/rand/v2"
	"time"
)

// queueBackoff is the pause after a call of the queue that failed.
var queueBackoff = backoff{first: 20 * time.Millisecond, max: time.Second}

// backoff is a delay that doubles from first up to max, with up to 25 % added at random.
type backoff struct{ first, max time.Duration }

// delay returns the delay after the nth failure in a row, n from 1.
func (b backoff) delay(n int) time.Duration {
	d := doubled(b.first, n-1, b.max)
	return d + rand.N(d/4+1)
}

// doubled returns d doubled n times, at most limit.
func doubled(d time.Duration, n int, limit time.Duration) time.Duration {
	for ; n > 0 && d < limit; n-- {
		d *= 2
	}
	return min(d, limit)
}

// sleep waits out the delay after the nth failure, and reports false if ctx ended before.
func (b backoff) sleep(ctx context.Context, n int) bool { return sleep(ctx, b.delay(n)) }

// sleep waits for the time, and reports false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
