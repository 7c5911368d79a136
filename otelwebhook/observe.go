package otelwebhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
)

// Observe reports the emitter's Stats, its health, and what its queue holds. Stats are read when the
// MeterProvider collects. The queue is not: it is asked in the background, as Options.QueueInterval and
// WebhooksInterval say, so that a queue that is large, slow or away costs no scrape any time. What
// could not be learned lately, or what the queue cannot tell, is not reported: it is absent, not zero.
//
// A Telemetry observes one emitter, which is the one that has its Trace; another gets an error.
func (t *Telemetry) Observe(em *webhook.Emitter) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case em == nil:
		return errors.New("otelwebhook: Observe: the emitter is nil")
	case t.closed:
		return errors.New("otelwebhook: Observe: the Telemetry was closed")
	case t.pollers != nil:
		return errors.New("otelwebhook: Observe: it observes an emitter already; make a Telemetry for each, with an Options.Emitter of its own")
	}
	b := &builder{meter: t.meter}
	s, q := t.newStatsView(b), t.newQueueView(b)
	p := newPollers(em, t.opts)
	err := t.observeWith(b, func(_ context.Context, o metric.Observer) error {
		s.observe(o, em.Stats())
		q.observe(o, p)
		return nil
	})
	if err != nil {
		return fmt.Errorf("otelwebhook: Observe: %w", err)
	}
	p.start()
	t.pollers = p
	return nil
}

// statsView reports webhook.Stats.
type statsView struct {
	emitted, refused, suppressed, matched, adopted, settled, panics metric.Int64ObservableCounter
	pending, queued, outbox, limit                                  metric.Int64ObservableUpDownCounter

	base                     metric.ObserveOption
	delivered, dead, dropped metric.ObserveOption
}

func (t *Telemetry) newStatsView(b *builder) *statsView {
	settled := func(outcome string) metric.ObserveOption { return t.with(keySettled.String(outcome)) }
	return &statsView{
		emitted:    b.counter("webhook.emitted.events", "{event}", "Events that Emit took, whether a webhook wants them or not."),
		refused:    b.counter("webhook.refused.events", "{event}", "Events for which Emit returned ErrOverflow."),
		suppressed: b.counter("webhook.suppressed.events", "{event}", "Events left out by debouncing."),
		matched:    b.counter("webhook.matched.events", "{event}", "Events that Emit took for a webhook, counted for each."),
		adopted: b.counter("webhook.adopted.events", "{event}",
			"Events settled here but emitted by another process or an earlier one, or replayed, counted for each webhook."),
		settled: b.counter("webhook.settled.events", "{event}", "What became of events, counted for each webhook."),
		pending: b.level("webhook.pending.events", "{event}", "Events for a webhook that no durable queue has, counted for each."),
		queued: b.level("webhook.queued.events", "{event}",
			"Events for a webhook that this process gave to a durable queue and has not settled, counted for each."),
		panics: b.counter("webhook.panics", "{panic}", "Panics of Trace functions, middleware, senders and the log handler."),
		outbox: b.level("webhook.outbox.usage", "By", "What waits in memory for the queue to take it."),
		limit:  b.level("webhook.outbox.limit", "By", "The bound of the outbox."),
		base:   t.with(), delivered: settled("delivered"), dead: settled("dead_lettered"), dropped: settled("dropped"),
	}
}

func (v *statsView) observe(o metric.Observer, s webhook.Stats) {
	o.ObserveInt64(v.emitted, s.Emitted, v.base)
	o.ObserveInt64(v.refused, s.Overflowed, v.base)
	o.ObserveInt64(v.suppressed, s.Suppressed, v.base)
	o.ObserveInt64(v.matched, s.Matched, v.base)
	o.ObserveInt64(v.adopted, s.Adopted, v.base)
	o.ObserveInt64(v.settled, s.Delivered, v.delivered)
	o.ObserveInt64(v.settled, s.Dead, v.dead)
	o.ObserveInt64(v.settled, s.Dropped, v.dropped)
	o.ObserveInt64(v.pending, s.Pending, v.base)
	o.ObserveInt64(v.queued, s.Queued, v.base)
	o.ObserveInt64(v.panics, s.Panics, v.base)
	if s.OutboxLimit > 0 { // else webhooks are off
		o.ObserveInt64(v.outbox, s.OutboxBytes, v.base)
		o.ObserveInt64(v.limit, s.OutboxLimit, v.base)
	}
}

