package webhook

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

// WebhookStatus is a webhook's status at one moment. All but Unknown, Target and Here comes from
// the queue, and is the same on every node that works on it, with two exceptions. Where the queue
// does not share the states of its lanes (Traits.SharedLanes is not set, as on SQS), the state is
// what this process knows. And a webhook whose last three attempts by this process have failed is
// LaneFailing, as in the log, also while the queue does not yet call it so.
type WebhookStatus struct { //nolint:revive // a host has other statuses
	AppID, WebhookID string

	// Unknown reports that this process has no such webhook configured: it is another process's, or
	// was removed, and the queue has jobs, dead letters or a state of it.
	Unknown bool

	// Target names where it delivers, as the log does: a URL's scheme and host, since its path may
	// be a secret, or "lambda:", region and function. Two webhooks with one target differ in their
	// WebhookID. It is empty if the webhook is Unknown.
	Target string

	State        LaneState
	HeldUntil    time.Time // when the next attempt may be made; zero unless State is LaneHeld
	Holds        int       // holds since the last success
	FailingSince time.Time // zero unless the webhook fails
	Reason       string    // why it fails, in one line; empty unless it does

	Waiting int // its jobs in the queue: ready, delayed and leased; -1: unknown
	// age of the oldest of those that are ready, 0 if none is; -1: unknown
	Oldest      time.Duration
	DeadLetters int // -1: unknown

	Here ProcessStatus
}

// ProcessStatus is what this process alone knows of a webhook. Counts are kept of the 10,000
// webhooks with the latest attempts; of others everything but Dropped is zero.
type ProcessStatus struct {
	LastAttempt time.Time // when the last attempt ended
	LastStatus  int       // its HTTP status, 0 if there was no answer
	LastFailure time.Time // when the last failed attempt ended
	LastError   string    // why it failed, in one line of at most 256 bytes

	LastMinute AttemptCounts // of the last 60 to 65 seconds
	LastHour   AttemptCounts // of the last 60 to 61 minutes

	// Dropped is how many events had no room here since New, those for which Emit returned
	// ErrOverflow included.
	Dropped int64
}

// AttemptCounts counts attempts.
type AttemptCounts struct {
	Delivered, Failed int
}

// unknownCount stands for a number that the queue cannot tell.
const unknownCount = -1

