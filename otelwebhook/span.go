package otelwebhook

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/pushhooks/webhook"
)

// span makes the span of an attempt that has ended, so that a sampler sees all of its attributes. It is
// the root of a trace: no context travels through the queue, and receivers get none.
func (t *Telemetry) span(i *webhook.AttemptedInfo, o outcome, errType string) {
	end := time.Now()
	name, attrs := target(i.Target)
	attrs = append(attrs,
		semconv.MessagingSystemKey.String("webhook"),
		semconv.MessagingOperationTypeProcess,
		semconv.MessagingOperationName("deliver"),
		semconv.MessagingMessageID(i.JobID),
		semconv.MessagingBatchMessageCount(i.Events),
		keyApp.String(i.AppID), keyWebhook.String(i.WebhookID), keyAttempt.String(outcomes[o]),
	)
	attrs = append(attrs, t.base...)
	if i.Attempt > 1 && name == post {
		attrs = append(attrs, semconv.HTTPRequestResendCount(i.Attempt-1))
	}
	if i.Outcome.Status > 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(i.Outcome.Status))
	}
	if o != delivered {
		attrs = append(attrs, semconv.ErrorTypeKey.String(errType))
	}
	_, span := t.tracer.Start(context.Background(), name, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(end.Add(-i.Duration)), trace.WithAttributes(attrs...))
	if o != delivered {
		span.SetStatus(codes.Error, errorText(i))
	}
	span.End(trace.WithTimestamp(end))
}

// errorText words a failure. The emitter has cut the webhook's secrets out of it.
func errorText(i *webhook.AttemptedInfo) string {
	if i.Outcome.Err == nil {
		return i.Outcome.Reason
	}
	return i.Outcome.Err.Error()
}

// post is the name of an HTTP request's span, which the conventions make of the method.
const post = "POST"

// target returns the span's name and the attributes of where the attempt went, of which Target has no
// more than scheme and host.
func target(name string) (string, []attribute.KeyValue) {
	if function, ok := strings.CutPrefix(name, "lambda:"); ok {
		region, function, _ := strings.Cut(function, ":")
		return "Invoke", []attribute.KeyValue{
			semconv.FaaSInvokedProviderAWS, semconv.FaaSInvokedRegion(region), semconv.FaaSInvokedName(function),
		}
	}
	attrs := append(make([]attribute.KeyValue, 0, 20), semconv.HTTPRequestMethodPost)
	u, err := url.Parse(name)
	if err != nil || u.Host == "" {
		return post, attrs
	}
	return post, append(attrs, semconv.URLScheme(u.Scheme), semconv.URLFull(u.Scheme+"://"+u.Host+"/REDACTED"),
		semconv.ServerAddress(u.Hostname()), semconv.ServerPort(port(u)))
}

func port(u *url.URL) int {
	switch n, err := strconv.Atoi(u.Port()); {
	case err == nil:
		return n
	case u.Scheme == "http":
		return 80
	}
	return 443
}
