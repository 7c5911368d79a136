package webhook

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

// Emitter takes a server's events and sees to their delivery. All methods may be called from many
// goroutines at once.
type Emitter struct {
	opts   Options
	queue  queue.Queue
	traits queue.Traits
	owned  []func() error // close what New made

	apps      *registry
	types     map[EventType]bool // known or declared
	ids       *idSource
	debouncer *debouncer // nil: nothing is held back
	batcher   *batcher
	outbox    *outbox
	sender    *sender
	scheduler *scheduler.Scheduler // nil: this process only emits
	stats     counters
	attempts  attempts
	watch     watcher
	log       *logger

	closed         atomic.Bool
	ending         sync.Once
	shutdownCtx    context.Context //nolint:containedctx // bounds the ending
	cancelShutdown context.CancelCauseFunc
	ended          chan struct{} // closed when everything has stopped
	result         error         // of the ending
	stop           context.CancelFunc
	queueClosed    chan struct{} // closed when the queue has said that it is
	closeQueue     sync.Once
	queueError     atomic.Pointer[error] // the queue's last one
	probe          queueProbe            // of the queue, for Health
	// goroutines of the batcher, the debouncer and the enqueuer
	background sync.WaitGroup
	// capacity 1: notified when a job has left the queue, for Drain
	settled chan struct{}
}

// New makes an emitter and starts its workers. The error is a *ConfigError that lists every mistake
// in o. End it with Shutdown or Close.
func New(o Options) (*Emitter, error) {
	o = o.withDefaults()
	if err := configError(validateOptions(&o)); err != nil {
		return nil, err
	}
	e := &Emitter{
		opts: o, apps: newRegistry(), types: map[EventType]bool{}, ids: newIDSource(),
		ended: make(chan struct{}), queueClosed: make(chan struct{}), settled: make(chan struct{}, 1),
	}
	e.log = newLogger(o.Logger, &e.stats)
	e.watch.log = e.log
	e.attempts.began = time.Now()
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
		h, err := dispatch.NewHTTP(dispatch.HTTPOptions{MaxIdlePerHost: o.Workers})
		if err != nil {
			return err
		}
		e.owned = append(e.owned, h.Close)
		http = h
	}
	e.sender = &sender{
		http: dispatch.Chain(http, o.Middleware...), timeout: o.RequestTimeout,
		keepTime: o.KeepTime, standard: o.StandardWebhooks, log: e.log,
	}
	if o.Lambda != nil {
		e.sender.lambda = dispatch.Chain(o.Lambda, o.Middleware...)
	}
	return nil
}

// fill compiles the apps of the options.
func (e *Emitter) fill() error {
	apps := make([]*app, 0, len(e.opts.Apps))
	for _, o := range e.opts.Apps {
		o = o.clone()
		a, err := compileApp(&o, identities(o.Webhooks), make([]*hook, len(o.Webhooks)))
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
	e.shutdownCtx, e.cancelShutdown = context.WithCancelCause(context.Background())
	if e.traits.Disabled {
		return
	}
	r := report{&e.stats, &e.watch, e.log}
	e.outbox = newOutbox(e.opts.OutboxBytes, &e.closed, e.ended)
	e.batcher = newBatcher(e.opts.Batching, e.traits.MaxJobBytes, e.outbox)
	e.keep(ctx, e.batcher.run)
	if e.opts.Debounce > 0 || e.opts.CountInterval > 0 {
		e.debouncer = newDebouncer(debouncerConfig{
			departureDelay: e.opts.Debounce, countInterval: e.opts.CountInterval,
			admit: e.admit, deliver: e.collect, cancel: e.cancel, suppress: func() { e.stats.suppressed.Add(1) },
		})
		e.keep(ctx, e.debouncer.run)
	}
	q := &guardedQueue{e.queue, e.log}
	carrier := newEnqueuer(enqueuerConfig{
		queue: q, inProcess: e.traits.InProcess, outbox: e.outbox, apps: e.apps, ids: e.ids, result: e.sawQueue,
		maxJobs: e.opts.EnqueueJobs, emitOnly: e.opts.EmitOnly,
	}, r)
	e.keep(ctx, carrier.run)
	e.keep(ctx, newReporter(reporterConfig{
		queue: q, traits: e.traits, emitOnly: e.opts.EmitOnly, apps: e.apps, emitted: e.stats.emitted,
	}, r).run)
	if !e.opts.EmitOnly {
		e.scheduler = scheduler.New(q, e.opts.Workers, e.opts.Pollers, &delivery{deliveryConfig{
			sender: e.sender, apps: e.apps, ids: e.ids, outbox: e.outbox, traits: e.traits, retry: e.opts.Retry,
			result: e.sawQueue, ended: e.settled, attempts: &e.attempts,
		}, r})
		e.scheduler.Start()
	}
}

// keep runs f in the background, and again when its goroutine has ended before ctx: by a panic, or
// by a Trace function or the log handler that called runtime.Goexit.
func (e *Emitter) keep(ctx context.Context, f func(context.Context)) {
	e.background.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				e.log.panicked("background", panicText(v), debug.Stack())
				queueBackoff.sleep(ctx, 100) // the longest pause
			}
			if ctx.Err() == nil {
				e.keep(ctx, f)
			}
		}()
		f(ctx)
	})
}

// SetApp adds an app, or replaces the one with its ID. Each event sees the old configuration or the
// new one. Events that wait in batches or in the queue go to the webhooks of the same identity,
// with their new URL, headers and so on; those of webhooks that are gone become dead letters. A
// webhook without an ID whose URL or function is changed is gone, and so is one that is given an
// ID: then SetApp logs one warning with the number of jobs, for which it asks the queue, for 2
// seconds at most. The error is a *ConfigError, and then nothing has changed.
func (e *Emitter) SetApp(a App) error {
	if e.closed.Load() {
		return ErrClosed
	}
	a = a.clone()
	before := e.apps.get(a.ID)
	ids, known := before.identities(a.Webhooks), before.unchanged(a.Webhooks)
	if err := configError(rulesOf(&e.opts).app("app", &a, ids, known)); err != nil {
		return err
	}
	now, err := compileApp(&a, ids, known)
	if err != nil {
		return err
	}
	old := e.apps.put(now)
	if e.scheduler != nil && old != nil {
		e.changeRates(old, now)
	}
	e.warnOfOrphans(orphans(old, now))
	return nil
}

// changeRates has the scheduler keep the rate limits that have changed.
func (e *Emitter) changeRates(old, now *app) {
	for _, h := range now.hooks {
		if before := old.hook(h.id); before != nil && before.RateLimit != h.RateLimit {
			e.scheduler.SetRate(h.lane, h.RateLimit.rate())
		}
	}
}

// RemoveApp takes an app out of the configuration. Emit then returns ErrUnknownApp for its events,
// and what is queued for its webhooks becomes dead letters. An app that is not there is no error.
func (e *Emitter) RemoveApp(id string) { e.apps.remove(id) }
