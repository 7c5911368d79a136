package promtest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/otelwebhook"
	"github.com/pushhooks/webhook/otelwebhook/internal/scenario"
)

// exports are the label names of each series name, and their values.
type exports map[string]map[string]map[string]bool

func (e exports) add(series string, m *dto.Metric, more ...string) {
	if e[series] == nil {
		e[series] = map[string]map[string]bool{}
	}
	for _, pair := range m.GetLabel() {
		if e[series][pair.GetName()] == nil {
			e[series][pair.GetName()] = map[string]bool{}
		}
		e[series][pair.GetName()][pair.GetValue()] = true
	}
	for _, name := range more {
		e[series][name] = map[string]bool{}
	}
}

// exportScenario runs an emitter through all that can happen, and returns what Prometheus would scrape. It must run
// in a bubble of testing/synctest.
func exportScenario(t *testing.T) (exports, []*dto.MetricFamily) {
	registry := prometheus.NewRegistry()
	e, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		t.Fatal(err)
	}
	provider := metric.NewMeterProvider(metric.WithReader(e))
	telemetry, err := otelwebhook.New(otelwebhook.Options{
		MeterProvider: provider, TracerProvider: noop.NewTracerProvider(), Emitter: "main",
		EventTypes: []webhook.EventType{scenario.HostType}, AppIDs: []string{"my-app"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := telemetry.Close(); err != nil {
			t.Error(err)
		}
	})
	s := scenario.Start(t, scenario.Options{Trace: telemetry.Trace()})
	if err := telemetry.Observe(s.Emitter); err != nil {
		t.Fatal(err)
	}
	s.Run(t)
	time.Sleep(time.Minute)
	synctest.Wait()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := exports{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetType() == dto.MetricType_HISTOGRAM {
				all.add(f.GetName()+"_bucket", m, "le")
				all.add(f.GetName()+"_sum", m)
				all.add(f.GetName()+"_count", m)
				continue
			}
			all.add(f.GetName(), m)
		}
	}
	return all, families
}

// targetLabels are what Prometheus adds to each series it scrapes.
var targetLabels = map[string]bool{"job": true, "instance": true}

// hasLabel reports whether any series of the name has the label.
func (e exports) hasLabel(series, name string) bool {
	return targetLabels[name] || e[series][name] != nil
}
