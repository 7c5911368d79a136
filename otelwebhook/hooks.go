package otelwebhook

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// outcome is what an attempt came to, as webhook.attempt.outcome says it.
type outcome int

const (
	delivered outcome = iota
	retried           // it failed, and the job is tried again
	failed            // it failed, and the job is not tried again as it is
	unsent            // nothing was sent, for a reason of this host's; not counted in Stats.Attempts
)

var outcomes = []string{delivered: "delivered", retried: "retried", failed: "failed", unsent: "unsent"}

func outcomeOf(i *webhook.AttemptedInfo) outcome {
	switch {
	case i.Outcome.Verdict == dispatch.Delivered:
		return delivered
	case i.Outcome.Verdict == dispatch.Unsent:
		return unsent
	case i.Retry:
		return retried
	}
	return failed
}

// drop is why events were dropped, as the log's line says it.
type drop int

const (
	noRoom drop = iota
	tooLarge
	notDelivered
)

var drops = []string{noRoom: "no_room", tooLarge: "too_large", notDelivered: "not_delivered"}

func dropOf(err error) drop {
	switch {
	case errors.Is(err, webhook.ErrOverflow):
		return noRoom
	case errors.Is(err, queue.ErrTooLarge):
		return tooLarge
	}
	return notDelivered
}

// counters are what the hooks count.
type counters struct {
	batched, enqueuedJobs, enqueuedEvents, attempts, deadLettered, dropped, split *counter

	active           atomic.Int64 // attempts under way
	activeInstrument metric.Int64ObservableUpDownCounter
	baseSet          metric.ObserveOption
}

func (c *counters) all() []*counter {
	return []*counter{c.batched, c.enqueuedJobs, c.enqueuedEvents, c.attempts, c.deadLettered, c.dropped, c.split}
}

func (c *counters) observe(o metric.Observer) {
	for _, counter := range c.all() {
		counter.observe(o)
	}
	o.ObserveInt64(c.activeInstrument, c.active.Load(), c.baseSet)
}

func (t *Telemetry) makeCounters(b *builder) {
	apps, types, errs := len(t.names.apps), len(t.names.types), len(t.names.errors)
	c := &t.counters
	c.batched = newCounter(apps, types, false, func(app, i int) []attribute.KeyValue {
		return append(t.app(app), keyEventType.String(t.names.types[i]))
	})
	c.batched.instrument = b.counter("webhook.batched.events", "{event}",
		"Events that Emit took for at least one webhook, when they are put into the webhooks' batches.")
	c.dropped = newCounter(apps, len(drops), true, func(app, i int) []attribute.KeyValue {
		return append(t.app(app), keyDropped.String(drops[i]))
	})
	c.dropped.instrument = b.counter("webhook.dropped.events", "{event}",
		"Events that were lost to a webhook, counted for each, by reason.")
	c.enqueuedJobs = newCounter(1, 1, true, t.none)
	c.enqueuedJobs.instrument = b.counter("webhook.enqueued.jobs", "{job}", "Jobs that the queue has taken.")
	c.enqueuedEvents = newCounter(1, 1, true, t.none)
	c.enqueuedEvents.instrument = b.counter("webhook.enqueued.events", "{event}", "Events in the jobs that the queue has taken.")
	c.attempts = newCounter(apps, len(outcomes)*errs, false, func(app, i int) []attribute.KeyValue {
		attrs := append(t.app(app), keyAttempt.String(outcomes[i/errs]))
		if outcome(i/errs) != delivered {
			attrs = append(attrs, semconv.ErrorTypeKey.String(t.names.errors[i%errs]))
		}
		return attrs
	})
	c.attempts.instrument = b.counter("webhook.attempts", "{attempt}", "Attempts that have ended, by outcome and error.")
	c.deadLettered = newCounter(apps, errs, false, func(app, i int) []attribute.KeyValue {
		return append(t.app(app), semconv.ErrorTypeKey.String(t.names.errors[i]))
	})
	c.deadLettered.instrument = b.counter("webhook.dead_lettered.events", "{event}",
		"Events of jobs that this process has given up, by the word that the dead letter's reason begins with.")
	c.split = newCounter(1, 1, true, t.none)
	c.split.instrument = b.counter("webhook.split.jobs", "{job}", "Jobs that were put in halves.")
	c.activeInstrument = b.level("webhook.active.attempts", "{attempt}", "Attempts under way: busy workers.")
	c.baseSet = t.with()
}

