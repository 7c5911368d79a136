package webhook

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A hold keeps events of one subject back: of a channel, or of a member of a channel.
type hold struct {
	subject
	due  time.Time
	held *collected // what to deliver when it is due; nil: nothing
	next *hold
}

// subject is what events that cancel each other have in common.
type subject struct {
	app, channel string
	user         string // of member events
	count        bool   // of subscription_count
}

// collected is an event for which room is reserved at each of its hooks.
type collected struct {
	event Event
	data  []byte
	hooks []*hook
}

// debouncer holds channel_vacated and member_removed back for a while, as Pusher does. If the channel is occupied or the member
// added again meanwhile, neither event is sent. It also spaces out subscription_count.
//
// It has one goroutine and, since the time is the same for all holds of a list, no timer for each.
type debouncer struct {
	e      *Emitter
	leave  holds // channel_vacated and member_removed that may yet be taken back
	counts holds // channels whose subscription_count was sent lately
	wake   chan struct{}

	closing atomic.Bool // nothing is held any more
}

// holds is a list of holds in the order in which they are due.
type holds struct {
	window time.Duration // 0: nothing is held

	mu         sync.Mutex
	of         map[subject]*hold
	head, tail *hold
	length     int // of the list, which also has those that were taken back
}

const (
	// maxHolds bounds a list. Beyond it events are sent at once.
	maxHolds = 100_000

	// smallChannel is how many subscribers a channel has at most that is told of every count, as at Pusher.
	smallChannel = 100
)

// newDebouncer returns nil if the options ask for none.
func newDebouncer(e *Emitter) *debouncer {
	if e.opts.Debounce == 0 && e.opts.CountInterval == 0 {
		return nil
	}
	d := &debouncer{e: e, wake: make(chan struct{}, 1)}
	d.leave = holds{window: e.opts.Debounce, of: map[subject]*hold{}}
	d.counts = holds{window: e.opts.CountInterval, of: map[subject]*hold{}}
	return d
}

// take takes an event that hooks want, if it is to be held or taken back, and reports whether it did.
func (d *debouncer) take(ev *Event, a *app, hooks []*hook) (bool, error) {
	s := subject{app: ev.AppID, channel: ev.Channel, user: ev.UserID}
	switch ev.Type {
	case TypeChannelVacated, TypeMemberRemoved:
		return d.holdBack(s, ev, a, hooks)
	case TypeChannelOccupied, TypeMemberAdded:
		return d.takeBack(s), nil
	case TypeSubscriptionCount:
		return d.space(subject{app: ev.AppID, channel: ev.Channel, count: true}, ev, hooks)
	}
	return false, nil
}

