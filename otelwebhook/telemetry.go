package otelwebhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/pushhooks/webhook"
)

// scopeName names the instrumentation scope.
const scopeName = "github.com/pushhooks/webhook/otelwebhook"

// Telemetry reports what one emitter does. All methods may be called from many goroutines at once.
type Telemetry struct {
	opts   Options
	base   []attribute.KeyValue // of all that is reported
	apps   index                // of Options.AppIDs
	types  index
	errors index
	names  struct{ apps, types, errors []string }

	trace  webhook.Trace
	tracer trace.Tracer
	meter  metric.Meter
	counters
	durations
	release func() // of the emitter's name

	mu            sync.Mutex
	registrations []metric.Registration
	pollers       *pollers // nil before Observe
	closed        bool
}

// New makes the instruments. The error names every option that cannot be used, or says that another
// Telemetry, not yet closed, reports to the same MeterProvider under the same Options.Emitter. End it
// with Close.
func New(o Options) (*Telemetry, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	o.EventTypes, o.AppIDs = slices.Clone(o.EventTypes), slices.Clone(o.AppIDs)
	release, err := claim(o.MeterProvider, o.Emitter)
	if err != nil {
		return nil, err
	}
	t := &Telemetry{
		opts: o, release: release, tracer: o.TracerProvider.Tracer(scopeName), meter: o.MeterProvider.Meter(scopeName),
	}
	if o.Emitter != "" {
		t.base = append(t.base, keyEmitter.String(o.Emitter))
	}
	t.apps, t.names.apps = newIndex(o.AppIDs)
	t.types, t.names.types = newIndex(eventTypes, o.EventTypes)
	t.errors, t.names.errors = newIndex(errorTypes)
	if err := t.register(); err != nil {
		release()
		return nil, fmt.Errorf("otelwebhook: %w", err)
	}
	t.trace = t.hooks()
	return t, nil
}

// register makes the instruments of what the hooks tell.
func (t *Telemetry) register() error {
	b := &builder{meter: t.meter}
	t.makeCounters(b)
	t.makeDurations(b)
	return t.observeWith(b, func(_ context.Context, o metric.Observer) error {
		t.counters.observe(o)
		return nil
	})
}

// observeWith registers a callback for what b has made.
func (t *Telemetry) observeWith(b *builder, f metric.Callback) error {
	if err := errors.Join(b.errs...); err != nil {
		return err
	}
	r, err := t.meter.RegisterCallback(f, b.observables...)
	if err == nil {
		t.registrations = append(t.registrations, r)
	}
	return err
}

// Trace returns what goes into webhook.Options.Trace, alone or with a host's own by
// webhook.JoinTraces. Its functions count with additions: they take no lock, allocate nothing and call no
// MeterProvider, but those of attempts, which also record durations and make a span. It is
// the same Trace in every call. An emitter that uses it should be the one that Observe gets.
func (t *Telemetry) Trace() *webhook.Trace { return &t.trace }

// Close ends the reports, and waits for the calls of the queue that are under way. What the
// MeterProvider collects from then on lacks the counters: shut it down, or have it collect a last time,
// before. Closing twice is harmless.
func (t *Telemetry) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	var all []error
	for _, r := range t.registrations {
		all = append(all, r.Unregister())
	}
	if t.pollers != nil {
		t.pollers.stop()
	}
	t.release()
	return errors.Join(all...)
}
