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

// logger writes the emitter's lines. None holds a secret, a header value, or of a URL the user,
// password or query.
type logger struct {
	*slog.Logger
	stats *counters

	queueLine, dropLine, panicLine pace // of lines that come in crowds
}

// pace lets an event through once in a while.
type pace struct{ last atomic.Int64 } // Unix nanoseconds

// due reports whether the last time that it reported true is longer ago than d, or in the future: the
// clock was set back.
func (p *pace) due(d time.Duration) bool {
	now, last := time.Now().UnixNano(), p.last.Load()
	return (now-last >= int64(d) || now < last) && p.last.CompareAndSwap(last, now)
}

// line writes a line. A handler that panics harms nothing.
func (l *logger) line(level slog.Level, text string, attrs ...slog.Attr) {
	defer l.recovered()
	l.LogAttrs(context.Background(), level, text, attrs...)
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
	attrs := []slog.Attr{
		slog.String("app", h.app.id), slog.String("webhook", h.id), slog.String("job", j.parsed.id),
		slog.String("target", h.printable()), slog.Int("attempt", j.task.Lease.Attempts+1), slog.Int("events", j.parsed.events),
		slog.Duration("took", took), slog.Int("status", out.Status),
	}
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

func (l *logger) deadLettered(j *deliveryJob, reason string) {
	l.line(slog.LevelWarn, "webhook job dead-lettered", slog.String("lane", j.task.Lease.Lane), slog.String("job", j.task.Lease.ID),
		slog.Int("attempts", j.attempts()), slog.String("reason", reason))
}

func (l *logger) dropped(h *hook, job string, events int, err error) {
	l.line(slog.LevelError, "webhook events dropped", slog.String("app", h.app.id), slog.String("webhook", h.id),
		slog.String("job", job), slog.Int("events", events), slog.Any("error", err))
}

// overflowed writes a line about events for which a webhook had no room, at most one a second.
func (l *logger) overflowed(h *hook) {
	if l.dropLine.due(time.Second) {
		l.line(slog.LevelWarn, "webhook has no room for events; others of the event's webhooks have",
			slog.String("app", h.app.id), slog.String("webhook", h.id))
	}
}

func (l *logger) leaseLost(j *deliveryJob) {
	l.line(slog.LevelWarn, "webhook job's lease ended before it was settled; it may be delivered again",
		slog.String("lane", j.task.Lease.Lane), slog.String("job", j.task.Lease.ID))
}

// laneChanged writes a line when a webhook is held or works again after it was.
func (l *logger) laneChanged(lane string, from, to scheduler.LaneState) {
	switch {
	case laneState(to) == LaneHeld:
		l.line(slog.LevelWarn, "webhook is held: it gets no attempts for a while", slog.String("lane", lane),
			slog.Time("until", to.HeldUntil), slog.Int("holds", to.Holds), slog.String("reason", to.Reason))
	case from.Holds > 0 && to.Health == queue.Healthy:
		l.line(slog.LevelInfo, "webhook works again", slog.String("lane", lane))
	}
}

// queueFailed writes a line about an operation of the queue that failed, at most one a second.
func (l *logger) queueFailed(operation string, n int, err error) {
	if l.queueLine.due(time.Second) {
		l.line(slog.LevelWarn, "webhook queue operation failed",
			slog.String("operation", operation), slog.Int("n", n), slog.Any("error", err))
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
