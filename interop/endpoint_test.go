package interop

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
)

const (
	appID      = "my-app"
	hook       = "http://receiver.test/hook"
	customType = webhook.EventType("server_started")
)

var (
	oldKey = webhook.Key{Key: "old-key", Secret: "old-secret"}
	newKey = webhook.Key{Key: "new-key", Secret: "new-secret"}
)

var (
	delivered = dispatch.Outcome{Verdict: dispatch.Delivered, Status: http.StatusOK}
	down      = dispatch.Outcome{Verdict: dispatch.Retry, Status: http.StatusBadGateway, Reason: "status", Err: errors.New("status 502")}
	gone      = dispatch.Outcome{Verdict: dispatch.Stop, Status: http.StatusGone, Reason: "gone", Err: errors.New("status 410")}
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// attempt is one request as a receiver gets it.
type attempt struct {
	header   http.Header
	body     []byte
	at       time.Time
	accepted bool
}

// endpoint is a dispatch.Sender that records, and answers as it was last told.
type endpoint struct {
	mu       sync.Mutex
	answer   dispatch.Outcome
	attempts []attempt
}

func (to *endpoint) Send(_ context.Context, r *dispatch.Request) dispatch.Outcome {
	to.mu.Lock()
	defer to.mu.Unlock()
	accepted := to.answer.Verdict == dispatch.Delivered
	to.attempts = append(to.attempts, attempt{r.Header, r.Body, time.Now(), accepted})
	return to.answer
}

func (to *endpoint) answers(o dispatch.Outcome) {
	to.mu.Lock()
	defer to.mu.Unlock()
	to.answer = o
}

// app is the app of the tests, with one webhook that wants every type, and with the first key to
// sign.
func app(url string, keys ...webhook.Key) webhook.App {
	return webhook.App{
		ID: appID, Key: keys[0].Key, Secret: keys[0].Secret, PreviousKeys: keys[1:],
		Webhooks: []webhook.Webhook{{
			URL: url,
			EventTypes: []webhook.EventType{
				webhook.TypeChannelOccupied, webhook.TypeChannelVacated,
				webhook.TypeMemberAdded, webhook.TypeMemberRemoved, webhook.TypeMemberUpdated,
				webhook.TypeClientEvent, webhook.TypeCacheMiss, webhook.TypeSubscriptionCount,
				customType,
			},
			Retry: webhook.Retry{MaxElapsed: time.Hour},
		}},
	}
}

// start makes an emitter whose attempts go to the sender.
func start(t *testing.T, url string, to dispatch.Sender, batching webhook.Batching) *webhook.Emitter {
	t.Helper()
	e, err := webhook.New(webhook.Options{
		Apps:             []webhook.App{app(url, oldKey)},
		HTTP:             to,
		EventTypes:       []webhook.EventType{customType},
		Batching:         batching,
		StandardWebhooks: true,
		Logger:           slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func emit(t *testing.T, e *webhook.Emitter, events []webhook.Event) {
	t.Helper()
	for _, event := range events {
		if err := e.Emit(event); err != nil {
			t.Fatalf("Emit(%+v): %v", event, err)
		}
	}
}

// finish ends the emitter when it has delivered everything.
func finish(t *testing.T, e *webhook.Emitter) {
	t.Helper()
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// story is what happens to the events after they were emitted.
type story func(t *testing.T, e *webhook.Emitter, to *endpoint)

// tell lives through the story in virtual time, and returns every attempt that was made.
func tell(t *testing.T, events []webhook.Event, batching webhook.Batching, first dispatch.Outcome, then story) []attempt {
	t.Helper()
	to := &endpoint{answer: first}
	synctest.Test(t, func(t *testing.T) {
		e := start(t, hook, to, batching)
		emit(t, e, events)
		then(t, e, to)
		finish(t, e)
	})
	return to.attempts
}
