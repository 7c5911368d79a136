package webhook

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Emit takes an event for every webhook of its app that wants it. It does no I/O and never waits
// for any; once it has returned nil, the event is in a batch that will be handed to the queue. When
// several goroutines emit, each webhook gets their events in the order of their Emits.
//
// A webhook may have no room while the others of the event have: then Emit returns nil, and for
// that webhook the event is dropped, which Stats.Dropped counts and Trace.Dropped tells. Webhooks
// that fail share half of the room.
//
// It returns ErrUnknownApp, ErrInvalidEvent, ErrOverflow (no webhook has room, and nothing was
// taken) or ErrClosed. For an app that is disabled or has no webhooks, and with queue.None, it
// returns nil and nothing happens.
func (e *Emitter) Emit(ev Event) error { return e.emit(&ev, emitMode{}) }

// EmitWait is Emit for producers that may wait: where Emit would drop the event or return
// ErrOverflow, it waits until all of the event's webhooks that are not failing have room. For a
// failing webhook it does not wait: the event is dropped and counted if failing webhooks hold their
// share of the room. For each webhook, EmitWaits that wait get room in the order of their calls.
//
// Besides Emit's errors it returns ctx's error when ctx ends first, and then the event was not
// taken. ErrOverflow means that Options.OutboxBytes can never hold the event for all of its
// webhooks.
//
// Room is made by other goroutines of the emitter. EmitWait must not be called from a Trace
// function, from middleware or from a sender: those goroutines would wait for themselves.
func (e *Emitter) EmitWait(ctx context.Context, ev Event) error {
	return e.emit(&ev, emitMode{ctx: ctx})
}

func (e *Emitter) emit(ev *Event, m emitMode) error {
	if e.closed.Load() {
		return ErrClosed
	}
	a := e.apps.get(ev.AppID)
	if a == nil {
		return fmt.Errorf("%w: app_id %q is not configured", ErrUnknownApp, shorten(ev.AppID))
	}
	if a.off || e.traits.Disabled {
		return nil
	}
	wanting := a.route(ev.Type)
	if wanting == nil && !e.types[ev.Type] {
		return fmt.Errorf("%w: name %q is neither a known event type nor declared in Options.EventTypes", ErrInvalidEvent, shorten(string(ev.Type)))
	}
	if err := ev.validate(); err != nil {
		return err
	}
	m.emitted = &e.stats.of(a).emitted
	if err := e.match(ev, a, wanting, m); err != nil {
		return err
	}
	m.emitted.Add(1)
	return nil
}

// match finds the webhooks that want a valid event, and takes it for those that have room.
func (e *Emitter) match(ev *Event, a *app, wanting *route, m emitMode) error {
	var buf [12]*hook
	hooks := wanting.match(ev.Channel, buf[:0], math.MaxInt)
	if e.debouncer != nil {
		if taken, err := e.debouncer.take(ev, a, hooks, m); taken {
			return err
		}
	}
	if len(hooks) == 0 {
		return nil
	}
	var space [256]byte
	f, err := ev.formsFor(hooks, space[:0])
	if err != nil {
		return err
	}
	return e.take(ev, &f, hooks, m)
}

// maxEncoded bounds an event's JSON, so that a job of one event fits every queue.
const maxEncoded = defaultBatchBytes - bodyOverhead

// checkSize refuses an event that has become too long by escapes, which can take six times the
// room.
func checkSize(data []byte) error {
	if len(data) > maxEncoded {
		return fmt.Errorf("%w: it takes %d bytes in JSON, at most %d fit a job", ErrInvalidEvent, len(data), maxEncoded)
	}
	return nil
}

// take puts an event into the batches of the hooks that have room. For the others it is dropped,
// unless it may wait; one at least must have room.
func (e *Emitter) take(ev *Event, f *forms, hooks []*hook, m emitMode) error {
	if m.waits() && !e.outbox.fits(len(hooks), roomInTurn(f, hooks)) {
		return e.waitError(hooks, ErrOverflow)
	}
	n, found := e.offer(f, hooks, m)
	switch {
	case found == noneTaken:
		return ErrClosed
	case m.waits() && found != roomFound:
		return e.takeInTurn(ev, f, hooks, m)
	case found != roomFound || n == 0 && !m.waits():
		return e.overflow(hooks)
	}
	e.taken(ev, hooks, n, m)
	return nil
}

