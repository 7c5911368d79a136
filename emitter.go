package webhook

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// Emitter takes a server's events and sees to their delivery. All methods may be called from many goroutines at once.
type Emitter struct {
	opts   Options
	queue  queue.Queue
	traits queue.Traits
	http   dispatch.Sender
	lambda dispatch.Sender
	owned  []func() error // close what New made

	apps      *registry
	types     map[EventType]bool // known or declared
	ids       *idSource
	debouncer *debouncer // nil: nothing is held back
	members   *members   // nil: a member event is a user's, not a connection's
	batcher   *batcher
	outbox    *outbox
	pool      *pool // nil: this node only emits
	stats     counters
	watch     watcher
	log       *logger

	closed   atomic.Bool
	ending   sync.Once
	patience context.Context // of the ending
	hasten   context.CancelCauseFunc
	ended    chan struct{} // closed when everything has stopped
	result   error         // of the ending
	stop     context.CancelFunc
	moving   sync.WaitGroup // the batcher's and the courier's goroutines
	settled  chan struct{}  // capacity 1: nudged when a job was settled, for Drain
}

// New makes an emitter and starts its workers. The error is a *ConfigError that lists every mistake in o. End it with Shutdown
// or Close.
func New(o Options) (*Emitter, error) {
	o = o.withDefaults()
	if err := configError(validateOptions(&o)); err != nil {
		return nil, err
	}
	e := &Emitter{
		opts: o, apps: newRegistry(), types: map[EventType]bool{}, ids: newIDSource(),
		log: &logger{Logger: o.Logger}, ended: make(chan struct{}), settled: make(chan struct{}, 1),
	}
	e.watch.stats, e.log.stats = &e.stats, &e.stats
	if o.Trace != nil {
		e.watch.Trace = *o.Trace
	}
	for _, list := range [][]EventType{knownTypes, o.EventTypes} {
		for _, t := range list {
			e.types[t] = true
		}
	}
	if err := e.connect(); err != nil {
		return nil, err
	}
	if err := e.fill(); err != nil {
		return nil, err
	}
	e.start()
	return e, nil
}

// connect sets the queue and the senders, making those that the options leave to it.
func (e *Emitter) connect() error {
	o := &e.opts
	if e.queue = o.Queue; e.queue == nil {
		m, err := queue.NewMemory(queue.MemoryOptions{Lease: memoryLease})
		if err != nil {
			return err
		}
		e.queue = m
		e.owned = append(e.owned, m.Close)
	}
	e.traits = e.queue.Traits()
	http := o.HTTP
	if http == nil {
		h, err := dispatch.NewHTTP(dispatch.HTTPOptions{MaxIdlePerHost: max(o.Workers, 1)})
		if err != nil {
			return err
		}
		e.owned = append(e.owned, h.Close)
		http = h
	}
	e.http = dispatch.Chain(http, o.Middleware...)
	if o.Lambda != nil {
		e.lambda = dispatch.Chain(o.Lambda, o.Middleware...)
	}
	return nil
}

// fill compiles the apps of the options.
func (e *Emitter) fill() error {
	apps := make([]*app, 0, len(e.opts.Apps))
	for _, o := range e.opts.Apps {
		o = o.clone()
		a, err := compileApp(&o, nil)
		if err != nil {
			return err
		}
		apps = append(apps, a)
	}
	e.apps.fill(apps)
	e.opts.Apps = nil
	return nil
}

func (e *Emitter) start() {
	var ctx context.Context
	ctx, e.stop = context.WithCancel(context.Background())
	e.patience, e.hasten = context.WithCancelCause(context.Background())
	if e.traits.Off {
		return
	}
	e.outbox = newOutbox(e.opts.OutboxBytes, e.ended)
	e.batcher = newBatcher(e.opts.Batching, e.outbox)
	e.moving.Go(func() { e.batcher.run(ctx) })
	if e.opts.MemberConnections {
		e.members = newMembers()
	}
	if e.debouncer = newDebouncer(e); e.debouncer != nil {
		e.moving.Go(func() { e.debouncer.run(ctx) })
	}
	c := &courier{e: e, blocked: map[string]*blockage{}}
	e.moving.Go(func() { c.run(ctx) })
	if e.opts.Workers > 0 {
		e.pool = newPool(e, e.opts.Workers)
		e.pool.start(e.opts.Receivers)
	}
}

