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
func (e *Emitter) Emit(ev Event) error { return e.emit(&ev, nil) }

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
	w := &waiter{ctx: ctx}
	defer e.leave(w) // also if a Trace function ends this goroutine
	return e.emit(&ev, w)
}

// leave ends an EmitWait's wait.
func (e *Emitter) leave(w *waiter) {
	if w.lined {
		e.outbox.leave(w)
	}
}

// emit is Emit, or EmitWait if w is not nil.
func (e *Emitter) emit(ev *Event, w *waiter) error {
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
	if err := e.match(ev, a, wanting, w); err != nil {
		return err
	}
	e.stats.emitted.Add(1)
	return nil
}

// match finds the webhooks that want a valid event, and takes it for those that have room.
func (e *Emitter) match(ev *Event, a *app, wanting *route, w *waiter) error {
	var buf [12]*hook
	hooks := wanting.match(ev.Channel, buf[:0], math.MaxInt)
	if e.debouncer != nil {
		if taken, err := e.debouncer.take(ev, a, hooks, w); taken {
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
	hooks, err = e.admit(hooks, f.size(), w)
	if err != nil {
		return err
	}
	var r *receipt
	if w != nil {
		r = w.receipt
	}
	e.batch(ev, &f, hooks, r)
	return nil
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

// admit makes room for an event at the hooks and returns those that have it. For the others the
// event is dropped. If w is not nil it waits for room; else one at least must have room.
func (e *Emitter) admit(hooks []*hook, size int64, w *waiter) ([]*hook, error) {
	if len(hooks) == 0 {
		return hooks, nil
	}
	if w != nil {
		return e.admitWaiting(hooks, size, w)
	}
	n := e.outbox.reserve(hooks, size)
	if n == 0 {
		return nil, e.overflow(hooks)
	}
	return e.admitted(hooks, n, size)
}

// admitWaiting is admit for an EmitWait. While no other one waits, it needs no line.
func (e *Emitter) admitWaiting(hooks []*hook, size int64, w *waiter) ([]*hook, error) {
	if size > e.outbox.limit/int64(len(hooks)) {
		return nil, e.waitError(hooks, ErrOverflow) // it can never fit
	}
	if e.outbox.line.length.Load() == 0 {
		if n, ok := e.outbox.reserveAll(hooks, size); ok {
			w.noteDropped(len(hooks)-n, len(hooks))
			return e.admitted(hooks, n, size)
		}
		w.tried = true
	}
	waiting := slices.Clone(hooks) // so that those of an Emit stay on the stack
	n, err := e.outbox.waitFor(w, waiting, size)
	if err != nil {
		return nil, e.waitError(waiting, err)
	}
	w.noteDropped(len(waiting)-n, len(waiting))
	return e.admitted(waiting, n, size)
}

// admitted counts an event that the first n of the hooks have room for.
func (e *Emitter) admitted(hooks []*hook, n int, size int64) ([]*hook, error) {
	if e.closed.Load() { // Shutdown waits for what was admitted before it began
		e.outbox.unreserve(hooks[:n], size)
		return nil, ErrClosed
	}
	e.stats.matched.Add(int64(len(hooks)))
	e.stats.dropped.Add(int64(len(hooks) - n))
	told := false
	defer func() {
		if !told { // a Trace function has ended this goroutine, which will collect nothing
			e.stats.matched.Add(-int64(n))
			e.outbox.unreserve(hooks[:n], size)
		}
	}()
	for _, h := range hooks[n:] {
		e.log.overflowed(h)
		e.watch.dropped(h, 1, ErrOverflow)
	}
	told = true
	return hooks[:n], nil
}

// overflow counts and tells of an event that was taken for no webhook.
func (e *Emitter) overflow(hooks []*hook) error {
	e.stats.overflowed.Add(1)
	for _, h := range hooks {
		e.watch.dropped(h, 1, ErrOverflow)
	}
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

// cancel takes back what was admitted.
func (e *Emitter) cancel(hooks []*hook, size int64) {
	e.stats.suppressed.Add(1)
	e.stats.matched.Add(-int64(len(hooks)))
	e.outbox.unreserve(hooks, size)
}

// collect puts an admitted event into the batches of the hooks.
func (e *Emitter) collect(ev *Event, data []byte, hooks []*hook) {
	e.batch(ev, &forms{data: data}, hooks, nil)
}

// batch is collect for an event in its forms, with the receipt of an EmitSync, or nil.
func (e *Emitter) batch(ev *Event, f *forms, hooks []*hook, r *receipt) {
	size := f.size()
	for i, h := range hooks {
		data := f.of(h)
		if spare := size - reservation(data); spare > 0 {
			e.outbox.unreserve(hooks[i:i+1], spare)
		}
		e.batcher.add(h, data, r)
	}
	if len(hooks) > 0 {
		e.watch.emitted(ev, len(hooks))
	}
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
