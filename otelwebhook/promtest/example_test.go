package promtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/otelwebhook"
)

// newReporting makes an emitter that reports to provider. stop ends both.
func newReporting(provider *metric.MeterProvider, o webhook.Options) (em *webhook.Emitter, stop func(context.Context) error, err error) {
	telemetry, err := otelwebhook.New(otelwebhook.Options{MeterProvider: provider})
	if err != nil {
		return nil, nil, err
	}
	o.Trace = webhook.JoinTraces(o.Trace, telemetry.Trace()) // o.Trace may be nil
	if em, err = webhook.New(o); err != nil {
		return nil, nil, errors.Join(err, telemetry.Close())
	}
	stop = func(ctx context.Context) error {
		// In this order, what a reader that pushes collects last has the emitter's end in it.
		return errors.Join(em.Shutdown(ctx), provider.Shutdown(ctx), telemetry.Close())
	}
	if err = telemetry.Observe(em); err != nil {
		return nil, nil, errors.Join(err, stop(context.Background()))
	}
	return em, stop, nil
}

// metricsHandler returns a provider whose metrics the handler serves to Prometheus.
func metricsHandler() (*metric.MeterProvider, http.Handler, error) {
	registry := prometheus.NewRegistry()
	e, err := exporter.New(exporter.WithRegisterer(registry)) // go.opentelemetry.io/otel/exporters/prometheus
	if err != nil {
		return nil, nil, err
	}
	return metric.NewMeterProvider(metric.WithReader(e)), promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

// newWatched makes an emitter that client_golang's registry watches.
func newWatched(registry prometheus.Registerer, o webhook.Options) (*webhook.Emitter, error) {
	attempts := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "webhook_attempt_seconds", Help: "Attempts."}, []string{"verdict"})
	o.Trace = webhook.JoinTraces(o.Trace, &webhook.Trace{Attempted: func(i webhook.AttemptedInfo) {
		attempts.WithLabelValues(i.Outcome.Verdict.String()).Observe(i.Duration.Seconds())
	}})
	em, err := webhook.New(o)
	if err != nil {
		return nil, err
	}
	registry.MustRegister(attempts)
	for name, count := range map[string]func(webhook.Stats) int64{
		"emitted":   func(s webhook.Stats) int64 { return s.Emitted },
		"refused":   func(s webhook.Stats) int64 { return s.Overflowed },
		"delivered": func(s webhook.Stats) int64 { return s.Delivered },
		"dead":      func(s webhook.Stats) int64 { return s.Dead },
		"dropped":   func(s webhook.Stats) int64 { return s.Dropped },
	} {
		opts := prometheus.CounterOpts{Name: "webhook_events_" + name + "_total", Help: "See webhook.Stats."}
		registry.MustRegister(prometheus.NewCounterFunc(opts, func() float64 { return float64(count(em.Stats())) }))
	}
	return em, nil
}

// receiverApp is an app whose webhook a new receiver takes.
func receiverApp() (webhook.App, *httptest.Server) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return webhook.App{
		ID: "my-app", Key: "my-key", Secret: "my-secret",
		Webhooks: []webhook.Webhook{{ID: "main", URL: receiver.URL, EventTypes: []webhook.EventType{webhook.TypeChannelOccupied}}},
	}, receiver
}

// scrape prints the lines of a handler that begin with one of the names.
func scrape(h http.Handler, names ...string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		for _, name := range names {
			if strings.HasPrefix(line, name) {
				fmt.Print(regexp.MustCompile(`otel_scope_\w+="[^"]*",?`).ReplaceAllString(line, ""))
			}
		}
	}
}

func Example_openTelemetry() {
	app, receiver := receiverApp()
	defer receiver.Close()
	provider, handler, err := metricsHandler()
	if err != nil {
		panic(err)
	}
	em, stop, err := newReporting(provider, webhook.Options{Apps: []webhook.App{app}})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := em.Emit(webhook.ChannelOccupied("my-app", "chat")); err != nil {
		panic(err)
	}
	if err := em.Drain(ctx); err != nil {
		panic(err)
	}
	scrape(handler, "webhook_attempts_total", "webhook_batched_events_total", "webhook_settled_events_total")
	if err := stop(ctx); err != nil {
		panic(err)
	}
	// Output:
	// webhook_attempts_total{webhook_attempt_outcome="delivered"} 1
	// webhook_batched_events_total{webhook_event_type="channel_occupied"} 1
	// webhook_settled_events_total{webhook_event_outcome="dead_lettered"} 0
	// webhook_settled_events_total{webhook_event_outcome="delivered"} 1
	// webhook_settled_events_total{webhook_event_outcome="dropped"} 0
}

func Example_withoutOpenTelemetry() {
	app, receiver := receiverApp()
	defer receiver.Close()
	registry := prometheus.NewRegistry()
	em, err := newWatched(registry, webhook.Options{Apps: []webhook.App{app}})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := em.Emit(webhook.ChannelOccupied("my-app", "chat")); err != nil {
		panic(err)
	}
	if err := em.Shutdown(ctx); err != nil {
		panic(err)
	}
	scrape(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), "webhook_attempt_seconds_count", "webhook_events")
	// Output:
	// webhook_attempt_seconds_count{verdict="delivered"} 1
	// webhook_events_dead_total 0
	// webhook_events_delivered_total 1
	// webhook_events_dropped_total 0
	// webhook_events_emitted_total 1
	// webhook_events_refused_total 0
}
