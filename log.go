package webhook

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// logger writes the emitter's lines. None holds a secret, a header value, or of a URL the user, password or query.
type logger struct {
	*slog.Logger
	stats *counters
	last  atomic.Int64 // when a line about the queue's trouble was written, in Unix nanoseconds
}

// line writes a line. A handler that panics harms nothing.
func (l *logger) line(level slog.Level, text string, attrs ...slog.Attr) {
	defer func() {
		if recover() != nil {
			l.stats.panics.Add(1)
		}
	}()
	l.LogAttrs(context.Background(), level, text, attrs...)
}

// enabled reports whether lines of the level are wanted.
func (l *logger) enabled(level slog.Level) bool {
	return l.Enabled(context.Background(), level)
}

// attempt writes a line at Warn for a failed attempt, and at Debug for a successful one. What the receiver answered
// stands there at Debug only: some echo the request.
func (l *logger) attempt(t *task, h *hook, took time.Duration, out dispatch.Outcome, f fate) {
	level, text := slog.LevelWarn, "webhook attempt failed"
	if out.Verdict == dispatch.Delivered {
		level, text = slog.LevelDebug, "webhook delivered"
	}
	if !l.enabled(level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("app", h.app.id), slog.String("webhook", h.id), slog.String("job", t.job.id),
		slog.String("target", h.printable()), slog.Int("attempt", t.lease.Attempts+1), slog.Int("events", t.job.events),
		slog.Duration("took", took), slog.Int("status", out.Status),
	}
	if out.Verdict != dispatch.Delivered {
		attrs = append(attrs, slog.String("reason", out.Reason), slog.Any("error", out.Err))
	}
	if out.Response != "" && l.enabled(slog.LevelDebug) {
		attrs = append(attrs, slog.String("response", h.redact(out.Response)))
	}
	if f.kind == again {
		attrs = append(attrs, slog.Duration("retry_in", f.delay))
	}
	l.line(level, text, attrs...)
}

func (l *logger) deadLettered(t *task, reason string) {
	l.line(slog.LevelWarn, "webhook job dead-lettered", slog.String("lane", t.lease.Lane), slog.String("job", t.lease.ID),
		slog.Int("attempts", t.lease.Attempts+t.tried), slog.String("reason", reason))
}

func (l *logger) dropped(h *hook, job string, events int, err error) {
	l.line(slog.LevelError, "webhook events dropped", slog.String("app", h.app.id), slog.String("webhook", h.id),
		slog.String("job", job), slog.Int("events", events), slog.Any("error", err))
}

func (l *logger) leaseLost(t *task) {
	l.line(slog.LevelWarn, "webhook job's lease ended before it was settled; it may be delivered again",
		slog.String("lane", t.lease.Lane), slog.String("job", t.lease.ID))
}

// queueTrouble writes a line about the queue's errors, at most one a second: they come in crowds.
func (l *logger) queueTrouble(doing string, n int, err error) {
	now, last := time.Now().UnixNano(), l.last.Load()
	if now-last < int64(time.Second) || !l.last.CompareAndSwap(last, now) {
		return
	}
	l.line(slog.LevelWarn, "webhook queue trouble", slog.String("doing", doing), slog.Int("n", n), slog.Any("error", err))
}

// printable names the target, of a URL the scheme and host alone: the path of many a webhook is its secret.
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

// redact cuts the values of the webhook's headers out of what its receiver answered.
func (h *hook) redact(text string) string {
	for _, value := range h.Headers {
		if value != "" {
			text = strings.ReplaceAll(text, value, redacted)
		}
	}
	return text
}
