package webhook

import (
	"fmt"
	"testing"
	"time"
)

// 90,000 departures are due together, and delivering each takes 20 µs. It prints how long an Emit
// waits at most meanwhile.
func BenchmarkDebounceRelease(b *testing.B) {
	deliver := func(*Event, *forms, []*hook, emitMode) {
		for began := time.Now(); time.Since(began) < 20*time.Microsecond; {
		}
	}
	longest := time.Duration(0)
	for range b.N {
		d := newDebouncer(debouncerConfig{
			departureDelay: time.Second,
			admit:          func(hooks []*hook, _ int64, _ emitMode) ([]*hook, error) { return hooks, nil },
			deliver:        deliver,
			cancel:         func([]*hook, int64) {},
			suppress:       func() {},
		})
		take := func(channel string) {
			ev := ChannelVacated("my-app", channel)
			if _, err := d.take(&ev, &app{}, []*hook{{}}, emitMode{}); err != nil {
				b.Fatal(err)
			}
		}
		for i := range 90_000 {
			take(fmt.Sprint("channel-", i))
		}
		released := make(chan struct{})
		go func() {
			defer close(released)
			d.release(&d.departures, time.Now().Add(time.Second))
		}()
		for i := 0; ; i++ {
			began := time.Now()
			take(fmt.Sprint("other-", i))
			longest = max(longest, time.Since(began))
			time.Sleep(time.Millisecond)
			select {
			case <-released:
			default:
				continue
			}
			break
		}
	}
	b.ReportMetric(float64(longest.Microseconds()), "longest-wait-µs")
}
