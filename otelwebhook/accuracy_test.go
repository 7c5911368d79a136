package otelwebhook

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/otelwebhook/internal/scenario"
)

// series are collected numbers by metric and attributes, a histogram's being its count.
type series map[string]map[attribute.Distinct]point

type point struct {
	attributes attribute.Set
	value      float64
}

func collect(t testing.TB, reader *metric.ManualReader) series {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		t.Fatal(err)
	}
	all := series{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			points := map[attribute.Distinct]point{}
			note := func(s attribute.Set, value float64) { points[s.Equivalent()] = point{s, value} }
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					note(p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[int64]:
				for _, p := range d.DataPoints {
					note(p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range d.DataPoints {
					note(p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					note(p.Attributes, float64(p.Count))
				}
			default:
				t.Fatalf("%s is a %T", m.Name, d)
			}
			all[m.Name] = points
		}
	}
	return all
}

// sum adds up the series of a metric that have an attribute's value, or all if key is "".
func (s series) sum(name string, key attribute.Key, value string) (sum float64) {
	for _, p := range s[name] {
		if v, ok := p.attributes.Value(key); key == "" || ok && v.String() == value {
			sum += p.value
		}
	}
	return sum
}

// by adds up the series of a metric by the values of an attribute.
func (s series) by(name string, key attribute.Key) map[string]float64 {
	sums := map[string]float64{}
	for _, p := range s[name] {
		v, _ := p.attributes.Value(key)
		sums[v.String()] += p.value
	}
	return sums
}

func want(t *testing.T, what string, got float64, want int64) {
	t.Helper()
	if got != float64(want) {
		t.Errorf("%s: got %v, want %d", what, got, want)
	}
}

// wantSome also fails if there is nothing to compare.
func wantSome(t *testing.T, what string, got float64, number int64) {
	t.Helper()
	want(t, what, got, number)
	if number == 0 {
		t.Errorf("%s: there was none", what)
	}
}

func TestEveryCounterIsWhatStatsSay(t *testing.T) {
	t.Parallel()
	for _, atMostOnce := range []bool{false, true} {
		t.Run(map[bool]string{false: "at least once", true: "at most once"}[atMostOnce], func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { compareWithStats(t, atMostOnce) })
		})
	}
}

func compareWithStats(t *testing.T, atMostOnce bool) {
	tel, reader := newTelemetry(t, Options{
		AppIDs: []string{"my-app"}, EventTypes: []webhook.EventType{scenario.HostType},
		QueueInterval: time.Second, WebhooksInterval: 10 * time.Second,
	})
	own := &ownCounts{attempts: map[string]int64{}, dead: map[string]int64{}}
	s := scenario.Start(t, scenario.Options{Trace: webhook.JoinTraces(tel.Trace(), own.trace()), AtMostOnce: atMostOnce})
	em := s.Emitter
	if err := tel.Observe(em); err != nil {
		t.Fatal(err)
	}
	s.Run(t)
	time.Sleep(25 * time.Second) // until the queue was asked again
	synctest.Wait()
	got, stats := collect(t, reader), em.Stats()

	wantSome(t, "emitted", got.sum("webhook.emitted.events", "", ""), stats.Emitted)
	wantSome(t, "refused", got.sum("webhook.refused.events", "", ""), stats.Overflowed)
	wantSome(t, "matched", got.sum("webhook.matched.events", "", ""), stats.Matched)
	want(t, "adopted", got.sum("webhook.adopted.events", "", ""), stats.Adopted)
	want(t, "suppressed", got.sum("webhook.suppressed.events", "", ""), stats.Suppressed)
	want(t, "panics", got.sum("webhook.panics", "", ""), stats.Panics)
	wantSome(t, "delivered", got.sum("webhook.settled.events", keySettled, "delivered"), stats.Delivered)
	wantSome(t, "dead", got.sum("webhook.settled.events", keySettled, "dead_lettered"), stats.Dead)
	wantSome(t, "dropped", got.sum("webhook.settled.events", keySettled, "dropped"), stats.Dropped)
	want(t, "pending", got.sum("webhook.pending.events", "", ""), stats.Pending)
	want(t, "queued", got.sum("webhook.queued.events", "", ""), stats.Queued)
	want(t, "outbox", got.sum("webhook.outbox.usage", "", ""), stats.OutboxBytes)
	wantSome(t, "outbox limit", got.sum("webhook.outbox.limit", "", ""), stats.OutboxLimit)

	// What the hooks count, by attribute, adds up to the same.
	wantSome(t, "dead by reason", got.sum("webhook.dead_lettered.events", "", ""), stats.Dead)
	wantSome(t, "dropped by reason", got.sum("webhook.dropped.events", "", ""), stats.Dropped)
	unsent := got.sum("webhook.attempts", keyAttempt, "unsent")
	wantSome(t, "attempts", got.sum("webhook.attempts", "", "")-unsent, stats.Attempts)
	wantSome(t, "unsent attempts", unsent, own.attempts["unsent"])
	want(t, "attempts under way", got.sum("webhook.active.attempts", "", ""), 0)
	wantSome(t, "batched", got.sum("webhook.batched.events", "", ""), own.emitted)
	wantSome(t, "jobs", got.sum("webhook.enqueued.jobs", "", ""), own.jobs)
	wantSome(t, "events in jobs", got.sum("webhook.enqueued.events", "", ""), own.inJobs)
	wantSome(t, "splits", got.sum("webhook.split.jobs", "", ""), own.splits)
	for _, o := range outcomes {
		want(t, "attempts "+o, got.sum("webhook.attempts", keyAttempt, o), own.attempts[o])
		want(t, "durations "+o, got.sum("webhook.attempt.duration", keyAttempt, o), own.attempts[o])
	}
	wantSome(t, "times from emit", got.sum("webhook.delivery.duration", "", ""), own.attempts["delivered"])
	if dead := got.by("webhook.dead_lettered.events", "error.type"); !maps.EqualFunc(dead, own.dead, func(a float64, b int64) bool { return a == float64(b) }) {
		t.Errorf("dead letters by reason: %v, want %v", dead, own.dead)
	}
	if apps := slices.Sorted(maps.Keys(got.by("webhook.attempts", keyApp))); !slices.Equal(apps, []string{other, "my-app"}) {
		t.Errorf("the apps are %q", apps)
	}
	failing := compareWithQueue(t, em, got)
	if !atMostOnce && failing == 0 { // an at-most-once queue's Acks make the lane healthy
		t.Error("no webhook fails")
	}
}

