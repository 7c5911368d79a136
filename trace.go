package webhook

import (
	"errors"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// Trace is a set of functions that watch an emitter, each of them optional. They are called where things happen, Emitted
// even inside Emit, from many goroutines at once: be fast and don't call the emitter. A panic in one is
// recovered and counted in Stats.Panics.
type Trace struct {
	// Emitted is called for each event that Emit took for at least one webhook.
	Emitted func(EmittedInfo)

	// Dropped is called when events are lost to a webhook: Emit had no room for them, the queue can never take
	// them, or an at-most-once queue's delivery failed.
	Dropped func(DroppedInfo)

	// Enqueued is called when the queue has taken a job.
	Enqueued func(EnqueuedInfo)

	// Attempted is called after each attempt.
	Attempted func(AttemptedInfo)

	// DeadLettered is called when a job was given up.
	DeadLettered func(DeadLetteredInfo)

	// Breaker is called when a webhook's circuit breaker changes.
	Breaker func(BreakerInfo)
}

// EmittedInfo is what Trace.Emitted gets.
type EmittedInfo struct {
	Event    Event
	Webhooks int // how many want it
}

// DroppedInfo is what Trace.Dropped gets.
type DroppedInfo struct {
	AppID, WebhookID string
	Events           int
	Err              error
}

// EnqueuedInfo is what Trace.Enqueued gets.
type EnqueuedInfo struct {
	AppID, WebhookID, JobID string
	Events                  int
	Bytes                   int // of the job
}

// AttemptedInfo is what Trace.Attempted gets.
type AttemptedInfo struct {
	AppID, WebhookID, JobID string
	Attempt                 int // 1 for the first
	Events                  int
	Duration                time.Duration
	Outcome                 dispatch.Outcome
	Retry                   bool          // it will be tried again,
	After                   time.Duration // not before this long, unless the queue has a time of its own
}

// DeadLetteredInfo is what Trace.DeadLettered gets. The app and the webhook are empty where the job was unreadable.
type DeadLetteredInfo struct {
	AppID, WebhookID, JobID string
	Events                  int
	Attempts                int // all that were made, the last one included
	Reason                  string
}

// BreakerInfo is what Trace.Breaker gets.
type BreakerInfo struct {
	AppID, WebhookID string
	From, To         BreakerState
	Until            time.Time // To is BreakerOpen: when the next probe may go
}

// watcher calls a Trace's functions and survives them.
type watcher struct {
	Trace
	stats *counters
}

func call[T any](w *watcher, f func(T), info T) {
	if f == nil {
		return
	}
	defer func() {
		if recover() != nil {
			w.stats.panics.Add(1)
		}
	}()
	f(info)
}

func (w *watcher) emitted(e *Event, hooks int) {
	if w.Emitted != nil {
		call(w, w.Emitted, EmittedInfo{*e, hooks})
	}
}

func (w *watcher) dropped(h *hook, events int, err error) {
	call(w, w.Dropped, DroppedInfo{h.app.id, h.id, events, err})
}

// lost tells of a job whose attempt failed and that the queue has no more.
func (w *watcher) lost(t *task, reason string) {
	call(w, w.Dropped, DroppedInfo{t.job.app, t.job.webhook, t.job.events, errors.New("webhook: not delivered: " + reason)})
}

func (w *watcher) enqueued(b *batch) {
	if w.Enqueued != nil {
		call(w, w.Enqueued, EnqueuedInfo{b.hook.app.id, b.hook.id, b.job.ID, b.events, len(b.job.Data)})
	}
}

func (w *watcher) attempted(t *task, h *hook, took time.Duration, out dispatch.Outcome, f fate) {
	if w.Attempted == nil {
		return
	}
	call(w, w.Attempted, AttemptedInfo{
		AppID: h.app.id, WebhookID: h.id, JobID: t.job.id, Attempt: t.lease.Attempts + 1, Events: t.job.events,
		Duration: took, Outcome: out, Retry: f.kind == again, After: f.delay,
	})
}

func (w *watcher) deadLettered(t *task, reason string) {
	info := DeadLetteredInfo{JobID: t.lease.ID, Events: 1, Attempts: t.lease.Attempts + t.tried, Reason: reason}
	if t.job != nil {
		info.AppID, info.WebhookID, info.JobID, info.Events = t.job.app, t.job.webhook, t.job.id, t.job.events
	}
	call(w, w.DeadLettered, info)
}

func (w *watcher) breaker(t *task, from, to BreakerState, until time.Time) {
	if t.job != nil {
		call(w, w.Breaker, BreakerInfo{t.job.app, t.job.webhook, from, to, until})
	}
}
