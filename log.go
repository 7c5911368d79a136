package webhook

import (
	"context"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// logger writes the emitter's lines. None holds a secret, a header value, or of a URL the user, password or query.
type logger struct {
	*slog.Logger
	last atomic.Int64 // when a line about the queue's trouble was written, in Unix nanoseconds
}

// attempt writes a line at Warn for a failed attempt, and at Debug for a successful one.
func (l *logger) attempt(t *task, h *hook, took time.Duration, out dispatch.Outcome, f fate) {
	level, text := slog.LevelWarn, "webhook attempt failed"
	if out.Verdict == dispatch.Delivered {
		level, text = slog.LevelDebug, "webhook delivered"
	}
	if !l.Enabled(context.Background(), level) {
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
	if out.Response != "" {
		attrs = append(attrs, slog.String("response", out.Response))
	}
	if f.kind == again {
		attrs = append(attrs, slog.Duration("retry_in", f.delay))
	}
	l.LogAttrs(context.Background(), level, text, attrs...)
}

func (l *logger) deadLettered(t *task, reason string) {
	l.Warn("webhook job dead-lettered", "lane", t.lease.Lane, "job", t.lease.ID, "attempts", t.lease.Attempts+t.tried, "reason", reason)
}

func (l *logger) dropped(h *hook, job string, events int, err error) {
	l.Error("webhook events dropped", "app", h.app.id, "webhook", h.id, "job", job, "events", events, "error", err)
}

func (l *logger) leaseLost(t *task) {
	l.Warn("webhook job's lease ended before it was settled; it may be delivered again", "lane", t.lease.Lane, "job", t.lease.ID)
}

// queueTrouble writes a line about the queue's errors, at most one a second: they come in crowds.
func (l *logger) queueTrouble(doing string, n int, err error) {
	now, last := time.Now().UnixNano(), l.last.Load()
	if now-last < int64(time.Second) || !l.last.CompareAndSwap(last, now) {
		return
	}
	l.Warn("webhook queue trouble", "doing", doing, "n", n, "error", err)
}

// printable names the target without what may be secret in it.
func (h *hook) printable() string {
	if h.Lambda != nil {
		return "lambda:" + h.Lambda.Region + ":" + h.Lambda.FunctionName
	}
	u, err := url.Parse(h.URL)
	if err != nil {
		return "invalid URL"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
