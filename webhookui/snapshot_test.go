package webhookui

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheQueueIsAwayAndThePageAnswers(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q := &awayQueue{Memory: memory(t)}
			s := newSite(t, q, Options{}, outcomes{}, app("hook"))
			away := func(is bool) {
				if hangs {
					q.hangs.Store(is)
				} else {
					q.away.Store(is)
				}
			}
			quick := func(address string, limit time.Duration) answer {
				began := time.Now()
				a := s.get(address)
				if d := time.Since(began); d > limit {
					t.Errorf("%s took %v (hangs: %v)", address, d, hangs)
				}
				return a
			}
			away(true)
			a := quick("/", firstWait)
			a.wants(t, 200, "The queue cannot be reached", "icon-problem.svg", `Waiting in the queue</dt><dd class="figure">unknown`)
			quick("/webhook?app=my-app&id=hook", pageTime).wants(t, 200, "The queue cannot be reached", "channel_occupied", "icon-problem.svg")
			s.follow(t, s.post("/resume", form("hook"))).wants(t, 200, "The webhook was not resumed.")

			away(false)
			time.Sleep(time.Minute)
			quick("/", firstWait).wants(t, 200, "All is well")

			// Whoever knows how things were is shown that, with its age.
			away(true)
			time.Sleep(time.Minute)
			quick("/", laterWait)
			time.Sleep(askTime + time.Second)
			a = quick("/", laterWait)
			a.wants(t, 200, "The queue cannot be reached", "The webhooks below are as they were <time", "1 m 3 s ago", "hook</a>")
			away(false)
			time.Sleep(time.Minute)
			s.get("/")
		})
	}
}

// All who look share a snapshot of a second, and one that is begun after a change shows it.
func TestASnapshotIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &countingQueue{Queue: memory(t)}
		s := newSite(t, q, Options{}, outcomes{}, app("hook"))
		before := q.all.Load()
		lists := func(want int64) {
			t.Helper()
			if n := q.all.Load() - before; n != want {
				t.Errorf("listed %d times, want %d", n, want)
			}
			before = q.all.Load()
		}
		for range 3 {
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() { s.get("/") })
			}
			all.Wait()
			lists(1) // there is one webhook, which the queue has nothing of
			s.get("/")
			lists(0)
			time.Sleep(minServes)
		}
		s.get("/")
		lists(1)
		s.post("/resume", form("hook"))
		s.get("/")
		s.get("/")
		lists(1)
	})
}

func TestANilSnapshotIsUnknown(t *testing.T) {
	t.Parallel()
	data := overviewPage(page{Heading: "Webhooks"}, nil, nil)
	text, status := render("overview.html", data, 200)
	if status != 200 {
		t.Fatalf("%s", text)
	}
	a := answer{text: string(text)}
	a.lacks(t, "All is well")
	if data.Mark != "unknown" {
		t.Error(data.Mark)
	}
}
