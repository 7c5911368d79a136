package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

func TestAWebhooksStatusIsThatOfTheList(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		e := start(t, &endpoint{answer: down("down")}, with(q), unbatched, apps(named("works", "down", "idle")))
		for i := range 12 {
			emit(t, e, occupied(i))
		}
		time.Sleep(5 * time.Second)
		if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: "other/hook", Health: queue.Failing, Reason: "timeout"}); err != nil {
			t.Fatal(err)
		}
		all := statuses(t, e)
		if len(all) != 4 {
			t.Fatalf("%d are listed", len(all))
		}
		for _, want := range all {
			if got, err := e.Webhook(t.Context(), want.AppID, want.WebhookID); err != nil || got != want {
				t.Errorf("got %+v, %v; the list has %+v", got, err, want)
			}
		}
		for _, name := range [][2]string{{"my-app", "nobody"}, {"nobody", "works"}, {"my", "app/works"}, {"", ""}, {"other/hook", ""}, {"my-app", "works\x00"}} {
			if s, err := e.Webhook(t.Context(), name[0], name[1]); !errors.Is(err, ErrUnknownWebhook) || s != (WebhookStatus{}) {
				t.Errorf("%q: %+v, %v", name, s, err)
			}
		}
	})
}

func TestWebhookConfigHasTheDefaultsAndNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := testApp("https://user:secret-1@receiver.test/secret-2?token=secret-3")
		w := &a.Webhooks[0]
		w.Headers = Headers{"X-Token": "secret-4"}
		w.RateLimit.PerSecond = 2.5
		w.Retry.MaxElapsed = time.Hour
		w.Filter.ChannelNamespaces = []string{"eu"}
		e := start(t, &endpoint{}, apps(a))
		id := statuses(t, e)[0].WebhookID
		got, ok := e.WebhookConfig("my-app", id)
		if !ok || got.ID != id || got.URL != "https://REDACTED@receiver.test/REDACTED" || len(got.Headers) != 1 || got.Headers["X-Token"] != "REDACTED" {
			t.Errorf("got %v, %v", got, ok)
		}
		if want := (Retry{MaxElapsed: time.Hour, MaxAge: 2 * time.Hour, InitialBackoff: time.Second, MaxBackoff: time.Minute}); got.Retry != want {
			t.Errorf("retries: %+v", got.Retry)
		}
		if got.RequestTimeout != 10*time.Second || got.RateLimit.Burst != 3 {
			t.Errorf("timeout %v, limit %+v", got.RequestTimeout, got.RateLimit)
		}
		if text := fmt.Sprintf("%+v %q", got, map[string]string(got.Headers)); strings.Contains(text, "secret-") {
			t.Error(text)
		}
		got.Filter.ChannelNamespaces[0], got.EventTypes[0] = "x", "x" // it is a copy
		if again, _ := e.WebhookConfig("my-app", id); again.Filter.ChannelNamespaces[0] != "eu" || again.EventTypes[0] == "x" {
			t.Error("what was returned can be changed")
		}
		if w, ok := e.WebhookConfig("my-app", "nobody"); ok || w.ID != "" {
			t.Errorf("got %v", w)
		}
	})
}

func TestStatsHaveTheOutbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{})
		if s := e.Stats(); s.OutboxBytes != 0 || s.OutboxLimit != defaultOutboxBytes {
			t.Errorf("at first: %+v", s)
		}
		emit(t, e, occupied(1)) // it waits in a batch
		if s := e.Stats(); s.OutboxBytes == 0 {
			t.Errorf("with a batch: %+v", s)
		}
		drain(t, e)
		if s := e.Stats(); s.OutboxBytes != 0 {
			t.Errorf("at the end: %+v", s)
		}
	})
}

func TestDeadLettersAreListedBehindOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, _ := buried(t, &endpoint{}, deadLetterPage)
		all := found(t, e, DeadLetterQuery{})
		for _, n := range []int{0, 1, deadLetterPage - 1, deadLetterPage, len(all) - 2, len(all) - 1} {
			var last DeadLetterProgress
			got := found(t, e, DeadLetterQuery{After: all[n].ID, Progress: func(p DeadLetterProgress) { last = p }})
			if len(got) != len(all)-1-n || len(got) > 0 && got[0].ID != all[n+1].ID {
				t.Errorf("behind %d: %d dead letters", n, len(got))
			}
			if len(got) > 0 && last.Last != all[len(all)-1].ID {
				t.Errorf("the last is %q", last.Last)
			}
		}
		if _, err := e.Discard(t.Context(), DeadLetterQuery{After: all[0].ID}); err == nil {
			t.Error("After counts as a condition")
		}
		n, err := e.Replay(t.Context(), DeadLetterQuery{After: all[9].ID, IDs: []string{all[9].ID, all[10].ID}})
		if n != 1 || err != nil {
			t.Errorf("%d replayed behind the first of two: %v", n, err)
		}
	})
}

func TestAListOfDeadLettersEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, _ := buried(t, &endpoint{}, 2*deadLetterPage)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := 0
		for _, err := range e.DeadLetters(ctx, DeadLetterQuery{AppID: "nobody", Progress: func(p DeadLetterProgress) { seen = p.Seen; cancel() }}) {
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		if seen != deadLetterPage {
			t.Errorf("%d were looked through", seen)
		}
	})
}

func TestATestDeliveryTellsNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := testApp("https://receiver.test/secret-path")
		a.Webhooks[0].ID, a.Webhooks[0].Headers = "main", Headers{"X-Token": "secret-value"}
		echo := "you sent secret-value to /secret-path"
		e := start(t, &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			return dispatch.Outcome{Verdict: dispatch.Retry, Status: 400, Reason: "status", Response: echo, Err: errors.New(echo)}
		}}, apps(a))
		r, err := e.Test(t.Context(), "my-app", "main")
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(r.Outcome.Response, r.Outcome.Err); strings.Contains(text, "secret-") || !strings.Contains(text, "you sent REDACTED") {
			t.Errorf("the result says %q", text)
		}
	})
}
