package webhook

import (
	"errors"
	"runtime/debug"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

// Trace is a set of functions that watch an emitter, each of them optional. They are called where
// things happen, Emitted even inside Emit, from many goroutines at once: be fast and don't call the
// emitter. A panic in one is recovered, counted in Stats.Panics and logged. One that blocks holds
// up what called it, but not Shutdown beyond its context.
type Trace struct {
	// Emitted is called for each event that Emit took for at least one webhook.
	Emitted func(EmittedInfo)

	// Dropped is called when events are lost to a webhook: there was no room for them, the queue
	// can never take them, or an at-most-once queue's delivery failed. Err is ErrOverflow in the
	// first case: for a single webhook of several, or for all of them if Emit returned it too.
	Dropped func(DroppedInfo)

	// Enqueued is called when the queue has taken a job.
	Enqueued func(EnqueuedInfo)

	// AttemptStarted is called before each attempt, by the worker that makes it. Attempted follows
	// from the same worker, also if the attempt panics.
	AttemptStarted func(AttemptStartedInfo)

	// Attempted is called after each attempt, with its outcome and whether and when the job is
	// tried again.
	Attempted func(AttemptedInfo)

	// Split is called when a job of several events was put in halves, because the receiver or the
	// queue refuses one of its size, or because one of its events may be why it fails. The halves
	// are jobs of their own from then on.
	Split func(SplitInfo)

	// DeadLettered is called when a job was given up.
	DeadLettered func(DeadLetteredInfo)

	// LaneChanged is called when this process learns that a webhook's state has changed: from the
	// attempts that it makes and the jobs that it gets, and, where the queue shares the state among
	// processes, also by asking the queue once a minute.
	LaneChanged func(LaneChangedInfo)
}

// EmittedInfo is what Trace.Emitted gets.
type EmittedInfo struct {
	Event    Event
	Webhooks int // how many want it
}

// DroppedInfo is what Trace.Dropped gets. JobID is empty where the events were in no job yet.
type DroppedInfo struct {
	AppID, WebhookID, JobID string
	Events                  int
	Err                     error

	// Refused reports that Emit or EmitWait returned ErrOverflow, so that the caller knows. Stats
	// counts such an event in Overflowed, and all others that Dropped tells of in Dropped.
	Refused bool
}

// EnqueuedInfo is what Trace.Enqueued gets.
type EnqueuedInfo struct {
	AppID, WebhookID, JobID string
	Events                  int
	Bytes                   int // of the job
}

// AttemptStartedInfo is what Trace.AttemptStarted gets.
type AttemptStartedInfo struct {
	AppID, WebhookID, JobID string
	Attempt                 int // 1 for the first; the same number as in the header Webhook-Attempt
	Events                  int
	Bytes                   int           // of the body
	Age                     time.Duration // of the job, since the queue took it
}

// AttemptedInfo is what Trace.Attempted gets. The texts of Outcome hold no value of the webhook's
// headers, and of its URL no more than scheme and host, also where the sender or middleware is the
// host's own.
type AttemptedInfo struct {
	AppID, WebhookID, JobID string
	// as in AttemptStartedInfo; not counted if the outcome is dispatch.Unsent
	Attempt  int
	Events   int
	Duration time.Duration
	Outcome  dispatch.Outcome
	Retry    bool // it will be tried again,
	// not before this long, unless the queue has a time of its own
	After time.Duration

	// Target names where the attempt went, as WebhookStatus.Target does.
	Target string

	// SinceEmit is the time from the Emit of the job's earliest event to the end of the attempt, at
	// least 0, by the clocks of the processes that made the two. It is -1 for a replayed job.
	SinceEmit time.Duration
}

// SplitInfo is what Trace.Split gets.
type SplitInfo struct {
	AppID, WebhookID, JobID string
	Events                  int
	Parts                   []string // the IDs of the jobs that take its place
	// why it was split; empty where the receiver has refused a larger job before
	Reason string
}

// DeadLetteredInfo is what Trace.DeadLettered gets. The app and the webhook are empty where the job
// was unreadable.
type DeadLetteredInfo struct {
	AppID, WebhookID, JobID string
	Events                  int
	Attempts                int // all that were made, the last one included
	Reason                  string
}

// LaneState is the state of a webhook's lane in the queue.
type LaneState uint8

const (
	// LaneUntried is the state of a webhook that has neither succeeded nor failed yet, as far as is
	// known.
	LaneUntried LaneState = iota
	// LaneHealthy is the state of a webhook whose last delivery succeeded, or that has failed
	// little since.
	LaneHealthy
	// LaneFailing is the state of a webhook that fails. It has fewer attempts at once.
	LaneFailing
	// LaneHeld is the state of a failing webhook that gets no attempts for a while. Its jobs wait
	// in the queue. When the time is over, a single attempt decides.
	LaneHeld
)

// String returns "untried", "healthy", "failing" or "held".
func (s LaneState) String() string {
	switch s {
	case LaneUntried:
		return "untried"
	case LaneHealthy:
		return "healthy"
	case LaneFailing:
		return "failing"
	case LaneHeld:
		return "held"
	}
	return "unknown"
}

// laneState names what the scheduler knows of a lane.
func laneState(s scheduler.LaneState) LaneState {
	switch {
	case !s.HeldUntil.IsZero():
		return LaneHeld
	case s.Health == queue.Healthy:
		return LaneHealthy
	case s.Health == queue.Failing:
		return LaneFailing
	}
	return LaneUntried
}

// LaneChangedInfo is what Trace.LaneChanged gets. From and To are equal when a held webhook is held
// again.
type LaneChangedInfo struct {
	AppID, WebhookID string
	From, To         LaneState
	HeldUntil        time.Time // when the next attempt may be made; zero unless To is LaneHeld
	Holds            int       // how often it was held since its last success
	Reason           string    // why it fails
}

// watcher calls a Trace's functions and survives them.
type watcher struct {
	Trace
	log *logger
}

// call calls a Trace's function. A panic is counted and logged; runtime.Goexit is too, and goes on.
func call[T any](w *watcher, name string, f func(T), info T) {
	if f == nil {
		return
	}
	returned := false
	defer func() {
		if !returned {
			w.log.panicked("Trace."+name, panicText(recover()), debug.Stack())
		}
	}()
	f(info)
	returned = true
}

func (w *watcher) emitted(e *Event, hooks int) {
	if w.Emitted != nil {
		call(w, "Emitted", w.Emitted, EmittedInfo{*e, hooks})
	}
}

func (w *watcher) dropped(h *hook, job string, events int, err error) {
	call(w, "Dropped", w.Dropped, DroppedInfo{AppID: h.app.id, WebhookID: h.id, JobID: job, Events: events, Err: err})
}

// refused tells of an event for which Emit returns ErrOverflow.
func (w *watcher) refused(h *hook) {
	call(w, "Dropped", w.Dropped, DroppedInfo{AppID: h.app.id, WebhookID: h.id, Events: 1, Err: ErrOverflow, Refused: true})
}

// lost tells of a job whose attempt failed and that the queue has no more.
func (w *watcher) lost(j *deliveryJob, reason string) {
	err := errors.New("webhook: not delivered: " + reason)
	call(w, "Dropped", w.Dropped, DroppedInfo{
		AppID: j.parsed.app, WebhookID: j.parsed.webhook, JobID: originalID(j.task.Lease.ID), Events: j.events(), Err: err,
	})
}

func (w *watcher) enqueued(b *batch) {
	if w.Enqueued != nil {
		call(w, "Enqueued", w.Enqueued, EnqueuedInfo{b.hook.app.id, b.hook.id, b.job.ID, b.events, len(b.job.Data)})
	}
}

func (w *watcher) attemptStarted(j *deliveryJob, h *hook) {
	if w.AttemptStarted == nil {
		return
	}
	call(w, "AttemptStarted", w.AttemptStarted, AttemptStartedInfo{
		AppID: h.app.id, WebhookID: h.id, JobID: originalID(j.parsed.id), Attempt: j.attempt(), Events: j.parsed.events,
		Bytes: len(j.parsed.body), Age: j.task.Lease.Age + time.Since(j.task.Received),
	})
}

// split tells of a batch that the queue refused for its size.
func (w *watcher) split(b *batch, halves []*batch, err error) {
	parts := make([]string, len(halves))
	for i, half := range halves {
		parts[i] = half.job.ID
	}
	call(w, "Split", w.Split, SplitInfo{b.hook.app.id, b.hook.id, b.job.ID, b.events, parts, err.Error()})
}

// splitJob tells of a job that its parts have replaced in the queue.
func (w *watcher) splitJob(j *deliveryJob, r scheduler.Result) {
	parts := make([]string, len(r.Parts))
	for i := range r.Parts {
		parts[i] = r.Parts[i].ID
	}
	call(w, "Split", w.Split, SplitInfo{j.parsed.app, j.parsed.webhook, originalID(j.parsed.id), j.parsed.events, parts, r.Reason})
}

func (w *watcher) attempted(j *deliveryJob, h *hook, took time.Duration, out dispatch.Outcome, r scheduler.Result) {
	if w.Attempted == nil {
		return
	}
	call(w, "Attempted", w.Attempted, AttemptedInfo{
		AppID: h.app.id, WebhookID: h.id, JobID: originalID(j.parsed.id), Attempt: j.attempt(), Events: j.parsed.events,
		Duration: took, Outcome: out, Retry: r.Action == scheduler.Retry, After: r.Delay,
		Target: h.printable(), SinceEmit: j.parsed.sinceEmit(),
	})
}

// sinceEmit returns how long ago the job's earliest event was emitted, -1 if that tells nothing
// because the job was replayed.
func (j *parsedJob) sinceEmit() time.Duration {
	if originalID(j.id) != j.id {
		return -1
	}
	return max(0, time.Since(time.UnixMilli(j.timeMS)))
}

func (w *watcher) deadLettered(j *deliveryJob, reason string) {
	info := DeadLetteredInfo{JobID: j.task.Lease.ID, Events: j.events(), Attempts: j.attempts(), Reason: reason}
	if j.err == nil {
		info.AppID, info.WebhookID, info.JobID = j.parsed.app, j.parsed.webhook, originalID(j.parsed.id)
	}
	call(w, "DeadLettered", w.DeadLettered, info)
}

func (w *watcher) laneChanged(app, webhook string, from, to scheduler.LaneState) {
	if w.LaneChanged == nil {
		return
	}
	call(w, "LaneChanged", w.LaneChanged, LaneChangedInfo{
		AppID: app, WebhookID: webhook, From: laneState(from), To: laneState(to),
		HeldUntil: to.HeldUntil, Holds: to.Holds, Reason: to.Reason,
	})
}
