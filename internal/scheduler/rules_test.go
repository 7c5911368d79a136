package scheduler

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestRule1UntriedLanesRunOnHalfOfTheWorkers(t *testing.T) {
	t.Parallel()
	for workers, want := range map[int]int{1: 1, 2: 1, 3: 1, 20: 10, 400: 200} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.fallback = hangs
			w.set("healthy", takes(5*time.Millisecond))
			w.healthy("healthy")
			w.start(workers, 2)
			for _, lane := range names("new", 1000) {
				w.emit(lane)
			}
			time.Sleep(2 * time.Second)
			if n := w.runningNow(""); n != want {
				t.Errorf("%d workers: %d attempts of untried lanes, want %d", workers, n, want)
			}
			if workers > 1 {
				id := w.emit("healthy")
				time.Sleep(10 * time.Millisecond)
				if _, ok := w.settled[id]; !ok {
					t.Errorf("%d workers: a healthy lane waits", workers)
				}
			}
			w.stop()
		})
	}
}

func TestRule1TenThousandUntriedLanesAreDeliveredWithoutGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.fallback = takes(50 * time.Millisecond)
		w.start(20, 1)
		for _, lane := range names("new", 10_000) {
			w.emit(lane)
		}
		time.Sleep(60 * time.Second)
		if n := w.delivered(); n != 10_000 {
			t.Errorf("%d of 10,000 delivered within 60 s", n)
		}
		last := w.events()[len(w.events())-1]
		t.Logf("all after %v", last.end.Sub(w.events()[0].began))
		w.stop()
	})
}
