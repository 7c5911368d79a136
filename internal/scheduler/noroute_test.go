package scheduler

import (
	"testing"
	"testing/synctest"
	"time"
)

// A webhook without a route, whose attempts fail at once before anything is sent, is a dead one too.
func TestALaneWithoutARouteCostsLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.healthy("good")
		w.set("noroute", unsent)
		w.start(20, 2)
		w.every(time.Second, 10*time.Minute, "good")
		for range 5000 {
			w.emit("noroute")
		}
		time.Sleep(time.Minute)
		if n := w.count("noroute"); n > 10_000 {
			t.Errorf("%d attempts in a minute; health %v", n, w.held("noroute").Health)
		}
		w.stop()
	})
}
