package otelwebhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/otelwebhook"
)

func Example() {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	reader := metric.NewManualReader() // in a host, that of an exporter
	provider := metric.NewMeterProvider(metric.WithReader(reader))

	telemetry, err := otelwebhook.New(otelwebhook.Options{MeterProvider: provider})
	if err != nil {
		panic(err)
	}
	em, err := webhook.New(webhook.Options{
		Trace: telemetry.Trace(),
		Apps: []webhook.App{{
			ID: "my-app", Key: "my-key", Secret: "my-secret",
			Webhooks: []webhook.Webhook{{ID: "main", URL: receiver.URL, EventTypes: []webhook.EventType{webhook.TypeChannelOccupied}}},
		}},
	})
	if err != nil {
		panic(err)
	}
	if err := telemetry.Observe(em); err != nil {
		panic(err)
	}

	if err := em.Emit(webhook.ChannelOccupied("my-app", "chat")); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := em.Shutdown(ctx); err != nil {
		panic(err)
	}
	printSums(reader, "webhook.attempts", "webhook.settled.events")
	if err := telemetry.Close(); err != nil { // after the last collection
		panic(err)
	}
	// Output:
	// webhook.attempts 1 webhook.attempt.outcome=delivered
	// webhook.settled.events 0 webhook.event.outcome=dead_lettered
	// webhook.settled.events 0 webhook.event.outcome=dropped
	// webhook.settled.events 1 webhook.event.outcome=delivered
}

// printSums collects, and prints the counters with these names.
func printSums(reader metric.Reader, names ...string) {
	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		panic(err)
	}
	var lines []string
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && slices.Contains(names, m.Name) {
				for _, p := range sum.DataPoints {
					line := fmt.Sprint(m.Name, " ", p.Value)
					for _, a := range p.Attributes.ToSlice() {
						line += fmt.Sprintf(" %s=%s", a.Key, a.Value.String())
					}
					lines = append(lines, line)
				}
			}
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
}
