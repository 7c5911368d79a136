package webhook

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// debounceKey is what events that cancel each other have in common.
type debounceKey struct {
	app, channel string
	user         string // of member events
	count        bool   // of subscription_count
}

// pending is a key for which something is due later.
type pending struct {
	key   debounceKey
	due   time.Time
	event *heldEvent // what to deliver when it is due; nil: nothing
	next  *pending
}

// heldEvent is an event for which room is reserved at each of its hooks.
type heldEvent struct {
	event Event
	data  []byte
	hooks []*hook
}

// debouncer holds channel_vacated and member_removed back for a while, as Pusher does. If the
// channel is occupied or the member added again meanwhile, neither event is sent. It also spaces
// out subscription_count.
//
// It has one goroutine and, since the time is the same for all entries of a list, no timer for
// each.
type debouncer struct {
	debouncerConfig
	departures   dueList // channel_vacated and member_removed that may yet be taken back
	countUpdates dueList // channels whose subscription_count was sent lately
	wake         chan struct{}

	closing atomic.Bool // nothing is held any more
}

// debouncerConfig is what a debouncer gets from the Emitter.
type debouncerConfig struct {
	departureDelay time.Duration // 0: departures are not held
	countInterval  time.Duration // 0: count updates are not spaced out

	admit    func(hooks []*hook, size int64, w *waiter) ([]*hook, error)
	deliver  func(ev *Event, data []byte, hooks []*hook) // what was admitted
	cancel   func(hooks []*hook, size int64)             // what was admitted
	suppress func()                                      // counts an event that was never admitted
}

// dueList is a list of entries in the order in which they are due.
type dueList struct {
	window time.Duration // 0: nothing is held

	mu         sync.Mutex
	byKey      map[debounceKey]*pending
	head, tail *pending
	length     int // of the list, which also has those that were taken back
}

const (
	// maxPending bounds a list. Beyond it events are sent at once.
	maxPending = 100_000

	// smallChannel is how many subscribers a channel has at most that is told of every count, as at
	// Pusher.
	smallChannel = 100
)

func newDebouncer(c debouncerConfig) *debouncer {
	d := &debouncer{debouncerConfig: c, wake: make(chan struct{}, 1)}
	d.departures = dueList{window: c.departureDelay, byKey: map[debounceKey]*pending{}}
	d.countUpdates = dueList{window: c.countInterval, byKey: map[debounceKey]*pending{}}
	return d
}

// take takes an event that hooks want, if it is to be held or taken back, and reports whether it
// did.
func (d *debouncer) take(ev *Event, a *app, hooks []*hook, w *waiter) (bool, error) {
	key := debounceKey{app: ev.AppID, channel: ev.Channel, user: ev.UserID}
	switch ev.Type {
	case TypeChannelVacated, TypeMemberRemoved:
		return d.hold(key, ev, a, hooks, w)
	case TypeChannelOccupied, TypeMemberAdded:
		return d.takeBack(key), nil
	case TypeSubscriptionCount:
		return d.space(debounceKey{app: ev.AppID, channel: ev.Channel, count: true}, ev, hooks, w)
	}
	return false, nil
}

// hold holds a departure, unless no webhook wants it or its opposite.
func (d *debouncer) hold(key debounceKey, ev *Event, a *app, hooks []*hook, w *waiter) (bool, error) {
	l := &d.departures
	if l.window == 0 || d.closing.Load() || len(hooks) == 0 && !a.wants(opposite(ev.Type), ev.Channel) {
		return false, nil
	}
	held, err := d.admitted(ev, hooks, w)
	if err != nil {
		return true, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKey[key] != nil { // it has left already
		d.forget(held)
		return true, nil
	}
	if l.length >= maxPending {
		d.send(held)
		return true, nil
	}
	d.push(l, &pending{key: key, event: held})
	return true, nil
}

// opposite returns the type of the events that are held and taken back together with those of type
// t, or "".
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

// wants reports whether the event must be seen although no webhook subscribes to it, because it can
// cancel one that a webhook does. d may be nil.
func (d *debouncer) wants(a *app, t EventType, channel string) bool {
	return d != nil && d.departures.window > 0 && a.wants(opposite(t), channel)
}

// takeBack drops the departure of a key that has come back, and reports whether there was one.
func (d *debouncer) takeBack(key debounceKey) bool {
	l := &d.departures
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.byKey[key]
	if p == nil {
		return false
	}
	delete(l.byKey, key)
	d.suppress() // the arrival; forget counts the departure
	d.forget(p.event)
	p.event = nil
	return true
}

// space lets a large channel's count through once in a while, and keeps the last of those between.
func (d *debouncer) space(key debounceKey, ev *Event, hooks []*hook, w *waiter) (bool, error) {
	l := &d.countUpdates
	if l.window == 0 || len(hooks) == 0 || d.closing.Load() {
		return false, nil
	}
	held, err := d.admitted(ev, hooks, w) // before the lock, because it may wait
	if err != nil {
		return true, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.byKey[key]
	if p == nil {
		d.send(held)
		if ev.SubscriptionCount > smallChannel && l.length < maxPending {
			d.push(l, &pending{key: key})
		}
		return true, nil
	}
	if p.event != nil {
		d.forget(p.event)
	}
	p.event = held
	return true, nil
}

// push adds an entry, due after the list's window. The list is locked.
func (d *debouncer) push(l *dueList, p *pending) {
	p.due = time.Now().Add(l.window)
	p.next = nil
	l.byKey[p.key] = p
	l.length++
	first := l.head == nil
	if first {
		l.head = p
	} else {
		l.tail.next = p
	}
	l.tail = p
	if first || d.closing.Load() {
		notify(d.wake)
	}
}

// admitted makes a held event, for which there is room.
func (d *debouncer) admitted(ev *Event, hooks []*hook, w *waiter) (*heldEvent, error) {
	held := &heldEvent{event: *ev, data: ev.appendJSON(nil)}
	if err := checkSize(held.data); err != nil {
		return nil, err
	}
	var err error
	held.hooks, err = d.admit(slices.Clone(hooks), reservation(held.data), w)
	return held, err
}

// send puts a held event into the batches.
func (d *debouncer) send(held *heldEvent) { d.deliver(&held.event, held.data, held.hooks) }

// forget drops a held event.
func (d *debouncer) forget(held *heldEvent) { d.cancel(held.hooks, reservation(held.data)) }

// release delivers what is due at the time, and returns when the next entry is due, or zero.
func (d *debouncer) release(l *dueList, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.head != nil {
		p := l.head
		if p.due.After(now) && !d.closing.Load() {
			return p.due
		}
		l.head = p.next
		l.length--
		if l.byKey[p.key] != p { // it was taken back
			continue
		}
		delete(l.byKey, p.key)
		if p.event == nil {
			continue
		}
		d.send(p.event)
		if p.event = nil; p.key.count && !d.closing.Load() {
			d.push(l, p)
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
		for _, l := range []*dueList{&d.departures, &d.countUpdates} {
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
	d.release(&d.departures, now)
	d.release(&d.countUpdates, now)
}

// holding reports whether events are held.
func (d *debouncer) holding() bool {
	for _, l := range []*dueList{&d.departures, &d.countUpdates} {
		l.mu.Lock()
		p := l.head
		for p != nil && p.event == nil {
			p = p.next
		}
		l.mu.Unlock()
		if p != nil {
			return true
		}
	}
	return false
}
