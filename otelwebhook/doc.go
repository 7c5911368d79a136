// Package otelwebhook reports what an emitter of package webhook does to OpenTelemetry: metrics of
// events, attempts, the queue and the webhooks' states, and a span for each attempt.
//
//	telemetry, err := otelwebhook.New(otelwebhook.Options{})
//	em, err := webhook.New(webhook.Options{Apps: apps, Trace: telemetry.Trace()})
//	err = telemetry.Observe(em)
//
// Attributes are those of OpenTelemetry's semantic conventions for HTTP clients and messaging where they
// have one, such as error.type. The instruments have names of their own, because the conventions' ask
// for the server's address or the destination, and so for a series a receiver. No attribute of a metric
// names a webhook, a channel, a URL or, unless Options.AppIDs asks for it, an app: the number of series
// depends neither on the configuration nor on what clients and receivers send.
//
// docs/metrics.md lists the metrics. grafana-dashboard.json and prometheus-rules.yml in this directory
// use them by the names that OpenTelemetry's exporter for Prometheus gives them.
package otelwebhook