// queueView reports what was learned in the background.
type queueView struct {
	problems, jobs, size, letters, webhooks metric.Int64ObservableGauge
	evicted                                 metric.Int64ObservableCounter
	oldest, failing, oldestOfAll            metric.Float64ObservableGauge

	base                         metric.ObserveOption
	ready, held, delayed, leased metric.ObserveOption
	states                       []metric.ObserveOption // by webhook.LaneState
}

func (t *Telemetry) newQueueView(b *builder) *queueView {
	job := func(state string) metric.ObserveOption { return t.with(keyJobState.String(state)) }
	v := &queueView{
		problems: b.gauge("webhook.health.problems", "{problem}", "Problems of the emitter's health report; 0 is healthy."),
		jobs:     b.gauge("webhook.queue.jobs", "{job}", "Jobs in the queue, by state. All processes of a queue report the same."),
		oldest: b.seconds("webhook.queue.oldest_job.age",
			"Age of the oldest ready job whose webhook is not held. All processes of a queue report the same."),
		size:    b.gauge("webhook.queue.size", "By", "Size of the jobs in the queue. All processes of a queue report the same."),
		letters: b.gauge("webhook.queue.dead_letters", "{job}", "Dead letters in the queue. All processes of a queue report the same."),
		evicted: b.counter("webhook.queue.evicted_dead_letters", "{job}",
			"Dead letters that the queue has dropped since it was made. All processes of a queue report the same."),
		webhooks: b.gauge("webhook.webhooks", "{webhook}", "Webhooks by state. All processes of a queue that shares the states report the same."),
		failing:  b.seconds("webhook.failing.duration", "For how long the webhook that has failed longest has failed; 0 if none fails."),
		oldestOfAll: b.seconds("webhook.waiting.oldest_job.age",
			"Age of the oldest ready job of any webhook, those of held ones included."),
		base: t.with(), ready: job("ready"), held: job("held"), delayed: job("delayed"), leased: job("leased"),
	}
	for s := range laneStates {
		v.states = append(v.states, t.with(keyState.String(webhook.LaneState(s).String())))
	}
	return v
}

func (v *queueView) observe(o metric.Observer, p *pollers) {
	now := time.Now()
	if n, _, ok := p.health.get(now); ok {
		o.ObserveInt64(v.problems, int64(n), v.base)
	}
	if s, _, ok := p.queue.get(now); ok {
		v.observeQueue(o, s)
	}
	if s, age, ok := p.webhooks.get(now); ok {
		for state, n := range s.byState {
			o.ObserveInt64(v.webhooks, n, v.states[state])
		}
		failing := time.Duration(0)
		if !s.failingSince.IsZero() {
			failing = now.Sub(s.failingSince)
		}
		o.ObserveFloat64(v.failing, seconds(failing), v.base)
		if s.oldest > 0 {
			o.ObserveFloat64(v.oldestOfAll, seconds(s.oldest+age), v.base)
		} else if s.oldest == 0 {
			o.ObserveFloat64(v.oldestOfAll, 0, v.base)
		}
	}
}

// observeQueue reports a queue's counts. A queue that cannot tell the size of its jobs or the age of the
// oldest says 0 while it has some.
func (v *queueView) observeQueue(o metric.Observer, s queue.Stats) {
	ready := int64(max(0, s.Ready-s.Held))
	o.ObserveInt64(v.jobs, ready, v.ready)
	o.ObserveInt64(v.jobs, int64(s.Held), v.held)
	o.ObserveInt64(v.jobs, int64(s.Delayed), v.delayed)
	o.ObserveInt64(v.jobs, int64(s.Leased), v.leased)
	o.ObserveInt64(v.letters, int64(s.Dead), v.base)
	o.ObserveInt64(v.evicted, s.DeadDropped, v.base)
	if s.Oldest > 0 || ready == 0 {
		o.ObserveFloat64(v.oldest, seconds(s.Oldest), v.base)
	}
	if s.Bytes > 0 || s.Ready+s.Delayed+s.Leased == 0 {
		o.ObserveInt64(v.size, s.Bytes, v.base)
	}
}

// laneStates is how many states of a webhook there are.
const laneStates = int(webhook.LaneHeld) + 1
