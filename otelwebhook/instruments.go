package otelwebhook

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Attributes that the semantic conventions do not have.
const (
	keyEmitter   = attribute.Key("webhook.emitter")
	keyApp       = attribute.Key("webhook.app.id")
	keyWebhook   = attribute.Key("webhook.id")
	keyEventType = attribute.Key("webhook.event.type")
	keySettled   = attribute.Key("webhook.event.outcome")
	keyAttempt   = attribute.Key("webhook.attempt.outcome")
	keyDropped   = attribute.Key("webhook.drop.reason")
	keyJobState  = attribute.Key("webhook.job.state")
	keyState     = attribute.Key("webhook.state")
)

// builder makes instruments, and keeps the errors and what a callback observes.
type builder struct {
	meter       metric.Meter
	observables []metric.Observable
	errs        []error
}

func (b *builder) counter(name, unit, description string) metric.Int64ObservableCounter {
	return made(b, name, func(n string) (metric.Int64ObservableCounter, error) {
		return b.meter.Int64ObservableCounter(n, metric.WithUnit(unit), metric.WithDescription(description))
	})
}

// level makes an instrument of a number that goes up and down, and may be added up.
func (b *builder) level(name, unit, description string) metric.Int64ObservableUpDownCounter {
	return made(b, name, func(n string) (metric.Int64ObservableUpDownCounter, error) {
		return b.meter.Int64ObservableUpDownCounter(n, metric.WithUnit(unit), metric.WithDescription(description))
	})
}

// gauge makes an instrument of a number that processes share, or that adding up makes meaningless.
func (b *builder) gauge(name, unit, description string) metric.Int64ObservableGauge {
	return made(b, name, func(n string) (metric.Int64ObservableGauge, error) {
		return b.meter.Int64ObservableGauge(n, metric.WithUnit(unit), metric.WithDescription(description))
	})
}

func (b *builder) seconds(name, description string) metric.Float64ObservableGauge {
	return made(b, name, func(n string) (metric.Float64ObservableGauge, error) {
		return b.meter.Float64ObservableGauge(n, metric.WithUnit("s"), metric.WithDescription(description))
	})
}

func made[T metric.Observable](b *builder, name string, make func(name string) (T, error)) T {
	i, err := make(name)
	if err != nil {
		b.errs = append(b.errs, err)
		return i
	}
	b.observables = append(b.observables, i)
	return i
}

func (b *builder) histogram(name, description string, bounds []float64) metric.Float64Histogram {
	h, err := b.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(bounds...))
	if err != nil {
		b.errs = append(b.errs, err)
	}
	return h
}
