package otelwebhook

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/otelwebhook/internal/scenario"
)

func TestEachAttemptIsASpanWithoutSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		spans := tracetest.NewSpanRecorder()
		tel, reader := newTelemetry(t, Options{
			TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)), Emitter: "main",
		})
		s := scenario.Start(t, scenario.Options{Trace: tel.Trace()})
		if err := tel.Observe(s.Emitter); err != nil {
			t.Fatal(err)
		}
		s.Run(t)
		got := collect(t, reader)
		want(t, "spans", got.sum("webhook.attempts", "", ""), int64(len(spans.Ended())))
		statuses := map[string]int64{}
		for _, span := range spans.Ended() {
			checkSpan(t, span)
			if span.Status().Code == codes.Error {
				statuses["error"]++
			}
		}
		want(t, "failed spans", got.sum("webhook.attempts", "", "")-got.sum("webhook.attempts", keyAttempt, "delivered"), statuses["error"])
		for name, points := range got {
			for _, p := range points {
				if text := fmt.Sprint(p.attributes.ToSlice()); strings.Contains(text, scenario.Secret) || strings.Contains(text, "receiver") {
					t.Errorf("%s has %s", name, text)
				}
			}
		}
	})
}

func checkSpan(t *testing.T, span sdktrace.ReadOnlySpan) {
	t.Helper()
	text := fmt.Sprint(span.Name(), span.Attributes(), span.Status(), span.Events())
	if strings.Contains(text, scenario.Secret) || strings.Contains(text, "token") || strings.Contains(text, "user:") {
		t.Errorf("a span tells a secret: %s", text)
	}
	if span.Name() != "POST" || span.SpanKind() != trace.SpanKindClient || span.Parent().IsValid() {
		t.Errorf("the span %q is a %v with the parent %v", span.Name(), span.SpanKind(), span.Parent())
	}
	if span.EndTime().Before(span.StartTime()) {
		t.Errorf("the span ends at %v and began at %v", span.EndTime(), span.StartTime())
	}
	has := attribute.NewSet(span.Attributes()...)
	for _, name := range []attribute.Key{
		"http.request.method", "server.address", "server.port", "url.full", "url.scheme", "messaging.message.id",
		"messaging.batch.message_count", "webhook.id", "webhook.app.id", "webhook.emitter",
	} {
		if !has.HasValue(name) {
			t.Errorf("the span has no %s: %s", name, text)
		}
	}
	if outcome, _ := has.Value(keyAttempt); (outcome.AsString() == "delivered") == has.HasValue("error.type") {
		t.Errorf("the error of a span: %s", text)
	}
}

func TestSpanAttributes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		info webhook.AttemptedInfo
		name string
		want []attribute.KeyValue
	}{
		{
			webhook.AttemptedInfo{Target: "https://[2001:db8::1]", Attempt: 3, Outcome: dispatch.Outcome{Status: 503, Reason: "status", Err: errors.New("503")}},
			"POST",
			[]attribute.KeyValue{
				attribute.String("server.address", "2001:db8::1"), attribute.Int("server.port", 443),
				attribute.String("url.full", "https://[2001:db8::1]/REDACTED"), attribute.Int("http.request.resend_count", 2),
				attribute.Int("http.response.status_code", 503), attribute.String("error.type", "503"),
			},
		},
		{
			webhook.AttemptedInfo{Target: "http://receiver.test:8080", Attempt: 1, Outcome: dispatch.Outcome{Verdict: dispatch.Delivered, Status: 200}},
			"POST",
			[]attribute.KeyValue{attribute.String("server.address", "receiver.test"), attribute.Int("server.port", 8080)},
		},
		{
			webhook.AttemptedInfo{Target: "http://receiver.test", Attempt: 1, Outcome: dispatch.Outcome{Reason: "dns"}},
			"POST",
			[]attribute.KeyValue{attribute.Int("server.port", 80), attribute.String("error.type", "dns")},
		},
		{
			webhook.AttemptedInfo{Target: "lambda:eu-west-1:arn:aws:lambda:eu-west-1:1:function:f", Attempt: 2, Outcome: dispatch.Outcome{Reason: "throttled"}},
			"Invoke",
			[]attribute.KeyValue{
				attribute.String("faas.invoked_provider", "aws"), attribute.String("faas.invoked_region", "eu-west-1"),
				attribute.String("faas.invoked_name", "arn:aws:lambda:eu-west-1:1:function:f"), attribute.String("error.type", "throttled"),
			},
		},
		{webhook.AttemptedInfo{Target: "invalid URL"}, "POST", nil},
	} {
		t.Run(tt.info.Target, func(t *testing.T) {
			t.Parallel()
			spans := tracetest.NewSpanRecorder()
			tel, _ := newTelemetry(t, Options{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))})
			tt.info.Duration = time.Second
			tel.Trace().Attempted(tt.info)
			span := spans.Ended()[0]
			for _, kv := range tt.want {
				if !slices.Contains(span.Attributes(), kv) {
					t.Errorf("no %s=%v in %v", kv.Key, kv.Value.String(), span.Attributes())
				}
			}
			if took := span.EndTime().Sub(span.StartTime()); span.Name() != tt.name || took != time.Second {
				t.Errorf("%s took %v", span.Name(), took)
			}
		})
	}
}
