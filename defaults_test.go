package webhook

import (
	"testing"
	"time"
)

func TestDefaultsFillACopy(t *testing.T) {
	t.Parallel()
	var o Options
	d := o.withDefaults()
	if o.Workers != 0 || o.Logger != nil {
		t.Error("withDefaults changed its receiver")
	}
	if d.Batching != (Batching{Duration: 50 * time.Millisecond, Size: 100, Bytes: 200 << 10}) {
		t.Errorf("batching is %+v", d.Batching)
	}
	if d.Retry != (Retry{MaxElapsed: 5 * time.Minute, InitialBackoff: time.Second, MaxBackoff: time.Minute}) {
		t.Errorf("retry is %+v", d.Retry)
	}
	if d.RequestTimeout != 10*time.Second || d.Workers != 20 || d.Pollers != 1 || d.OutboxBytes != 24<<20 || d.Logger == nil {
		t.Errorf("options are %+v", d)
	}
}

func TestDefaultsKeepWhatIsSet(t *testing.T) {
	t.Parallel()
	o := Options{Batching: Batching{Size: -1}, Workers: 3, RequestTimeout: time.Second, Debounce: 3 * time.Second}
	d := o.withDefaults()
	if d.Batching.Size != -1 || d.Workers != 3 || d.RequestTimeout != time.Second || d.Debounce != 3*time.Second {
		t.Errorf("options are %+v", d)
	}
}

func TestRetryTakesWhatIsMissingFromTheDefaults(t *testing.T) {
	t.Parallel()
	defaults := Retry{MaxAttempts: 7, MaxElapsed: time.Minute, InitialBackoff: time.Second, MaxBackoff: 10 * time.Second}
	off := Retry{MaxAttempts: 1}
	tests := []struct {
		name              string
		own, from, expect Retry
	}{
		{"nothing set", Retry{}, defaults, defaults},
		{"one set", Retry{MaxAttempts: 2}, defaults, Retry{MaxAttempts: 2, MaxElapsed: time.Minute, InitialBackoff: time.Second, MaxBackoff: 10 * time.Second}},
		{"a long first backoff lifts the longest", Retry{InitialBackoff: time.Minute}, defaults, Retry{MaxAttempts: 7, MaxElapsed: time.Minute, InitialBackoff: time.Minute, MaxBackoff: time.Minute}},
		{"a short longest backoff lowers the first", Retry{MaxBackoff: time.Millisecond}, defaults, Retry{MaxAttempts: 7, MaxElapsed: time.Minute, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond}},
		{"off by default", Retry{}, off, off},
		{"off for one", Retry{MaxAttempts: 1}, defaults, Retry{MaxAttempts: 1, MaxElapsed: time.Minute, InitialBackoff: time.Second, MaxBackoff: 10 * time.Second}},
		{"no limit for one", Retry{MaxAttempts: -1}, off, Retry{MaxAttempts: -1}},
		{"enabled over no retries", Retry{unlessOne: true}, off, Retry{MaxAttempts: -1}},
		{"enabled over a limit", Retry{unlessOne: true}, defaults, defaults},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.own.or(tt.from); got != tt.expect {
				t.Errorf("got %+v, want %+v", got, tt.expect)
			}
		})
	}
}
