package dispatch

import (
	"net/http"
	"testing"
	"time"
)

func TestFault14RetryAfterForms(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 250_000_000, time.UTC)
	for _, tc := range []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"1", "", time.Second},
		{"120", "", 2 * time.Minute},
		{" 7 ", "", 7 * time.Second},
		{"007", "", 7 * time.Second},
		{"31536000", "", maxRetryAfter},
		{"31536001", "", maxRetryAfter},
		{"9223372036854775807", "", maxRetryAfter},
		{"99999999999999999999999999", "", maxRetryAfter},
		{"-1", "", 0},
		{"+1", "", 0},
		{"1.5", "", 0},
		{"1e3", "", 0},
		{"0x10", "", 0},
		{"soon", "", 0},
		{"120, 60", "", 0},
		{"\u0661\u0662", "", 0},
		{"Fri, 01 May 2026 12:00:10 GMT", "", 10 * time.Second}, // 9.75 s, never early
		{"Friday, 01-May-26 12:00:10 GMT", "", 10 * time.Second},
		{"Fri May  1 12:00:10 2026", "", 10 * time.Second},
		{"Fri, 01 May 2026 12:00:00 GMT", "", 0},
		{"Fri, 01 May 2026 11:59:00 GMT", "", 0},
		{"Fri, 31 Dec 9999 23:59:59 GMT", "", maxRetryAfter},
		{"Mon, 01 Jan 0001 00:00:00 GMT", "", 0},
		{"Fri, 32 May 2026 12:00:10 GMT", "", 0},
		// The receiver's clock is five minutes behind.
		{"Fri, 01 May 2026 11:55:30 GMT", "Fri, 01 May 2026 11:55:00 GMT", 30 * time.Second},
		{"Fri, 01 May 2026 12:00:10 GMT", "yesterday", 10 * time.Second},
	} {
		h := http.Header{"Retry-After": {tc.value}, "Date": {tc.date}}
		if got := retryAfter(h, now); got != tc.want {
			t.Errorf("Retry-After %q (Date %q) is %v, want %v", tc.value, tc.date, got, tc.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"120", "-1", "99999999999999999999", "Fri, 01 May 2026 12:00:10 GMT", "soon"} {
		f.Add(s, "", int64(1_777_636_800))
	}
	f.Fuzz(func(t *testing.T, value, date string, unix int64) {
		now := time.Unix(unix, 1)
		got := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now)
		if got < 0 || got > maxRetryAfter || got%time.Second != 0 {
			t.Fatalf("Retry-After %q is %v", value, got)
		}
		at, err := http.ParseTime(value)
		if err == nil && date == "" && got < maxRetryAfter && now.Add(got).Before(at) {
			t.Fatalf("Retry-After %q at %v is %v: early", value, now, got)
		}
	})
}
