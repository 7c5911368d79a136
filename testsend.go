package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// TestResult is what came of a test delivery.
type TestResult struct {
	JobID    string // sent as Webhook-Id
	Body     []byte // what was sent
	Duration time.Duration
	Outcome  dispatch.Outcome // what the receiver answered
}

// Test makes one delivery of a made-up event to a webhook, for a "send a test" button: signed, with
// the webhook's headers, through the middleware, and at once. It goes past the queue, its holds and
// the counts, and it is never retried. The event is of the first type that the webhook wants, on a
// channel named webhook-test with the filter's prefix and suffix; without a prefix it has one of
// the type's channels, such as presence-webhook-test for member_added.
//
// The error is ErrUnknownApp or ErrClosed, or says that the app has no such webhook; what the
// receiver makes of it is in the result, without what it repeats of the app's secrets, of header
// values and of the URL.
func (e *Emitter) Test(ctx context.Context, appID, webhookID string) (*TestResult, error) {
	if e.closed.Load() {
		return nil, ErrClosed
	}
	a := e.apps.get(appID)
	if a == nil {
		return nil, fmt.Errorf("%w: app_id %q is not configured", ErrUnknownApp, shorten(appID))
	}
	h := a.hook(webhookID)
	if h == nil {
		return nil, fmt.Errorf("webhook: app %q has no webhook %q; it has %v", appID, shorten(webhookID), a.hookIDs())
	}
	j, err := e.testJob(h)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, e.sender.timeoutOf(h))
	defer cancel()
	began := time.Now()
	r := e.sender.request(j, h, 1, began)
	out := h.redactOutcome(e.sender.try(ctx, h, r))
	return &TestResult{JobID: r.JobID, Body: r.Body, Duration: time.Since(began), Outcome: out}, nil
}

func (a *app) hookIDs() []string {
	ids := make([]string, len(a.hooks))
	for i, h := range a.hooks {
		ids[i] = h.id
	}
	return ids
}

// testJob makes a job of a made-up event, as if it had been received from the queue.
func (e *Emitter) testJob(h *hook) (*parsedJob, error) {
	now := time.Now()
	ev := testEvent(h)
	env := envelope{
		id: e.ids.next(now), app: h.app.id, webhook: h.id, timeMS: now.UnixMilli(), sealedMS: now.UnixMilli(), events: 1,
	}
	body := appendBodyStart(nil, env.timeMS)
	body = append(ev.appendJSON(body), bodyEnd...)
	return parseJob(seal(body, &env, h.app.keys[0], false))
}

// testEvent makes up an event that the webhook wants; every field that its type needs is there.
func testEvent(h *hook) Event {
	ev := Event{AppID: h.app.id, Type: h.EventTypes[0], Channel: h.match.prefix + "webhook-test" + h.match.suffix}
	switch ev.Type {
	case TypeMemberAdded, TypeMemberRemoved, TypeMemberUpdated:
		ev.UserID = "webhook-test"
	case TypeClientEvent:
		ev.Event, ev.Data, ev.SocketID = "client-webhook-test", "{}", "1.1"
	}
	if _, _, on := ev.Type.rules(); h.match.prefix == "" {
		ev.Channel = on.prefix() + ev.Channel
	}
	return ev
}
