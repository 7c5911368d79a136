package webhook

import (
	"log/slog"
	"sync"
	"time"
)

// dropReason is why events are lost to a webhook, or have to wait.
type dropReason string

const (
	dropNoRoom       dropReason = "no_room"       // in the outbox
	dropTooLarge     dropReason = "too_large"     // for the queue
	dropNotDelivered dropReason = "not_delivered" // by an at-most-once queue
	notDropped       dropReason = ""              // the queue has no room for the job yet
)

// line returns the message of the line that tells of it.
func (r dropReason) line() string {
	if r == notDropped {
		return lineRefused
	}
	return lineDropped
}

func (r dropReason) level() slog.Level {
	if r == notDropped {
		return slog.LevelWarn
	}
	return slog.LevelError
}

// drops counts what is lost, by webhook and reason, until a line tells of it.
type drops struct {
	mu      sync.Mutex
	byHook  map[dropKey]*drop // at most maxKnown
	wake    chan struct{}     // capacity 1: shared with failingHooks
	limited func(h *hook, reason dropReason, events int64)
}

type dropKey struct {
	lane   string
	reason dropReason
}

// drop is what a webhook has lost for one reason since the last line about it.
type drop struct {
	hook   *hook
	reason dropReason
	count  int64  // events, or of notDropped refusals
	job    string // the last one
	err    error  // the last one
	lined  time.Time
}

// add counts events.
func (d *drops) add(h *hook, reason dropReason, count int64, job string, err error) {
	if !d.count(h, reason, count, job, err) {
		d.limited(h, reason, count)
	}
}

func (d *drops) count(h *hook, reason dropReason, count int64, job string, err error) bool {
	key := dropKey{h.lane, reason}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.byHook[key]
	if known == nil {
		if len(d.byHook) >= maxKnown {
			return false
		}
		if d.byHook == nil {
			d.byHook = map[dropKey]*drop{}
		}
		known = &drop{reason: reason}
		d.byHook[key] = known
	}
	known.hook, known.job, known.err = h, job, err
	known.count += count
	notify(d.wake)
	return true
}

// addEvent counts an event for which the webhook had no room. Emit may call it millions of times a
// second, so all but the first since the last line cost one addition.
func (d *drops) addEvent(h *hook) {
	if h.slot.lost.Add(1) == 1 && !d.count(h, dropNoRoom, 0, "", ErrOverflow) {
		d.limited(h, dropNoRoom, int64(h.slot.lost.Swap(0)))
	}
}

// take returns what a line is due about: of each webhook and reason once a minute, or, at the
// minute's end, all there is.
func (d *drops) take(now time.Time, all bool) (due []drop) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, known := range d.byHook {
		recent := now.Sub(known.lined) < time.Minute && !now.Before(known.lined)
		if recent && !all {
			continue
		}
		if known.reason == dropNoRoom {
			known.count += int64(known.hook.slot.lost.Swap(0))
		}
		if known.count > 0 {
			known.lined = now
			due = append(due, *known)
			known.count = 0
		} else if !recent {
			delete(d.byHook, key)
		}
	}
	return due
}

// idle reports whether nothing is counted.
func (d *drops) idle() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.byHook) == 0
}