// offer puts an event into the batches of as many of the hooks as have room, as roomAt says, and
// counts it for all of them if it is taken.
func (e *Emitter) offer(f *forms, hooks []*hook, m emitMode) (n int, found room) {
	if len(hooks) == 1 {
		n, found = e.offerOne(f.of(hooks[0]), hooks[0], m)
	} else {
		n, found = e.offerAll(f, hooks, m)
	}
	if found != othersFirst && (found != roomFound || n < len(hooks)) {
		e.outbox.changed()
	}
	return n, found
}

func (e *Emitter) offerOne(data []byte, h *hook, m emitMode) (n int, found room) {
	matched := &e.stats.of(h.app).matched
	found = e.batcher.offer(h, data, m, matched)
	if found == shareFull && m.waits() && h.slot.isFailing() {
		matched.Add(1) // it does not wait for a failing webhook
		return 0, roomFound
	}
	return 1, found
}

func (e *Emitter) offerAll(f *forms, hooks []*hook, m emitMode) (n int, found room) {
	bytes := f.size() * int64(len(hooks))
	if found := e.outbox.enter(bytes); found != roomFound {
		return 0, found
	}
	defer e.outbox.exit(bytes)
	n, found = e.batcher.prepare(hooks, f, m.waits())
	if n > 0 || m.waits() && found == roomFound {
		e.stats.of(hooks[0].app).matched.Add(int64(len(hooks)))
		e.put(f, hooks[:n], 0, m)
	}
	return n, found
}

// takeInTurn is take for an EmitWait that found no room, or others that wait.
func (e *Emitter) takeInTurn(ev *Event, f *forms, hooks []*hook, m emitMode) error {
	n, err := e.putInTurn(f, hooks, m)
	if err != nil {
		return e.waitError(hooks, err)
	}
	e.taken(ev, hooks, n, m)
	return nil
}

// putInTurn puts an event into the batches of the hooks when it is its turn, and returns of how many.
func (e *Emitter) putInTurn(f *forms, hooks []*hook, m emitMode) (n int, err error) {
	w := e.outbox.newWaiter(m, hooks, e.roomToWaitFor(f, hooks))
	defer e.outbox.leave(w)
	if err := e.outbox.await(w); err != nil {
		return 0, err
	}
	e.stats.of(hooks[0].app).matched.Add(int64(len(hooks)))
	n = w.found(hooks)
	e.put(f, hooks[:n], w.size, m)
	return n, nil
}

// roomToWaitFor returns the bytes that an EmitWait waits for at each of its hooks: those that the hooks'
// batches take next, so that the events that follow need not wait as well. It asks for no more than a
// small part of the outbox, unless the event itself needs that.
func (e *Emitter) roomToWaitFor(f *forms, hooks []*hook) int64 {
	step := int64(0)
	for _, h := range hooks {
		step = max(step, e.batcher.step(h, len(f.of(h))))
	}
	const part = 64
	return max(roomInTurn(f, hooks), min(step, e.outbox.limit/int64(part*len(hooks))))
}

// roomInTurn returns the bytes that an EmitWait needs at least at each of its hooks: those of a batch of
// its own, since many may get room before the first of them opens one.
func roomInTurn(f *forms, hooks []*hook) int64 {
	names := 0
	for _, h := range hooks {
		names = max(names, len(h.lane)+len(h.app.key))
	}
	return f.size() + smallestBatch + int64(names)
}

// put adds an event to the batches of the hooks, for each of which so many bytes are reserved.
func (e *Emitter) put(f *forms, hooks []*hook, reserved int64, m emitMode) {
	for _, h := range hooks {
		e.batcher.add(h, f.of(h), reserved, m.receipt)
	}
}

// taken tells of an event that is in the batches of the first n of the hooks, and is dropped for the
// others. It calls the host's Trace functions, which may end the goroutine.
func (e *Emitter) taken(ev *Event, hooks []*hook, n int, m emitMode) {
	told := false
	defer func() {
		if !told {
			m.ended()
		}
	}()
	e.dropped(hooks[n:], len(hooks), m)
	if n > 0 {
		e.watch.emitted(ev, n)
	}
	told = true
}