// MarshalText returns the state's name.
func (s LaneState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// statusPage is how many lanes are asked for at once.
const statusPage = 1000

// Webhooks lists the status of every webhook that this emitter has configured, and of every other
// that the queue has jobs, dead letters or a state of. They come in the order of app ID, slash and
// webhook ID, compared byte by byte. A webhook that the queue has nothing of is listed with the
// state that this process knows, or as untried.
//
// It asks the queue for 1,000 webhooks at a time, and keeps no more of them. It stops at an error.
func (e *Emitter) Webhooks(ctx context.Context) iter.Seq2[WebhookStatus, error] {
	return func(yield func(WebhookStatus, error) bool) {
		hooks := e.apps.hooks()
		for l, err := range e.lanes(ctx) {
			if err != nil {
				yield(WebhookStatus{}, fmt.Errorf("webhook: webhooks: %w", err))
				return
			}
			for ; len(hooks) > 0 && hooks[0].lane < l.Lane; hooks = hooks[1:] {
				if !yield(e.statusHere(hooks[0]), nil) {
					return
				}
			}
			var h *hook
			if len(hooks) > 0 && hooks[0].lane == l.Lane {
				h, hooks = hooks[0], hooks[1:]
			}
			if !yield(e.statusOf(l, h), nil) {
				return
			}
		}
		for _, h := range hooks {
			if !yield(e.statusHere(h), nil) {
				return
			}
		}
	}
}

// lanes lists the queue's lanes, none if it has no list.
func (e *Emitter) lanes(ctx context.Context) iter.Seq2[*queue.LaneInfo, error] {
	return func(yield func(*queue.LaneInfo, error) bool) {
		q := &guardedQueue{e.queue, e.log}
		for after := ""; ; {
			page, err := q.lanes(ctx, after, statusPage)
			if err != nil && !errors.Is(err, errors.ErrUnsupported) {
				yield(nil, err)
				return
			}
			for i := range page {
				if !yield(&page[i], nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
			after = page[len(page)-1].Lane
		}
	}
}

// statusOf returns the status of the lane's webhook, which is h, or nil if it is not known here.
func (e *Emitter) statusOf(l *queue.LaneInfo, h *hook) WebhookStatus {
	s := WebhookStatus{
		State: laneState(scheduler.LaneState{Health: l.Health, HeldUntil: l.HeldUntil}), HeldUntil: l.HeldUntil, Holds: l.Holds,
		Waiting: unknownCount, Oldest: unknownCount, DeadLetters: l.Dead,
	}
	s.AppID, s.WebhookID = splitLane(l.Lane)
	var healthy time.Time
	switch l.Health {
	case queue.Failing:
		// other programs may have written it
		s.FailingSince, s.Reason = l.Since, oneline.Text(l.Reason)
	case queue.Healthy:
		healthy = l.Since
	}
	if n := waiting(l); n != unknownCount {
		s.Waiting, s.Oldest = n, l.Oldest
	}
	e.addHere(&s, h, healthy)
	return s
}

// waiting returns how many jobs a lane has in the queue. One that does not count all of them knows
// only those that this process has fetched.
func waiting(l *queue.LaneInfo) int {
	if l.Delayed < 0 || l.Leased < 0 {
		return unknownCount
	}
	return l.Ready + l.Delayed + l.Leased
}

// statusHere returns the status of a webhook that the queue lists nothing of. One that does not
// share its lanes' states may have jobs of it nevertheless.
func (e *Emitter) statusHere(h *hook) WebhookStatus {
	s := WebhookStatus{AppID: h.app.id, WebhookID: h.id}
	if _, lists := e.queue.(queue.LaneLister); !e.traits.Disabled && !(lists && e.traits.SharedLanes) {
		s.Waiting, s.Oldest, s.DeadLetters = unknownCount, unknownCount, unknownCount
	}
	known := e.scheduler.Lane(h.lane)
	s.State, s.HeldUntil, s.Holds, s.Reason = laneState(known), known.HeldUntil, known.Holds, known.Reason
	e.addHere(&s, h, time.Time{})
	return s
}

// addHere adds what this process knows of the webhook, which became healthy at the given time if it
// is so. h may be nil.
func (e *Emitter) addHere(s *WebhookStatus, h *hook, healthy time.Time) {
	if s.Unknown = h == nil; s.Unknown {
		return
	}
	s.Target = h.printable()
	if s.State == LaneUntried || s.State == LaneHealthy {
		if since, reason, fails := e.log.failing.row(h, healthy); fails {
			s.State, s.FailingSince, s.Reason = LaneFailing, since, reason
		}
	}
	s.Here = e.attempts.of(h.slot)
}

// QueueStats returns what the queue holds. The error wraps errors.ErrUnsupported where the queue
// does not count its jobs.
func (e *Emitter) QueueStats(ctx context.Context) (queue.Stats, error) {
	r, ok := e.queue.(queue.StatsReader)
	if !ok {
		return queue.Stats{}, fmt.Errorf("webhook: %T does not count its jobs: %w", e.queue, errors.ErrUnsupported)
	}
	s, err := (&guardedQueue{e.queue, e.log}).stats(ctx, r)
	e.sawQueue(err)
	if err != nil {
		return queue.Stats{}, fmt.Errorf("webhook: queue: %w", err)
	}
	return s, nil
}

// Resume tells that a webhook is back: it is untried again, on all nodes that share the queue's
// lanes, and what waits is tried at once instead of at the end of its hold. Jobs that have failed
// wait for the end of their own backoff. If the webhook still fails it is held again, for 10
// seconds at first. The error wraps [ErrUnknownWebhook] if neither this emitter nor the queue has
// it.
func (e *Emitter) Resume(ctx context.Context, appID, webhookID string) error {
	if strings.Contains(webhookID, "/") { // the lane would be another webhook's
		return unknownWebhook(appID, webhookID)
	}
	q, h, lane := &guardedQueue{e.queue, e.log}, e.apps.hook(appID, webhookID), laneOf(appID, webhookID)
	if h == nil {
		switch info, err := q.lane(ctx, lane); {
		case err != nil && !errors.Is(err, errors.ErrUnsupported):
			return fmt.Errorf("webhook: resume: %w", err)
		case info == nil:
			return unknownWebhook(appID, webhookID)
		}
	}
	err := q.SetLane(ctx, queue.LaneUpdate{Lane: lane, Health: queue.Untried})
	e.sawQueue(err)
	if err != nil {
		return fmt.Errorf("webhook: resume: %w", err)
	}
	if h != nil && e.outbox != nil {
		e.outbox.setFailing(h, false)
	}
	e.log.failing.resumed(appID, webhookID, h)
	e.scheduler.Resume(lane)
	return nil
}
