package otelwebhook

import (
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/pushhooks/webhook"
)

func TestNewNamesEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := New(Options{
		MeterProvider: noop.NewMeterProvider(),
		Emitter:       strings.Repeat("x", 300), EventTypes: make([]webhook.EventType, 101), AppIDs: append(make([]string, 50), "a\xff"),
		QueueInterval: time.Millisecond, WebhooksInterval: time.Second,
	})
	if err == nil {
		t.Fatal("there is no error")
	}
	for _, part := range []string{
		"Options.Emitter has 300 bytes", "Options.EventTypes has 101 types", "Options.EventTypes[0] has 0 bytes",
		"Options.AppIDs has 51 IDs", "Options.AppIDs[3] has 0 bytes", `Options.AppIDs[50] is "a\xff"`,
		"Options.QueueInterval is 1ms; it must be at least 1s", "Options.WebhooksInterval is 1s; it must be at least 10s",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q:\n%v", part, err)
		}
	}
}