// Emit takes an event for every webhook of its app that wants it. It does no I/O and never waits for any; once it has
// returned nil, the event is in a batch that will be handed to the queue. When several goroutines emit, each webhook gets
// their events in the order of their Emits.
//
// It returns ErrUnknownApp, ErrInvalidEvent, ErrOverflow (for all of the event's webhooks or none) or ErrClosed. For an app that is disabled
// or has no webhooks, and with queue.None, it returns nil and nothing happens.
func (e *Emitter) Emit(ev Event) error {
	if e.closed.Load() {
		return ErrClosed
	}
	a := e.apps.get(ev.AppID)
	if a == nil {
		return fmt.Errorf("%w: app_id %q is not configured", ErrUnknownApp, shorten(ev.AppID))
	}
	if a.off || e.traits.Off {
		return nil
	}
	wanting := a.wanting(ev.Type)
	if wanting == nil && !e.types[ev.Type] {
		return fmt.Errorf("%w: name %q is neither a known event type nor declared in Options.EventTypes", ErrInvalidEvent, shorten(string(ev.Type)))
	}
	if err := ev.validate(); err != nil {
		return err
	}
	if !e.members.counts(&ev) {
		e.stats.emitted.Add(1)
		e.stats.suppressed.Add(1)
		return nil
	}
	if err := e.match(&ev, a, wanting); err != nil {
		e.members.undo(&ev)
		return err
	}
	e.stats.emitted.Add(1)
	return nil
}

// match finds the webhooks that want a valid event, and takes it for all of them or none.
func (e *Emitter) match(ev *Event, a *app, wanting []*hook) error {
	var few [12]*hook
	hooks := few[:0]
	for _, h := range wanting {
		if h.match.match(ev.Channel) {
			hooks = append(hooks, h)
		}
	}
	if e.debouncer != nil {
		if taken, err := e.debouncer.take(ev, a, hooks); taken {
			return err
		}
	}
	if len(hooks) == 0 {
		return nil
	}
	var space [256]byte
	data := ev.appendJSON(space[:0])
	if err := checkSize(data); err != nil {
		return err
	}
	if err := e.admit(hooks, reservation(data)); err != nil {
		return err
	}
	e.collect(ev, data, hooks)
	return nil
}

// maxEncoded bounds an event's JSON, so that a job of one event fits every queue.
const maxEncoded = defaultBatchBytes - bodyOverhead

// checkSize refuses an event that has become too long by escapes, which can take six times the room.
func checkSize(data []byte) error {
	if len(data) > maxEncoded {
		return fmt.Errorf("%w: it takes %d bytes in JSON, at most %d fit a job", ErrInvalidEvent, len(data), maxEncoded)
	}
	return nil
}

// admit makes room for an event at each of the hooks, or at none.
func (e *Emitter) admit(hooks []*hook, size int64) error {
	if !e.outbox.reserve(hooks, size) {
		e.stats.overflowed.Add(1)
		for _, h := range hooks {
			e.watch.dropped(h, 1, ErrOverflow)
		}
		return fmt.Errorf("%w: the outbox of %d bytes is full, or the share of it that one of the event's webhooks may have", ErrOverflow, e.outbox.limit)
	}
	if e.closed.Load() { // Shutdown waits for what was admitted before it began
		e.outbox.unreserve(hooks, size)
		return ErrClosed
	}
	e.stats.matched.Add(int64(len(hooks)))
	return nil
}

// collect puts an admitted event into the batches of the hooks.
func (e *Emitter) collect(ev *Event, data []byte, hooks []*hook) {
	for _, h := range hooks {
		e.batcher.add(h, data)
	}
	if len(hooks) > 0 {
		e.watch.emitted(ev, len(hooks))
	}
}

// Wants reports whether an event of this type on this channel would go to any webhook, so that a host can skip the
// work of finding out what the event would say. It takes no lock.
func (e *Emitter) Wants(appID string, t EventType, channel string) bool {
	a := e.apps.get(appID)
	if a == nil || a.off || e.traits.Off {
		return false
	}
	return a.wants(t, channel) || e.debouncer.wants(a, t, channel)
}

// SetApp adds an app, or replaces the one with its ID. Each event sees the old configuration or the new one. Events that wait in
// batches or in the queue go to the webhooks of the same identity, with their new URL, headers and so on; those of webhooks that are
// gone become dead letters. The error is a *ConfigError, and then nothing has changed.
func (e *Emitter) SetApp(a App) error {
	if e.closed.Load() {
		return ErrClosed
	}
	a = a.clone()
	if err := configError(rulesOf(&e.opts).app("app", &a)); err != nil {
		return err
	}
	err := e.apps.put(a.ID, func(old *app) (*app, error) {
		c, err := compileApp(&a, old)
		if err == nil {
			c.since = time.Now().UnixMilli()
		}
		return c, err
	})
	if err == nil && e.pool != nil {
		e.pool.setRates(e.apps.get(a.ID))
	}
	return err
}

// RemoveApp takes an app out of the configuration. Emit then returns ErrUnknownApp for its events, and what is queued for its
// webhooks becomes dead letters. An app that is not there is no error.
func (e *Emitter) RemoveApp(id string) {
	_ = e.apps.put(id, func(*app) (*app, error) { return nil, nil }) // can't fail
}

// drop gives up events that the queue can never take.
func (e *Emitter) drop(h *hook, job string, events int, err error) {
	e.stats.dropped.Add(int64(events))
	e.log.dropped(h, job, events, err)
	e.watch.dropped(h, events, err)
}
