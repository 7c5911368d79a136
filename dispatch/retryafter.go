package dispatch

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds what a receiver can ask for, so that adding it to a time never overflows.
const maxRetryAfter = 365 * 24 * time.Hour

// retryAfter reads the Retry-After header of an answer that came at now: how long to leave the
// receiver alone, in whole seconds and never less than it asked for; 0 if it asked for nothing, for
// a moment that is past, or for nothing that can be understood.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if isDigits(value) {
		return secondsDelay(value)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return wholeSeconds(at.Sub(answeredAt(h, now)))
}

// answeredAt is the answer's time by the receiver's own clock where it says so: a date in
// Retry-After is by that clock too, and ours may be minutes off.
func answeredAt(h http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date
	}
	return now
}

func isDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

func secondsDelay(digits string) time.Duration {
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n > uint64(maxRetryAfter/time.Second) {
		return maxRetryAfter
	}
	return time.Duration(n) * time.Second
}

// wholeSeconds rounds d up to a second and keeps it between 0 and maxRetryAfter.
func wholeSeconds(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	if d > maxRetryAfter-time.Second {
		return maxRetryAfter
	}
	return (d + time.Second - 1).Truncate(time.Second)
}