// holdBack holds a leaving event, unless nobody wants it nor the one that would take it back.
func (d *debouncer) holdBack(s subject, ev *Event, a *app, hooks []*hook) (bool, error) {
	l := &d.leave
	if l.window == 0 || d.closing.Load() || len(hooks) == 0 && !a.wants(opposite(ev.Type), ev.Channel) {
		return false, nil
	}
	c, err := d.keep(ev, hooks)
	if err != nil {
		return true, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[s] != nil { // it has left already
		d.cancel(c)
		return true, nil
	}
	if l.length >= maxHolds {
		d.deliver(c)
		return true, nil
	}
	d.push(l, &hold{subject: s, held: c})
	return true, nil
}

// opposite returns the type of the events that are held and taken back together with those of type t, or "".
func opposite(t EventType) EventType {
	switch t {
	case TypeChannelOccupied:
		return TypeChannelVacated
	case TypeChannelVacated:
		return TypeChannelOccupied
	case TypeMemberAdded:
		return TypeMemberRemoved
	case TypeMemberRemoved:
		return TypeMemberAdded
	}
	return ""
}

// wants reports whether an event matters because it may take back, or be taken back by, one that is wanted. d may be nil.
func (d *debouncer) wants(a *app, t EventType, channel string) bool {
	return d != nil && d.leave.window > 0 && a.wants(opposite(t), channel)
}

// takeBack drops the hold of a subject that has come back, and reports whether there was one.
func (d *debouncer) takeBack(s subject) bool {
	l := &d.leave
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.of[s]
	if h == nil {
		return false
	}
	delete(l.of, s)
	d.e.stats.suppressed.Add(1) // the one that comes back; cancel counts the one that was held
	d.cancel(h.held)
	h.held = nil
	return true
}

// space lets a large channel's count through once in a while, and keeps the last of those between.
func (d *debouncer) space(s subject, ev *Event, hooks []*hook) (bool, error) {
	l := &d.counts
	if l.window == 0 || len(hooks) == 0 || d.closing.Load() {
		return false, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.of[s]
	if h == nil && (ev.SubscriptionCount <= smallChannel || l.length >= maxHolds) {
		return false, nil
	}
	c, err := d.keep(ev, hooks)
	if err != nil {
		return true, err
	}
	if h == nil {
		d.deliver(c)
		d.push(l, &hold{subject: s})
		return true, nil
	}
	if h.held != nil {
		d.cancel(h.held)
	}
	h.held = c
	return true, nil
}

// push adds a hold, due after the list's window. The list is locked.
func (d *debouncer) push(l *holds, h *hold) {
	h.due = time.Now().Add(l.window)
	h.next = nil
	l.of[h.subject] = h
	l.length++
	first := l.head == nil
	if first {
		l.head = h
	} else {
		l.tail.next = h
	}
	l.tail = h
	if first || d.closing.Load() {
		nudge(d.wake)
	}
}

// keep makes a collected event, for which there is room.
func (d *debouncer) keep(ev *Event, hooks []*hook) (*collected, error) {
	c := &collected{event: *ev, data: ev.appendJSON(nil), hooks: slices.Clone(hooks)}
	if err := checkSize(c.data); err != nil {
		return nil, err
	}
	if err := d.e.admit(hooks, reservation(c.data)); err != nil {
		return nil, err
	}
	return c, nil
}

// deliver puts a kept event into the batches.
func (d *debouncer) deliver(c *collected) { d.e.collect(&c.event, c.data, c.hooks) }

// cancel forgets a kept event.
func (d *debouncer) cancel(c *collected) {
	d.e.stats.suppressed.Add(1)
	d.e.stats.matched.Add(-int64(len(c.hooks)))
	d.e.outbox.unreserve(c.hooks, reservation(c.data))
}

// release delivers what is due at the time, and returns when the next hold is due, or zero.
func (d *debouncer) release(l *holds, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.head != nil {
		h := l.head
		if h.due.After(now) && !d.closing.Load() {
			return h.due
		}
		l.head = h.next
		l.length--
		if l.of[h.subject] != h { // it was taken back
			continue
		}
		delete(l.of, h.subject)
		if h.held == nil {
			continue
		}
		d.deliver(h.held)
		if h.held = nil; h.count && !d.closing.Load() {
			d.push(l, h)
		}
	}
	return time.Time{}
}

// run delivers what is due until ctx ends.
func (d *debouncer) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		now := time.Now()
		pause := time.Hour
		for _, l := range []*holds{&d.leave, &d.counts} {
			if due := d.release(l, now); !due.IsZero() {
				pause = min(pause, max(due.Sub(now), time.Millisecond))
			}
		}
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-d.wake:
		case <-ctx.Done():
			return
		}
	}
}

// finish delivers everything that is held, and holds nothing from now on.
func (d *debouncer) finish() {
	d.closing.Store(true)
	now := time.Now()
	d.release(&d.leave, now)
	d.release(&d.counts, now)
}

// holding reports whether events are held.
func (d *debouncer) holding() bool {
	for _, l := range []*holds{&d.leave, &d.counts} {
		l.mu.Lock()
		h := l.head
		for h != nil && h.held == nil {
			h = h.next
		}
		l.mu.Unlock()
		if h != nil {
			return true
		}
	}
	return false
}
