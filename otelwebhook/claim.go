package otelwebhook

import (
	"fmt"
	"reflect"
	"sync"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// claims are the names under which emitters report to MeterProviders. Two under one name would
// overwrite each other's gauges, since a MeterProvider returns the same instruments to both.
var claims struct {
	mu   sync.Mutex
	held map[claimKey]bool
}

type claimKey struct {
	provider metric.MeterProvider
	emitter  string
}

// claim takes a name until release is called.
func claim(provider metric.MeterProvider, emitter string) (release func(), err error) {
	if _, ok := provider.(noop.MeterProvider); ok || !reflect.ValueOf(provider).Comparable() {
		return func() {}, nil
	}
	key := claimKey{provider, emitter}
	claims.mu.Lock()
	defer claims.mu.Unlock()
	if claims.held[key] {
		return nil, fmt.Errorf("otelwebhook: Options.Emitter is %q, under which another emitter reports to this MeterProvider: give each a name of its own, or close the other", emitter)
	}
	if claims.held == nil {
		claims.held = map[claimKey]bool{}
	}
	claims.held[key] = true
	return func() {
		claims.mu.Lock()
		defer claims.mu.Unlock()
		delete(claims.held, key)
	}, nil
}
