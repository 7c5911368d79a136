package webhook

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

// logger writes the emitter's lines. None holds a secret, a header value, or of a URL more than the
// scheme and host. Every message is constant, and every line about a webhook begins with the
// attributes of about.
type logger struct {
	*slog.Logger
	stats *counters

	queueLine, fullLine, dropLine, panicLine pace // of lines that come in crowds
	outage                                   outage
}

// pace lets an event through once in a while.
type pace struct{ last atomic.Int64 } // Unix nanoseconds

// due reports whether the last time that it reported true is longer ago than d.
func (p *pace) due(d time.Duration) bool {
	now, last := time.Now().UnixNano(), p.last.Load()
	return now-last >= int64(d) && p.last.CompareAndSwap(last, now)
}

// line writes a line. Of texts that others wrote it keeps one line of 1 KiB. A handler that panics
// harms nothing.
func (l *logger) line(level slog.Level, text string, attrs ...slog.Attr) {
	defer l.recovered()
	for i := range attrs {
		attrs[i].Value = printableValue(attrs[i])
	}
	l.LogAttrs(context.Background(), level, text, attrs...)
}

// printableValue returns an attribute's value with its text on one line. A stack has many.
func printableValue(a slog.Attr) slog.Value {
	switch v := a.Value; {
	case a.Key == "stack":
	case v.Kind() == slog.KindString:
		return slog.StringValue(oneline.Text(v.String()))
	case v.Kind() == slog.KindAny:
		if err, ok := v.Any().(error); ok {
			return slog.AnyValue(oneline.Error(readError(err)))
		}
	}
	return a.Value
}

// about returns the attributes of a webhook, with room for more. h is nil where it is not known
// here, and job is empty where the line is about no job. The job is named by its Webhook-Id.
func about(app, webhook string, h *hook, job string) []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 12), slog.String("app", app), slog.String("webhook", webhook))
	if h != nil {
		attrs = append(attrs, slog.String("target", h.printable()))
	}
	if job != "" {
		attrs = append(attrs, slog.String("job", originalID(job)))
	}
	return attrs
}

// aboutJob returns the attributes of a job's webhook, by its lane, and of the job.
func aboutJob(j *deliveryJob) []slog.Attr {
	app, webhook := splitLane(j.task.Lease.Lane)
	return about(app, webhook, j.d.apps.hook(app, webhook), j.task.Lease.ID)
}

// enabled reports whether lines of the level are wanted. If the handler panics, they are not.
func (l *logger) enabled(level slog.Level) bool {
	defer l.recovered()
	return l.Enabled(context.Background(), level)
}

// recovered is deferred around calls of the handler. There is nowhere to tell of its panics.
func (l *logger) recovered() {
	if recover() != nil {
		l.stats.panics.Add(1)
	}
}

// attempt writes a line at Warn for a failed attempt, and at Debug for a successful one. What the
// receiver answered stands there at Debug only: some echo the request.
func (l *logger) attempt(j *deliveryJob, h *hook, took time.Duration, out dispatch.Outcome, r scheduler.Result) {
	level, text := slog.LevelWarn, "webhook attempt failed"
	if out.Verdict == dispatch.Delivered {
		level, text = slog.LevelDebug, "webhook delivered"
	}
	if !l.enabled(level) {
		return
	}
	attrs := append(about(h.app.id, h.id, h, j.parsed.id),
		slog.Int("attempt", j.task.Lease.Attempts+1), slog.Int("events", j.parsed.events),
		slog.Duration("took", took), slog.Int("status", out.Status))
	if out.Verdict != dispatch.Delivered {
		attrs = append(attrs, slog.String("reason", out.Reason), slog.Any("error", out.Err))
	}
	if out.Response != "" && l.enabled(slog.LevelDebug) {
		attrs = append(attrs, slog.String("response", h.redact(out.Response)))
	}
	if r.Action == scheduler.Retry {
		attrs = append(attrs, slog.Duration("retry_in", r.Delay))
	}
	l.line(level, text, attrs...)
}

