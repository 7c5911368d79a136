package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/otelwebhook"
	"github.com/pushhooks/webhook/webhookui"
)

// newMetrics returns what watches an emitter, and a handler that tells Prometheus of it.
func newMetrics() (*otelwebhook.Telemetry, http.Handler, error) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry))
	if err != nil {
		return nil, nil, err
	}
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	telemetry, err := otelwebhook.New(otelwebhook.Options{MeterProvider: provider})
	return telemetry, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), err
}

// operations serves what is for those who run the server: the status page of the webhooks, and
// metrics. Without a password it is for this machine alone.
func operations(em *webhook.Emitter, metrics http.Handler, addr net.Addr) (*http.ServeMux, error) {
	access := local
	if password := os.Getenv("STATUS_PASSWORD"); password != "" {
		access = webhookui.Password("admin", password)
	} else if host, _, err := net.SplitHostPort(addr.String()); err != nil || !net.ParseIP(host).IsLoopback() {
		return nil, fmt.Errorf("-internal is %s, which other machines can reach: set STATUS_PASSWORD, or give an address of 127.0.0.1", addr)
	}
	status, err := webhookui.New(em, webhookui.Options{Access: access})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks/", http.StripPrefix("/webhooks", status))
	mux.Handle("GET /metrics", metrics)
	return mux, nil
}

// local gives access to requests that name this machine. A page of another site, whose name its owner
// has lead here, makes others.
func local(r *http.Request) webhookui.Access {
	host, _, _ := net.SplitHostPort(r.Host)
	if host == "localhost" || net.ParseIP(host).IsLoopback() {
		return webhookui.Write
	}
	return webhookui.None
}
