package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

func TestLanesOfDeadWebhooksAreNotLookedAtForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(status(500))}
		list := manyApps("app", 100)
		e := start(t, to, apps(list...), unbatched)
		for _, a := range list {
			for range 12 {
				emit(t, e, ChannelOccupied(a.ID, "c"))
			}
		}
		drain(t, e)
		for _, a := range list {
			e.RemoveApp(a.ID)
		}
		time.Sleep(24 * time.Hour)
		e.pool.mu.Lock()
		n := len(e.pool.active)
		e.pool.mu.Unlock()
		if n > 0 {
			t.Errorf("a day after 100 apps were removed, %d lanes count as active and go into every Want", n)
		}
	})
}

func TestAnAttemptFromBeforeTheOpeningDecidesNothing(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var l lane
	l.share = 15
	old := &task{began: now}
	l.begin(old)
	for range breakerRow {
		f := &task{began: now}
		l.begin(f)
		l.end(f, now, wentBadly, 20)
	}
	if l.breaker.state(now) != BreakerOpen {
		t.Fatal("not open")
	}
	later := now.Add(12 * time.Second)
	l.end(old, later, wentWell, 20)
	if l.breaker.state(later) == BreakerClosed {
		t.Error("an attempt from before the opening closed the breaker; no probe was made")
	}
}

func TestANewRateLimitIsUsedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		app := testApp("http://receiver.test/hook")
		app.Webhooks[0].RateLimit = RateLimit{PerSecond: 0.001}
		e := start(t, to, apps(app), unbatched)
		emit(t, e, occupied(1), occupied(2))
		time.Sleep(time.Second)
		app.Webhooks[0].RateLimit = RateLimit{}
		if err := e.SetApp(app); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(to.got()); n != 2 {
			t.Errorf("%d of 2 delivered a minute after the limit was lifted", n)
		}
	})
}

func TestAPassing413IsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(dispatch.Outcome{Verdict: dispatch.TooLarge, Status: 413, Reason: "too_large"}, status(200))}
		e := start(t, to)
		emit(t, e, occupied(1), occupied(2))
		drain(t, e)
		time.Sleep(24 * time.Hour)
		before := len(to.got())
		for i := range 100 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if n := len(to.got()) - before; n > 10 {
			t.Errorf("a day later 100 events of one window take %d requests", n)
		}
	})
}
