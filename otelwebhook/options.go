package otelwebhook

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/pushhooks/webhook"
)

// Options configures a Telemetry. The zero value of every field is its default.
type Options struct {
	// MeterProvider makes the instruments. Defaults to otel.GetMeterProvider().
	MeterProvider metric.MeterProvider

	// TracerProvider makes the spans of attempts. A span processor that exports in its OnEnd, such as
	// one of WithSyncer, holds up the worker meanwhile; use WithBatcher. Defaults to
	// otel.GetTracerProvider(). Package trace/noop has one that makes none.
	TracerProvider trace.TracerProvider

	// Emitter tells the emitters of a process apart: it is the attribute webhook.emitter of everything
	// that is reported. Two that report to one MeterProvider at a time must differ in it. Defaults to
	// "", no attribute.
	Emitter string

	// EventTypes are the host's own event types, at most 100, that are values of webhook.event.type
	// besides those that the library knows. Others are counted as "_OTHER".
	EventTypes []webhook.EventType

	// AppIDs adds the attribute webhook.app.id to the counters of batched, dropped and dead-lettered
	// events and of attempts. Its values are these IDs, at most 50, and "_OTHER" for other apps. Each
	// adds as many series as one app has. Defaults to none, no attribute.
	AppIDs []string

	// QueueInterval is how often the queue is asked for its counts, and the emitter for its health, at
	// least a second. A driver may look at all of its lanes for that, as Redis's does: if an answer takes
	// long, the pause is 20 times as long. Negative: never. Defaults to 15 seconds.
	QueueInterval time.Duration

	// WebhooksInterval is how often the webhooks are counted by state, at least ten seconds, for which
	// the queue is asked for 1,000 of them at a time. The pause grows likewise. All processes of a queue
	// that shares its lanes' states report the same, so in most of them it can be negative: never.
	// Defaults to a minute.
	WebhooksInterval time.Duration
}

const (
	maxEventTypes = 100
	maxAppIDs     = 50
	maxValueBytes = 255 // of an attribute

	minQueueInterval        = time.Second
	minWebhooksInterval     = 10 * time.Second
	defaultQueueInterval    = 15 * time.Second
	defaultWebhooksInterval = time.Minute
)

func (o Options) withDefaults() Options {
	if o.MeterProvider == nil {
		o.MeterProvider = otel.GetMeterProvider()
	}
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	if o.QueueInterval == 0 {
		o.QueueInterval = defaultQueueInterval
	}
	if o.WebhooksInterval == 0 {
		o.WebhooksInterval = defaultWebhooksInterval
	}
	return o
}

// validate returns all mistakes.
func (o Options) validate() error {
	var all []error
	failf := func(format string, args ...any) {
		all = append(all, fmt.Errorf("otelwebhook: Options."+format, args...))
	}
	if n := len(o.Emitter); n > maxValueBytes {
		failf("Emitter has %d bytes; at most %d are allowed", n, maxValueBytes)
	}
	if n := len(o.EventTypes); n > maxEventTypes {
		failf("EventTypes has %d types; at most %d are allowed, and others are counted together", n, maxEventTypes)
	}
	for i, t := range o.EventTypes {
		if t == "" || len(t) > maxValueBytes {
			failf("EventTypes[%d] has %d bytes; it must have 1 to %d", i, len(t), maxValueBytes)
		}
	}
	if n := len(o.AppIDs); n > maxAppIDs {
		failf("AppIDs has %d IDs; at most %d are allowed, and other apps are counted together", n, maxAppIDs)
	}
	for i, id := range o.AppIDs {
		if id == "" || len(id) > maxValueBytes {
			failf("AppIDs[%d] has %d bytes; it must have 1 to %d", i, len(id), maxValueBytes)
		}
	}
	if d := o.QueueInterval; d >= 0 && d < minQueueInterval {
		failf("QueueInterval is %v; it must be at least %v, or negative", d, minQueueInterval)
	}
	if d := o.WebhooksInterval; d >= 0 && d < minWebhooksInterval {
		failf("WebhooksInterval is %v; it must be at least %v, or negative", d, minWebhooksInterval)
	}
	return errors.Join(all...)
}