// deadLettered writes a line about a job that was given up. Replay takes the attribute dead_letter.
func (l *logger) deadLettered(j *deliveryJob, reason string) {
	l.line(slog.LevelWarn, "webhook job dead-lettered", append(aboutJob(j), slog.String("dead_letter", j.task.Lease.ID),
		slog.Int("events", j.events()), slog.Int("attempts", j.attempts()), slog.String("reason", reason))...)
}

func (l *logger) dropped(h *hook, job string, events int, err error) {
	l.line(slog.LevelError, "webhook events dropped", append(about(h.app.id, h.id, h, job),
		slog.Int("events", events), slog.Any("error", err))...)
}

// overflowed writes a line about events for which a webhook had no room, at most one a second.
func (l *logger) overflowed(h *hook) {
	if l.dropLine.due(time.Second) {
		l.line(slog.LevelWarn, "webhook has no room for events; others of the event's webhooks have", about(h.app.id, h.id, h, "")...)
	}
}

// refused writes a line about a job that the queue has no room for yet, at most one a second.
func (l *logger) refused(h *hook, job string, err error) {
	if l.fullLine.due(time.Second) {
		l.line(slog.LevelWarn, "webhook job refused by the queue; it is offered again", append(about(h.app.id, h.id, h, job),
			slog.Any("error", err))...)
	}
}

func (l *logger) leaseLost(j *deliveryJob) {
	l.line(slog.LevelWarn, "webhook job's lease ended before it was settled; it may be delivered again", aboutJob(j)...)
}

// laneChanged writes a line when a webhook is held or works again after it was. h is nil where the
// webhook is not known here.
func (l *logger) laneChanged(app, webhook string, h *hook, from, to scheduler.LaneState) {
	attrs := about(app, webhook, h, "")
	switch {
	case laneState(to) == LaneHeld:
		l.line(slog.LevelWarn, "webhook is held: it gets no attempts for a while", append(attrs,
			slog.Time("until", to.HeldUntil), slog.Int("holds", to.Holds), slog.String("reason", to.Reason))...)
	case from.Holds > 0 && to.Health == queue.Healthy:
		l.line(slog.LevelInfo, "webhook works again", attrs...)
	}
}

// queueFailed writes a line about an operation of the queue that failed, the nth time in a row, at
// most one line a second.
func (l *logger) queueFailed(operation string, n int, err error) {
	due := l.queueLine.due(time.Second)
	l.outage.failed(operation, time.Now(), due)
	if due {
		l.line(slog.LevelWarn, "webhook queue operation failed",
			slog.String("operation", operation), slog.Int("failures", n), slog.Any("error", err))
	}
}

// queueWorks writes a line if an operation of the queue, which has worked, was the last one that had
// failed, and a line told of a failure.
func (l *logger) queueWorks(operation string) {
	if after, failures, over := l.outage.worked(operation, time.Now()); over {
		l.line(slog.LevelInfo, "webhook queue works again",
			slog.Duration("after", after.Round(time.Millisecond)), slog.Int("failures", failures))
	}
}

// panicked counts a panic and writes a line about it, at most one a minute. The panic's text comes
// from panicText.
func (l *logger) panicked(where, text string, stack []byte, attrs ...slog.Attr) {
	l.stats.panics.Add(1)
	if l.panicLine.due(time.Minute) {
		l.line(slog.LevelError, "webhook panic recovered", append(attrs, slog.String("in", where),
			slog.String("panic", oneline.Text(text)), slog.String("stack", string(stack)))...)
	}
}

// printable names the target, of a URL the scheme and host alone: the path of many a webhook is its
// secret.
func (h *hook) printable() string {
	if h.Lambda != nil {
		return "lambda:" + h.Lambda.Region + ":" + h.Lambda.FunctionName
	}
	u, err := url.Parse(h.URL)
	if err != nil {
		return "invalid URL"
	}
	return u.Scheme + "://" + u.Host
}

// redact cuts the values of the webhook's headers and its URL out of a text of somebody else's.
func (h *hook) redact(text string) string {
	for _, value := range h.Headers {
		if value != "" {
			text = strings.ReplaceAll(text, value, redacted)
		}
	}
	if h.URL != "" {
		text = strings.ReplaceAll(text, h.URL, h.printable())
	}
	return text
}