// compareWithQueue compares what is learned in the background.
func compareWithQueue(t *testing.T, em *webhook.Emitter, got series) (failing float64) {
	q, err := em.QueueStats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	jobs := got.by("webhook.queue.jobs", keyJobState)
	want(t, "ready", jobs["ready"], int64(q.Ready-q.Held))
	want(t, "held", jobs["held"], int64(q.Held))
	want(t, "delayed", jobs["delayed"], int64(q.Delayed))
	want(t, "leased", jobs["leased"], int64(q.Leased))
	want(t, "dead letters", got.sum("webhook.queue.dead_letters", "", ""), int64(q.Dead))
	want(t, "evicted", got.sum("webhook.queue.evicted_dead_letters", "", ""), q.DeadDropped)
	want(t, "bytes", got.sum("webhook.queue.size", "", ""), q.Bytes)
	states, oldest := map[string]int64{}, 0.0
	for w, err := range em.Webhooks(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		states[w.State.String()]++
		if !w.FailingSince.IsZero() {
			failing = max(failing, time.Since(w.FailingSince).Seconds())
		}
		oldest = max(oldest, w.Oldest.Seconds())
	}
	for state, n := range got.by("webhook.webhooks", keyState) {
		want(t, state+" webhooks", n, states[state])
	}
	if states["held"] == 0 || states["healthy"] == 0 {
		t.Errorf("the states are %v", states)
	}
	if n := got.sum("webhook.failing.duration", "", ""); n != failing {
		t.Errorf("failing for %v s, want %v", n, failing)
	}
	if n := got.sum("webhook.waiting.oldest_job.age", "", ""); n != oldest {
		t.Errorf("the oldest job of all is %v s old, want %v", n, oldest)
	}
	if n := len(got["webhook.queue.oldest_job.age"]); n != 1 {
		t.Errorf("%d series of the oldest job's age", n)
	}
	if n := len(got["webhook.health.problems"]); n != 1 {
		t.Errorf("%d series of the health's problems", n)
	}
	return failing
}

// ownCounts counts by a Trace of its own, written apart from the hooks that it checks.
type ownCounts struct {
	mu                            sync.Mutex
	emitted, jobs, inJobs, splits int64
	attempts, dead                map[string]int64
}

func (c *ownCounts) trace() *webhook.Trace {
	locked := func(f func()) {
		c.mu.Lock()
		defer c.mu.Unlock()
		f()
	}
	return &webhook.Trace{
		Emitted: func(webhook.EmittedInfo) { locked(func() { c.emitted++ }) },
		Enqueued: func(i webhook.EnqueuedInfo) {
			locked(func() { c.jobs, c.inJobs = c.jobs+1, c.inJobs+int64(i.Events) })
		},
		Split: func(webhook.SplitInfo) { locked(func() { c.splits++ }) },
		Attempted: func(i webhook.AttemptedInfo) {
			name := "failed"
			switch verdict := i.Outcome.Verdict.String(); {
			case verdict == "delivered" || verdict == "unsent":
				name = verdict
			case i.Retry:
				name = "retried"
			}
			locked(func() { c.attempts[name]++ })
		},
		DeadLettered: func(i webhook.DeadLetteredInfo) {
			word, _, _ := strings.Cut(i.Reason, ":")
			locked(func() { c.dead[word] += int64(i.Events) })
		},
	}
}
