package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

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