// dropped counts an event that is dropped for some of its webhooks, and tells of it.
func (e *Emitter) dropped(hooks []*hook, of int, m emitMode) {
	if len(hooks) == 0 {
		return
	}
	e.stats.dropped.Add(int64(len(hooks)))
	if m.receipt != nil {
		m.receipt.fail(fmt.Errorf("%w: dropped for %d of %d webhooks", ErrOverflow, len(hooks), of))
	}
	e.tellDropped(hooks, func(h *hook) { e.watch.dropped(h, "", 1, ErrOverflow) })
}

// tellDropped counts an event as dropped by each of the webhooks, and tells of it. A Trace function may
// end the goroutine, so all are counted before the first is told of.
func (e *Emitter) tellDropped(hooks []*hook, tell func(*hook)) {
	for _, h := range hooks {
		h.slot.dropped.Add(1)
		e.log.drops.addEvent(h)
	}
	for _, h := range hooks {
		tell(h)
	}
}

// overflow counts and tells of an event that was taken for no webhook.
func (e *Emitter) overflow(hooks []*hook) error {
	e.stats.overflowed.Add(1)
	e.tellDropped(hooks, e.watch.refused)
	return fmt.Errorf("%w: the outbox of %d bytes is full, or each of the event's webhooks has its share of it", ErrOverflow, e.outbox.limit)
}

// waitError words the error of an EmitWait that has not taken its event.
func (e *Emitter) waitError(hooks []*hook, err error) error {
	switch {
	case errors.Is(err, ErrOverflow):
		_ = e.overflow(hooks)
		return fmt.Errorf("%w: an outbox of %d bytes can never hold the event for its %d webhooks", ErrOverflow, e.outbox.limit, len(hooks))
	case errors.Is(err, ErrClosed):
		return ErrClosed
	}
	return fmt.Errorf("webhook: waiting for room: %w", err)
}

// admit reserves room for an event that the debouncer may hold, and returns the hooks that have it.
func (e *Emitter) admit(hooks []*hook, size int64, m emitMode) ([]*hook, error) {
	if len(hooks) == 0 {
		return hooks, nil
	}
	var n int
	var found room
	if m.waits() {
		if !e.outbox.fits(len(hooks), size) {
			return nil, e.waitError(hooks, ErrOverflow)
		}
		w := e.outbox.newWaiter(m, hooks, size)
		defer e.outbox.leave(w)
		if err := e.outbox.await(w); err != nil {
			return nil, e.waitError(hooks, err)
		}
		n = w.found(hooks)
	} else if n, found = e.outbox.reserveAt(hooks, size, false); found != roomFound || n == 0 {
		e.outbox.changed()
		if found == noneTaken {
			return nil, ErrClosed
		}
		return nil, e.overflow(hooks)
	}
	e.stats.of(hooks[0].app).matched.Add(int64(len(hooks)))
	held, told := slices.Clone(hooks[:n]), false
	defer func() {
		if !told { // a Trace function has ended the goroutine, so nobody holds the event
			e.unadmit(held, size)
		}
	}()
	e.dropped(hooks[n:], len(hooks), m)
	told = true
	return held, nil
}

// unadmit gives back what admit reserved and counted.
func (e *Emitter) unadmit(hooks []*hook, size int64) {
	if len(hooks) == 0 {
		return
	}
	e.stats.of(hooks[0].app).matched.Add(-int64(len(hooks)))
	e.outbox.unreserve(hooks, size)
	e.outbox.changed()
}

// cancel takes back what was admitted.
func (e *Emitter) cancel(hooks []*hook, size int64) {
	e.stats.suppressed.Add(1)
	e.unadmit(hooks, size)
}

// collect puts an admitted event into the batches of the hooks.
func (e *Emitter) collect(ev *Event, f *forms, hooks []*hook, m emitMode) {
	e.put(f, hooks, f.size(), m)
	e.taken(ev, hooks, len(hooks), m)
}

// Wants reports whether an event of this type on this channel would go to any webhook, so that a
// host can skip the work of finding out what the event would say. It takes no lock.
func (e *Emitter) Wants(appID string, t EventType, channel string) bool {
	a := e.apps.get(appID)
	if a == nil || a.off || e.traits.Disabled || len(channel) > maxChannelBytes {
		return false
	}
	return a.wants(t, channel) || e.debouncer.wants(a, t, channel)
}