// app returns the attributes of an app's series. Row 0 is that of all apps which Options.AppIDs does not
// list.
func (t *Telemetry) app(row int) []attribute.KeyValue {
	attrs := slices.Clip(slices.Clone(t.base))
	if len(t.names.apps) > 1 {
		attrs = append(attrs, keyApp.String(t.names.apps[row]))
	}
	return attrs
}

func (t *Telemetry) none(int, int) []attribute.KeyValue { return t.base }

// with returns an attribute set for observing: the base and some more.
func (t *Telemetry) with(attrs ...attribute.KeyValue) metric.ObserveOption {
	return metric.WithAttributeSet(attribute.NewSet(append(slices.Clip(t.base), attrs...)...))
}

// durations are the histograms, with the options of a record.
type durations struct {
	attempt  metric.Float64Histogram
	byResult [][]metric.RecordOption // of attempt, by outcome
	delivery metric.Float64Histogram
	plain    []metric.RecordOption
}

var (
	attemptBounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30}

	// deliveryBounds reach from a batch's window to the age at which a job is given up.
	deliveryBounds = []float64{0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600}
)

func (t *Telemetry) makeDurations(b *builder) {
	d := &t.durations
	d.attempt = b.histogram("webhook.attempt.duration", "Time of an attempt, from dialing to the end of the answer.", attemptBounds)
	for _, name := range outcomes {
		set := attribute.NewSet(append(slices.Clip(t.base), keyAttempt.String(name))...)
		d.byResult = append(d.byResult, []metric.RecordOption{metric.WithAttributeSet(set)})
	}
	d.delivery = b.histogram("webhook.delivery.duration",
		"Time from the Emit of a delivered job's earliest event to the receiver's answer, without replayed jobs.", deliveryBounds)
	d.plain = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(t.base...))}
}

func (d *durations) record(i *webhook.AttemptedInfo, o outcome) {
	d.attempt.Record(context.Background(), i.Duration.Seconds(), d.byResult[o]...)
	if o == delivered && i.SinceEmit >= 0 {
		d.delivery.Record(context.Background(), seconds(i.SinceEmit), d.plain...)
	}
}

func seconds(d time.Duration) float64 { return max(0, d).Seconds() }

// hooks returns the functions that count. Those of Emitted and Dropped are called inside Emit.
func (t *Telemetry) hooks() webhook.Trace {
	c, errs := &t.counters, len(t.names.errors)
	return webhook.Trace{
		Emitted: func(i webhook.EmittedInfo) { c.batched.add(t.apps[i.Event.AppID], t.types[string(i.Event.Type)], 1) },
		Dropped: func(i webhook.DroppedInfo) {
			if !i.Refused { // else Stats.Overflowed has it, once for all webhooks
				c.dropped.add(t.apps[i.AppID], int(dropOf(i.Err)), int64(i.Events))
			}
		},
		Enqueued: func(i webhook.EnqueuedInfo) {
			c.enqueuedJobs.add(0, 0, 1)
			c.enqueuedEvents.add(0, 0, int64(i.Events))
		},
		AttemptStarted: func(webhook.AttemptStartedInfo) { c.active.Add(1) },
		Attempted: func(i webhook.AttemptedInfo) {
			c.active.Add(-1)
			o, errType := outcomeOf(&i), errorType(i.Outcome.Reason, i.Outcome.Status)
			c.attempts.add(t.apps[i.AppID], int(o)*errs+t.errors[errType], 1)
			t.durations.record(&i, o)
			t.span(&i, o, errType)
		},
		Split: func(webhook.SplitInfo) { c.split.add(0, 0, 1) },
		DeadLettered: func(i webhook.DeadLetteredInfo) {
			c.deadLettered.add(t.apps[i.AppID], t.errors[reasonWord(i.Reason)], int64(i.Events))
		},
	}
}
