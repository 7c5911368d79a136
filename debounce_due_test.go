package webhook

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Ninety thousand departures are due at once, and a Trace function is slow: Emit does not wait, and
// Close returns in time.
func TestManyDeparturesThatAreDueTogetherHoldUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{}, outboxOf(64<<20), func(o *Options) {
			o.Debounce = time.Second
			o.Trace = &Trace{Emitted: func(i EmittedInfo) {
				if i.Event.Type == TypeChannelVacated {
					time.Sleep(10 * time.Millisecond)
				}
			}}
		})
		for i := range 90_000 {
			emit(t, e, ChannelVacated("my-app", fmt.Sprint("c", i)))
		}
		time.Sleep(2 * time.Second) // they are being released, one in ten milliseconds
		began := time.Now()
		for i := range 1000 {
			emit(t, e, occupied(i), ChannelOccupied("my-app", fmt.Sprint("c", 80_000+i)))
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("2,000 Emits took %v", took)
		}
		flushed, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Flush(flushed); err != nil {
			t.Errorf("Flush: %v", err)
		}
		_ = endsInTime(t, e, true)
		checkTotals(t, e)
		time.Sleep(time.Hour)
	})
}
