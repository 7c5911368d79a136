package webhook

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestBacklogHasWorkersGiveWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b backlog
		waits := func(what string, want time.Duration) {
			t.Helper()
			began := time.Now()
			b.giveWay()
			if took := time.Since(began); took != want {
				t.Errorf("%s: a worker waited %v, want %v", what, took, want)
			}
		}
		for range backlogLimit - 1 {
			b.add()
		}
		waits("a call's worth", 0)
		b.add()
		waits("more than a call takes", giveWayTime)
		time.AfterFunc(5*time.Millisecond, func() { b.offered(backlogLimit) })
		waits("handed over meanwhile", 5*time.Millisecond)
		for range backlogLimit {
			b.add()
		}
		time.AfterFunc(5*time.Millisecond, func() { b.setAway(true) })
		waits("until the queue is away", 5*time.Millisecond)
		waits("while the queue is away", 0)
		b.setAway(false)
		waits("when it is back", giveWayTime)
	})
}

// Whatever the enqueuer does with batches, none of them counts twice or for good.
func TestBacklogEndsWithTheHandOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrFull)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, unbatched)
		for range 1000 {
			emit(t, e, ChannelOccupied("my-app", "ab"))
		}
		time.Sleep(time.Second)
		if n := e.outbox.backlog.fresh.Load(); n != 0 {
			t.Errorf("%d batches count as fresh, and all were offered", n)
		}
		q.set(laneA, nil)
		if err := e.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n := e.outbox.backlog.fresh.Load(); n != 0 {
			t.Errorf("%d batches count as fresh, and all were handed over", n)
		}
	})
}
