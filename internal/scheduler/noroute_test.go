package scheduler

import (
	"testing"
	"testing/synctest"
	"time"
)

// Three webhooks without a route have a process with little traffic suspect itself again and again.
// Its other webhooks, which work, must not pay for that.
func TestAFewHostsWithoutARouteDelayNoRareEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.healthy("good")
		dead := names("noroute", 3)
		for _, lane := range dead {
			w.set(lane, unsent)
			w.emit(lane)
		}
		w.start(20, 2)
		w.every(47*time.Second, time.Hour, "good")
		time.Sleep(time.Hour)
		waits := w.waits("good")
		late := 0
		for _, d := range waits {
			if d > 2*time.Second {
				late++
			}
		}
		if late > len(waits)/10 {
			t.Errorf("%d of %d events of a webhook that works waited for more than 2 s, the last %v", late, len(waits), waits[len(waits)-1])
		}
		w.stop()
	})
}
