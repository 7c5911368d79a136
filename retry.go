package webhook

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is a delay that doubles from first up to most, with up to 25 % added at random.
type backoff struct{ first, most time.Duration }

// delay returns the delay after the nth failure in a row, n from 1.
func (b backoff) delay(n int) time.Duration {
	d := b.most
	if n < 32 && b.first<<(n-1)>>(n-1) == b.first {
		d = min(d, b.first<<(n-1))
	}
	return d + rand.N(d/4+1)
}

// sleep waits out the delay after the nth failure, and reports false if ctx ended before.
func (b backoff) sleep(ctx context.Context, n int) bool {
	timer := time.NewTimer(b.delay(n))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// next returns the delay before the attempt that follows the given number of failed ones, or false if there is
// to be none: the number or the budget, which began at first, is used up. floor is what the receiver asked for.
func (r Retry) next(attempts int, first, now time.Time, floor time.Duration) (time.Duration, bool) {
	if r.Disabled || r.MaxAttempts > 0 && attempts >= r.MaxAttempts {
		return 0, false
	}
	delay := max(floor, backoff{r.InitialBackoff, r.MaxBackoff}.delay(attempts))
	return delay, now.Sub(first)+delay <= r.MaxElapsed
}
