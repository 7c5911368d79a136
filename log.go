package webhook

import (
	"context"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/internal/scheduler"
)

// logger writes the emitter's lines. None holds a secret, a header value, or of a URL more than the
// scheme and host. Every message is constant, and every line about a webhook begins with the
// attributes of about.
type logger struct {
	*slog.Logger
	stats *counters

	queueLine, panicLine pace // of lines that come in crowds
	limit                lineLimit
	outage               outage
	failing              failingHooks
	drops                drops
	wake                 chan struct{} // capacity 1: there is something for the reporter
}

// The messages. docs/operations.md tells what to do about each of them.
const (
	lineDelivered     = "webhook delivered"
	lineAttemptFailed = "webhook attempt failed"
	lineFailing       = "webhook is failing"
	lineHeld          = "webhook is held: it gets no attempts for a while"
	lineStill         = "webhook is still failing"
	lineWorks         = "webhook works again"
	lineUndecided     = "webhook is no longer failing: its next attempts decide"
	lineDead          = "webhook job dead-lettered"
	lineDropped       = "webhook events dropped"
	lineRefused       = "webhook job refused by the queue; it is offered again"
	lineLeaseLost     = "webhook job's lease ended before it was settled; it may be delivered again"
	lineLeftOut       = "webhook lines left out"
	lineOrphans       = "webhook jobs will not be delivered: webhooks without an id were replaced, perhaps by a change of their URL; " +
		"their jobs become dead letters. Give webhooks ids"
	lineQueueFailed = "webhook queue operation failed"
	lineQueueWorks  = "webhook queue works again"
	linePanic       = "webhook panic recovered"
)

func newLogger(to *slog.Logger, stats *counters) *logger {
	l := &logger{Logger: to, stats: stats, wake: make(chan struct{}, 1)}
	l.failing.wake, l.drops.wake = l.wake, l.wake
	l.drops.limited = func(h *hook, reason dropReason, events int64) {
		l.allowed(reason.level(), reason.line(), h.lane, events)
	}
	return l
}

// pace lets an event through once in a while.
type pace struct{ last atomic.Int64 } // Unix nanoseconds

// due reports whether the last time that it reported true is longer ago than d, or in the future:
// the clock was set back.
func (p *pace) due(d time.Duration) bool {
	now, last := time.Now().UnixNano(), p.last.Load()
	return (now-last >= int64(d) || now < last) && p.last.CompareAndSwap(last, now)
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

// allowed reports whether a line about a lane is one of those that are written in a minute. Of the
// others the reporter writes one line at the minute's end.
func (l *logger) allowed(level slog.Level, text, lane string, events int64) bool {
	ok, first := l.limit.allow(level, text, lane, events)
	if first {
		notify(l.wake)
	}
	return ok
}

// limited returns the level of a line about a job: Debug for those beyond the limit.
func (l *logger) limited(level slog.Level, text, lane string, events int) slog.Level {
	if l.enabled(level) && l.allowed(level, text, lane, int64(events)) {
		return level
	}
	return slog.LevelDebug
}

// attempt writes a line at Warn for the first failed attempts of a webhook, and at Debug for the
// others until one has succeeded, and for a successful one. What the receiver answered stands there
// at Debug only: some echo the request.
func (l *logger) attempt(j *deliveryJob, h *hook, took time.Duration, out dispatch.Outcome, r scheduler.Result) {
	level, text := slog.LevelDebug, lineDelivered
	if out.Verdict == dispatch.Delivered {
		l.failing.delivered(h, j.parsed.events)
	} else {
		text = lineAttemptFailed
		if l.failing.attempted(h, r.Evidence, out.Status, outcomeReason(out)) <= warnedAttempts {
			level = l.limited(slog.LevelWarn, text, h.lane, j.parsed.events)
		}
	}
	if !l.enabled(level) {
		return
	}
	attrs := append(about(h.app.id, h.id, h, j.parsed.id),
		slog.Int("attempt", j.attempt()), slog.Int("events", j.parsed.events),
		slog.Duration("took", took), slog.Int("status", out.Status))
	if out.Verdict != dispatch.Delivered {
		attrs = append(attrs, slog.String("reason", out.Reason), slog.Any("error", out.Err))
	}
	if out.Response != "" && l.enabled(slog.LevelDebug) {
		attrs = append(attrs, slog.String("response", out.Response))
	}
	if r.Action == scheduler.Retry {
		attrs = append(attrs, slog.Duration("retry_in", r.Delay))
	}
	l.line(level, text, attrs...)
}

// deadLettered writes a line about a job that was given up. Replay takes the attribute dead_letter.
func (l *logger) deadLettered(j *deliveryJob, reason string) {
	l.line(l.limited(slog.LevelWarn, lineDead, j.task.Lease.Lane, j.events()), lineDead, append(aboutJob(j),
		slog.String("dead_letter", j.task.Lease.ID), slog.Int("events", j.events()),
		slog.Int("attempts", j.attempts()), slog.String("reason", reason))...)
}

func (l *logger) leaseLost(j *deliveryJob) {
	l.line(l.limited(slog.LevelWarn, lineLeaseLost, j.task.Lease.Lane, j.events()), lineLeaseLost, aboutJob(j)...)
}

// queueFailed writes a line about an operation of the queue that failed, the nth time in a row, at
// most one line in ten seconds.
func (l *logger) queueFailed(operation string, n int, err error) {
	due := l.queueLine.due(10 * time.Second)
	l.outage.failed(operation, time.Now(), due)
	if due {
		l.line(slog.LevelWarn, lineQueueFailed,
			slog.String("operation", operation), slog.Int("failures", n), slog.Any("error", err))
	}
}

// queueWorks writes a line if an operation of the queue, which has worked, was the last one that
// had failed, and a line told of a failure.
func (l *logger) queueWorks(operation string) {
	if after, failures, over := l.outage.worked(operation, time.Now()); over {
		l.line(slog.LevelInfo, lineQueueWorks,
			slog.Duration("after", after.Round(time.Millisecond)), slog.Int("failures", failures))
	}
}

// panicked counts a panic and writes a line about it, at most one a minute. The panic's text comes
// from panicText.
func (l *logger) panicked(where, text string, stack []byte, attrs ...slog.Attr) {
	l.stats.panics.Add(1)
	if l.panicLine.due(time.Minute) {
		l.line(slog.LevelError, linePanic, append(attrs, slog.String("in", where),
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
