// Package promtest has the tests of otelwebhook's dashboard, of its alert rules and of what docs/metrics.md says
// of Prometheus. It is a module of its own, so that otelwebhook does not depend on Prometheus.
package promtest
