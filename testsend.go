package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// TestResult is what came of a test delivery.
type TestResult struct {
	JobID    string // sent as Webhook-Id
	Body     []byte // what was sent
	Duration time.Duration
	Outcome  dispatch.Outcome // what the receiver answered
}

// Test makes one delivery of a made-up event to a webhook, for a "send a test" button: signed, with the webhook's headers,
// through the middleware, and at once. It goes past the queue, the circuit breaker and the counts, and it is never retried.
// The event is of the first type that the webhook wants, on a channel named webhook-test with the filter's prefix and suffix.
//
// The error is ErrUnknownApp or ErrClosed, or says that the app has no such webhook; what the receiver makes of it is in the result.
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
	t := e.testTask(h)
	ctx, cancel := context.WithTimeout(ctx, h.timeout(e.opts.RequestTimeout))
	defer cancel()
	r := e.request(t, h)
	out := e.send(ctx, h, r)
	return &TestResult{JobID: r.JobID, Body: r.Body, Duration: time.Since(t.began), Outcome: out}, nil
}

func (a *app) hookIDs() []string {
	ids := make([]string, len(a.hooks))
	for i, h := range a.hooks {
		ids[i] = h.id
	}
	return ids
}

// testTask makes a task of a made-up event, as if it had been received from the queue.
func (e *Emitter) testTask(h *hook) *task {
	now := time.Now()
	ev := testEvent(h)
	env := envelope{id: e.ids.next(now), app: h.app.id, webhook: h.id, timeMS: now.UnixMilli(), events: 1}
	body := appendBodyStart(nil, env.timeMS)
	body = append(ev.appendJSON(body), bodyEnd...)
	data := seal(body, &env, h.app.keys[0], false)
	t := &task{lease: queue.Lease{Job: queue.Job{ID: env.id, Lane: h.lane, Data: data}}, began: now}
	t.parse()
	return t
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
	return ev
}
