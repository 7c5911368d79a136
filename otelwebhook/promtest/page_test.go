package promtest

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func readPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The page's code is what the examples run.
func TestPageShowsTheExamplesCode(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readPage(t), -1)
	if len(blocks) != 3 {
		t.Errorf("the page has %d blocks of Go, want 3", len(blocks))
	}
	for _, b := range blocks {
		if !strings.Contains(string(code), b[1]) {
			t.Errorf("example_test.go does not have this code of the page:\n%s", b[1])
		}
	}
}

func TestPageListsEveryAlert(t *testing.T) {
	t.Parallel()
	rows := regexp.MustCompile("(?m)^\\| `(Webhook\\w+)` \\| (\\w+) \\|").FindAllStringSubmatch(readPage(t), -1)
	listed := map[string]string{}
	for _, row := range rows {
		listed[row[1]] = row[2]
	}
	rules := readRules(t)
	for _, r := range rules {
		if listed[r.Alert] != r.Labels["severity"] {
			t.Errorf("the page lists %s as %q, and it is %s", r.Alert, listed[r.Alert], r.Labels["severity"])
		}
	}
	if len(listed) != len(rules) {
		t.Errorf("the page lists %d alerts, and there are %d", len(listed), len(rules))
	}
}

// described is what the page says of a metric.
type described struct {
	prometheus, unit string
	attributes       []string
}

func readMetrics(t *testing.T) map[string]described {
	t.Helper()
	all := map[string]described{}
	row := regexp.MustCompile("(?m)^\\| `(webhook\\.[\\w.]+)` \\| `(\\w+)` \\| `([^`]+)` \\|([^|]*)\\|")
	code := regexp.MustCompile("`([^`]+)`")
	for _, m := range row.FindAllStringSubmatch(readPage(t), -1) {
		d := described{prometheus: m[2], unit: m[3]}
		for _, a := range code.FindAllStringSubmatch(m[4], -1) {
			d.attributes = append(d.attributes, a[1])
		}
		slices.Sort(d.attributes)
		all[m[1]] = d
	}
	return all
}

func TestPageListsEveryMetric(t *testing.T) {
	t.Parallel()
	listed := readMetrics(t)
	var exported exports
	var data metricdata.ResourceMetrics
	synctest.Test(t, func(t *testing.T) { exported, data = exportScenario(t) })
	seen := 0
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			seen++
			d, ok := listed[m.Name]
			if !ok {
				t.Errorf("the page does not list %s", m.Name)
				continue
			}
			if m.Unit != d.unit || m.Description == "" {
				t.Errorf("%s: its unit is %q, and the page has %q; its description is %q", m.Name, m.Unit, d.unit, m.Description)
			}
			if got := attributeNames(t, m); !slices.Equal(got, d.attributes) {
				t.Errorf("%s: its attributes are %q, and the page has %q", m.Name, got, d.attributes)
			}
			if exported[d.prometheus] == nil && exported[d.prometheus+"_bucket"] == nil {
				t.Errorf("%s: Prometheus has no %s", m.Name, d.prometheus)
			}
		}
	}
	if seen != len(listed) {
		t.Errorf("the page lists %d metrics, and there are %d", len(listed), seen)
	}
}

// attributeNames returns the names of a metric's attributes, but for the emitter's.
func attributeNames(t *testing.T, m metricdata.Metrics) (names []string) {
	t.Helper()
	var sets []attribute.Set
	switch d := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			sets = append(sets, p.Attributes)
		}
	default:
		t.Fatalf("%s is a %T", m.Name, d)
	}
	for _, set := range sets {
		for _, kv := range set.ToSlice() {
			if kv.Key != "webhook.emitter" {
				names = append(names, string(kv.Key))
			}
		}
		if v, ok := set.Value("webhook.emitter"); !ok || v.AsString() != "main" {
			t.Errorf("%s has no webhook.emitter: %v", m.Name, set.ToSlice())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
