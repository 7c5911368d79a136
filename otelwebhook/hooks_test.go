package otelwebhook

import (
	"testing"

	"go.opentelemetry.io/otel/sdk/metric"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/pushhooks/webhook"
)

// newTelemetry makes a Telemetry whose metrics the returned reader collects.
func newTelemetry(t testing.TB, o Options) (*Telemetry, *metric.ManualReader) {
	t.Helper()
	reader := metric.NewManualReader()
	o.MeterProvider = metric.NewMeterProvider(metric.WithReader(reader))
	if o.TracerProvider == nil {
		o.TracerProvider = tracenoop.NewTracerProvider()
	}
	tel, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Close(); err != nil {
			t.Error(err)
		}
	})
	return tel, reader
}

func TestHooksInsideEmitAllocateNothing(t *testing.T) {
	tel, _ := newTelemetry(t, Options{AppIDs: []string{"my-app"}, EventTypes: []webhook.EventType{"mine"}})
	hooks := tel.Trace()
	emitted := webhook.EmittedInfo{Event: webhook.ChannelOccupied("my-app", "chat"), Webhooks: 1}
	dropped := webhook.DroppedInfo{AppID: "my-app", WebhookID: "w", Events: 1, Err: webhook.ErrOverflow}
	enqueued := webhook.EnqueuedInfo{AppID: "my-app", WebhookID: "w", Events: 3}
	if n := testing.AllocsPerRun(1000, func() {
		hooks.Emitted(emitted)
		hooks.Dropped(dropped)
		hooks.Enqueued(enqueued)
	}); n != 0 {
		t.Errorf("the hooks allocate %v times", n)
	}
}
