package otelwebhook

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	otelmetric "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
)

// newEmitter makes an emitter with a webhook of each type that accepts everything.
func newEmitter(t testing.TB, o webhook.Options) *webhook.Emitter {
	t.Helper()
	if o.HTTP == nil {
		o.HTTP = dispatch.SenderFunc(func(context.Context, *dispatch.Request) dispatch.Outcome {
			return dispatch.Outcome{Verdict: dispatch.Delivered, Status: 200}
		})
	}
	o.Apps = []webhook.App{{
		ID: "my-app", Key: "my-key", Secret: "my-secret",
		Webhooks: []webhook.Webhook{{ID: "w", URL: "http://receiver.test/", EventTypes: []webhook.EventType{webhook.TypeChannelOccupied}}},
	}}
	em, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = em.Close() })
	return em
}

func TestTwoEmittersOfAProcessNeedNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := metric.NewManualReader()
		provider := metric.NewMeterProvider(metric.WithReader(reader))
		options := func(name string) Options {
			return Options{MeterProvider: provider, TracerProvider: tracenoop.NewTracerProvider(), Emitter: name}
		}
		for i, name := range []string{"", "eu"} {
			tel, err := New(options(name))
			if err != nil {
				t.Fatal(err)
			}
			defer tel.Close()
			em := newEmitter(t, webhook.Options{Trace: tel.Trace()})
			if err := tel.Observe(em); err != nil {
				t.Fatal(err)
			}
			for range i + 1 {
				if err := em.Emit(webhook.ChannelOccupied("my-app", "chat")); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := New(options(name)); err == nil || !strings.Contains(err.Error(), "Options.Emitter") {
				t.Errorf("another under the name %q got %v", name, err)
			}
		}
		got := collect(t, reader)
		for _, metric := range []string{"webhook.batched.events", "webhook.emitted.events"} {
			if by := got.by(metric, keyEmitter); by[""] != 1 || by["eu"] != 2 {
				t.Errorf("%s is %v, want 1 and 2 of eu", metric, by)
			}
		}
	})
}

func TestANameIsFreeAfterClose(t *testing.T) {
	t.Parallel()
	provider := metric.NewMeterProvider()
	for range 2 {
		tel, err := New(Options{MeterProvider: provider})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := tel.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for range 2 { // what is reported nowhere cannot collide
		if _, err := New(Options{MeterProvider: noop.NewMeterProvider()}); err != nil {
			t.Error(err)
		}
	}
}

func TestObserveTakesOneEmitter(t *testing.T) {
	t.Parallel()
	tel, _ := newTelemetry(t, Options{})
	if err := tel.Observe(nil); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("for nil: %v", err)
	}
	em := newEmitter(t, webhook.Options{Trace: tel.Trace()})
	if err := tel.Observe(em); err != nil {
		t.Fatal(err)
	}
	if err := tel.Observe(em); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("for a second one: %v", err)
	}
	if err := tel.Close(); err != nil {
		t.Error(err)
	}
	if err := tel.Observe(em); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after Close: %v", err)
	}
}

func TestNothingIsReportedAfterClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tel, reader := newTelemetry(t, Options{})
		em := newEmitter(t, webhook.Options{Trace: tel.Trace()})
		if err := tel.Observe(em); err != nil {
			t.Fatal(err)
		}
		if n := len(collect(t, reader)); n == 0 {
			t.Error("nothing is reported before Close")
		}
		if err := tel.Close(); err != nil {
			t.Fatal(err)
		}
		if err := em.Emit(webhook.ChannelOccupied("my-app", "chat")); err != nil {
			t.Error(err)
		}
		for name, points := range collect(t, reader) {
			if len(points) > 0 {
				t.Errorf("%s is reported after Close", name)
			}
		}
	})
}

func TestEverythingAtOnce(t *testing.T) {
	t.Parallel()
	tel, reader := newTelemetry(t, Options{AppIDs: []string{"my-app"}})
	em := newEmitter(t, webhook.Options{Trace: tel.Trace()})
	if err := tel.Observe(em); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				_ = em.Emit(webhook.ChannelOccupied("my-app", "chat"))
			}
		})
		wg.Go(func() {
			for range 50 {
				collect(t, reader)
			}
		})
	}
	wg.Wait()
	if err := em.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := collect(t, reader).sum("webhook.batched.events", "", ""); n != 2000 {
		t.Errorf("%v events", n)
	}
}

// blocking is a MeterProvider whose histograms wait for its release.
type blocking struct {
	noop.MeterProvider
	release <-chan struct{}
}

func (p blocking) Meter(string, ...otelmetric.MeterOption) otelmetric.Meter {
	return blockingMeter{release: p.release}
}

type blockingMeter struct {
	noop.Meter
	release <-chan struct{}
}

func (m blockingMeter) Float64Histogram(string, ...otelmetric.Float64HistogramOption) (otelmetric.Float64Histogram, error) {
	return blockingHistogram{release: m.release}, nil
}

type blockingHistogram struct {
	noop.Float64Histogram
	release <-chan struct{}
}

func (h blockingHistogram) Record(context.Context, float64, ...otelmetric.RecordOption) { <-h.release }

// A worker waits for such a MeterProvider, but no Emit does.
func TestEmitCallsNoMeterProvider(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tel, err := New(Options{MeterProvider: blocking{release: release}, TracerProvider: tracenoop.NewTracerProvider()})
		if err != nil {
			t.Fatal(err)
		}
		defer tel.Close()
		em := newEmitter(t, webhook.Options{Trace: tel.Trace(), OutboxBytes: 50_000})
		emitted := make(chan struct{})
		go func() {
			defer close(emitted)
			for range 5000 {
				_ = em.Emit(webhook.ChannelOccupied("my-app", "chat")) // also one that is refused
			}
		}()
		<-emitted // in a bubble: a deadlock if Emit waits for a histogram
		if s := em.Stats(); s.Emitted == 0 || s.Overflowed == 0 {
			t.Errorf("stats: %+v", s)
		}
		close(release)
	})
}
