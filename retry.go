package webhook

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is a delay that doubles from first up to max, with up to 25 % added at random.
type backoff struct{ first, max time.Duration }

// delay returns the delay after the nth failure in a row, n from 1.
func (b backoff) delay(n int) time.Duration {
	d := b.max
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

// defaultMaxAge is Retry.MaxAge where it is not set, unless twice the budget is more.
const defaultMaxAge = time.Hour

// maxAge returns how old a job may be and still be tried.
func (r Retry) maxAge() time.Duration {
	if r.MaxAge > 0 {
		return r.MaxAge
	}
	return max(defaultMaxAge, 2*r.MaxElapsed)
}

// exhausted reports whether this many attempts are all that a job gets.
func (r Retry) exhausted(attempts int) bool {
	return r.MaxAttempts > 0 && attempts >= r.MaxAttempts
}

// delay returns the backoff after the given number of failed attempts, when so much of the budget
// is left. A backoff that would end later ends with the budget.
func (r Retry) delay(attempts int, left time.Duration) time.Duration {
	d := backoff{r.InitialBackoff, r.MaxBackoff}.delay(attempts)
	if d <= left {
		return d
	}
	// Stores count milliseconds, and the last attempt must not begin before the budget's end.
	return max(0, (left + time.Millisecond - 1).Truncate(time.Millisecond))
}
