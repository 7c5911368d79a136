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
	key    debounceKey
	due    time.Time
	event  *heldEvent   // what to deliver when it is due; nil: nothing
	behind []*heldEvent // what has to come after a departure that is being delivered
	busy   bool         // an event of the key is being delivered, or follows one that is
	next   *pending
}

// heldEvent is an event for which room is reserved at each of its hooks.
type heldEvent struct {
	event Event
	forms forms
	hooks []*hook
}

// debouncer holds channel_vacated and member_removed back for a while, as Pusher does. If the
// channel is occupied or the member added again meanwhile, neither event is sent. It also spaces
// out subscription_count.
//
// It has one goroutine and, since the time is the same for all entries of a list, no timer for
// each. Nothing is delivered with a list locked: delivering calls the host's Trace functions.
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

	admit   func(hooks []*hook, size int64, m emitMode) ([]*hook, error)
	deliver func(ev *Event, f *forms, hooks []*hook, m emitMode) // what was admitted
	cancel  func(hooks []*hook, size int64)                      // what was admitted
	// counts an event that was never admitted
	suppress func()
}

// dueList is a list of entries in the order in which they are due.
type dueList struct {
	window time.Duration // 0: nothing is held

	mu         sync.Mutex
	byKey      map[debounceKey]*pending
	head, tail *pending
	length     int           // of the list, which also has those that were taken back
	held       int           // events that are not delivered yet
	emptied    chan struct{} // closed when held becomes 0, if somebody waits
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
func (d *debouncer) take(ev *Event, a *app, hooks []*hook, m emitMode) (bool, error) {
	key := debounceKey{app: ev.AppID, channel: ev.Channel, user: ev.UserID}
	switch ev.Type {
	case TypeChannelVacated, TypeMemberRemoved:
		return d.hold(key, ev, a, hooks, m)
	case TypeChannelOccupied, TypeMemberAdded:
		return d.arrive(key, ev, hooks, m)
	case TypeSubscriptionCount:
		return d.space(debounceKey{app: ev.AppID, channel: ev.Channel, count: true}, ev, hooks, m)
	}
	return false, nil
}

// hold holds a departure, unless no webhook wants it or its opposite.
func (d *debouncer) hold(key debounceKey, ev *Event, a *app, hooks []*hook, m emitMode) (bool, error) {
	l := &d.departures
	if l.window == 0 || d.closing.Load() || len(hooks) == 0 && !a.wants(opposite(ev.Type), ev.Channel) {
		return false, nil
	}
	held, err := d.admitted(ev, hooks, m)
	if err != nil {
		return true, err
	}
	switch now := d.depart(key, held); {
	case now == sendNow:
		d.send(held, m)
	case now == forgetIt:
		d.forget(held)
	}
	return true, nil
}

// act is what to do with an event after its list was unlocked.
type act uint8

const (
	keepIt   act = iota // it is in the list
	sendNow             // deliver it
	forgetIt            // it is of no use
)

// depart puts a departure into the list.
func (d *debouncer) depart(key debounceKey, held *heldEvent) act {
	l := &d.departures
	l.mu.Lock()
	defer l.mu.Unlock()
	switch p := l.byKey[key]; {
	case p != nil && p.busy:
		l.queueBehind(p, held)
	case p != nil: // it has left already
		return forgetIt
	case l.length >= maxPending:
		return sendNow
	default:
		l.held++
		d.push(l, &pending{key: key, event: held})
	}
	return keepIt
}

// queueBehind has an event follow a departure that is being delivered. The list is locked.
func (l *dueList) queueBehind(p *pending, held *heldEvent) {
	l.held++
	p.behind = append(p.behind, held)
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

// arrive takes back the departure of a key that has come back, and reports whether it did. An
// arrival whose departure is being delivered follows it.
func (d *debouncer) arrive(key debounceKey, ev *Event, hooks []*hook, m emitMode) (bool, error) {
	departure, busy := d.takeBack(key)
	switch {
	case departure != nil:
		d.suppress() // the arrival; forget counts the departure
		d.forget(departure)
		return true, nil
	case !busy || len(hooks) == 0:
		return false, nil
	}
	held, err := d.admitted(ev, hooks, m)
	if err != nil {
		return true, err
	}
	l := &d.departures
	l.mu.Lock()
	p := l.byKey[key]
	if busy = p != nil && p.busy; busy {
		l.queueBehind(p, held)
	}
	l.mu.Unlock()
	if !busy {
		d.send(held, m)
	}
	return true, nil
}

// takeBack takes the departure of a key off the list. It returns nil if there is none, and whether
// it is being delivered.
func (d *debouncer) takeBack(key debounceKey) (departure *heldEvent, busy bool) {
	l := &d.departures
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.byKey[key]
	if p == nil || p.busy {
		return nil, p != nil
	}
	delete(l.byKey, key)
	departure, p.event = p.event, nil
	l.done()
	return departure, false
}

// done notes that an event is held no longer. The list is locked.
func (l *dueList) done() {
	if l.held--; l.held == 0 && l.emptied != nil {
		close(l.emptied)
		l.emptied = nil
	}
}

// space lets a large channel's count through once in a while, and keeps the last of those between.
func (d *debouncer) space(key debounceKey, ev *Event, hooks []*hook, m emitMode) (bool, error) {
	l := &d.countUpdates
	if l.window == 0 || len(hooks) == 0 || d.closing.Load() {
		return false, nil
	}
	held, err := d.admitted(ev, hooks, m) // before the lock, because it may wait
	if err != nil {
		return true, err
	}
	p, before := d.update(key, held)
	if before != nil {
		d.forget(before)
	}
	if p != nil {
		d.sendCount(p, held, m)
	}
	return true, nil
}

// update keeps a count until its channel may send one again, in the place of the one before. If it
// may be sent now, update returns the channel's entry.
func (d *debouncer) update(key debounceKey, held *heldEvent) (now *pending, before *heldEvent) {
	l := &d.countUpdates
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.byKey[key]
	switch {
	case p == nil:
		p = &pending{key: key, busy: true}
		if held.event.SubscriptionCount > smallChannel && l.length < maxPending {
			d.push(l, p)
		}
		l.held++
		return p, nil
	case p.event == nil:
		l.held++
	}
	before, p.event = p.event, held
	return nil, before
}

// sendCount delivers a count. The next one of its channel waits for it at least.
func (d *debouncer) sendCount(p *pending, held *heldEvent, m emitMode) {
	defer func() {
		l := &d.countUpdates
		l.mu.Lock()
		defer l.mu.Unlock()
		p.busy = false
		l.done()
	}()
	d.send(held, m)
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
func (d *debouncer) admitted(ev *Event, hooks []*hook, m emitMode) (*heldEvent, error) {
	f, err := ev.formsFor(hooks, nil)
	if err != nil {
		return nil, err
	}
	held := &heldEvent{event: *ev, forms: f}
	held.hooks, err = d.admit(slices.Clone(hooks), f.size(), m)
	return held, err
}

// send puts a held event into the batches. Only one that was never held back has an emitMode.
func (d *debouncer) send(held *heldEvent, m emitMode) {
	d.deliver(&held.event, &held.forms, held.hooks, m)
}

// forget drops a held event.
func (d *debouncer) forget(held *heldEvent) { d.cancel(held.hooks, held.forms.size()) }

// release delivers what is due at the time, and returns when the next entry is due, or zero.
func (d *debouncer) release(l *dueList, now time.Time) time.Time {
	for {
		p, next := d.pop(l, now)
		if p == nil {
			return next
		}
		if p.key.count {
			d.releaseCount(p)
		} else {
			d.releaseDeparture(p)
		}
	}
}

// pop takes the first entry off the list that is due and has an event, and marks it busy. Without
// one it returns when the next entry is due, or zero.
func (d *debouncer) pop(l *dueList, now time.Time) (*pending, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.head != nil {
		p := l.head
		if p.due.After(now) && !d.closing.Load() {
			return nil, p.due
		}
		l.head = p.next
		l.length--
		switch {
		case l.byKey[p.key] != p: // it was taken back
		case p.busy && p.key.count: // the last one is still being delivered
			d.push(l, p)
			if d.closing.Load() {
				return nil, now
			}
		case p.event == nil:
			delete(l.byKey, p.key)
		default:
			p.busy = true
			return p, time.Time{}
		}
	}
	return nil, time.Time{}
}

// releaseDeparture delivers a departure, and what has come after it meanwhile.
func (d *debouncer) releaseDeparture(p *pending) {
	defer func() {
		l := &d.departures
		l.mu.Lock()
		defer l.mu.Unlock()
		l.done()
		if p.event = nil; len(p.behind) == 0 {
			delete(l.byKey, p.key)
			return
		}
		p.event, p.behind = p.behind[0], p.behind[1:]
		d.pushFront(l, p)
	}()
	d.send(p.event, emitMode{})
}

// pushFront has an entry be due again at once. It stays busy. The list is locked.
func (d *debouncer) pushFront(l *dueList, p *pending) {
	if p.next = l.head; p.next == nil {
		l.tail = p
	}
	l.head = p
	l.length++
}

// releaseCount delivers a count, and has the next one of its channel wait.
func (d *debouncer) releaseCount(p *pending) {
	l := &d.countUpdates
	l.mu.Lock()
	held := p.event
	p.event = nil
	if d.closing.Load() {
		delete(l.byKey, p.key)
	} else {
		d.push(l, p)
	}
	l.mu.Unlock()
	d.sendCount(p, held, emitMode{})
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

// finish has everything delivered that is held, and holds nothing from now on. It returns when that
// is done, or when ctx ends.
func (d *debouncer) finish(ctx context.Context) {
	d.closing.Store(true)
	notify(d.wake)
	_ = d.wait(ctx)
}

// wait returns when no event is held, or with ctx's error.
func (d *debouncer) wait(ctx context.Context) error {
	for _, l := range []*dueList{&d.departures, &d.countUpdates} {
		for emptied := l.untilEmpty(); emptied != nil; emptied = l.untilEmpty() {
			select {
			case <-emptied:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// untilEmpty returns a channel that is closed when no event is held, or nil if none is.
func (l *dueList) untilEmpty() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == 0 {
		return nil
	}
	if l.emptied == nil {
		l.emptied = make(chan struct{})
	}
	return l.emptied
}

// holding reports whether events are held.
func (d *debouncer) holding() bool {
	return d.departures.untilEmpty() != nil || d.countUpdates.untilEmpty() != nil
}
