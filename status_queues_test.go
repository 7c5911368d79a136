package webhook

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/cputime"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// receiver is a server that can be down.
type receiver struct {
	url  string
	down atomic.Bool
	took atomic.Int64 // requests while it is up
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if r.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		r.took.Add(1)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// node starts an emitter that works on q, with the webhook "orders" at the receiver.
func (r *receiver) node(t *testing.T, q queue.Queue) *Emitter {
	t.Helper()
	a := testApp(r.url)
	a.Webhooks[0].ID = "orders"
	e, err := New(Options{Apps: []App{a}, Queue: q, Batching: Batching{Disabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = e.Shutdown(ctx)
	})
	return e
}

// sitOut has a receiver go down and come back. All nodes tell the same of it, and the last one,
// which may not have held the webhook, resumes it.
func sitOut(t *testing.T, r *receiver, nodes ...*Emitter) {
	t.Helper()
	last := nodes[len(nodes)-1]
	emit(t, nodes[0], occupied(1))
	eventually(t, "the webhook is healthy", func() bool {
		return statusOf(t, last, "orders").State == LaneHealthy && r.took.Load() == 1
	})
	r.down.Store(true)
	began := time.Now()
	const events = 30
	for i := range events {
		emit(t, nodes[0], occupied(i))
	}
	eventually(t, "the webhook is held and all jobs wait", func() bool {
		s := statusOf(t, last, "orders")
		return s.State == LaneHeld && s.Waiting == events && time.Until(s.HeldUntil) > 5*time.Second
	})
	first := statusOf(t, nodes[0], "orders")
	for i, e := range nodes {
		s := statusOf(t, e, "orders")
		if s.State != LaneHeld || s.Waiting != events || s.Reason == "" || s.Holds < 1 || s.Oldest <= 0 || s.Oldest > time.Since(began)+time.Second {
			t.Errorf("node %d: %+v", i, s)
		}
		if off := s.FailingSince.Sub(first.FailingSince).Abs(); off > time.Second || s.FailingSince.Before(began.Add(-time.Second)) || s.Reason != first.Reason {
			t.Errorf("node %d: failing since %v for %q, and node 0 since %v for %q", i, s.FailingSince, s.Reason, first.FailingSince, first.Reason)
		}
		stats, err := e.QueueStats(t.Context())
		if err != nil || stats.Ready+stats.Delayed+stats.Leased != events || stats.Held != stats.Ready || stats.Oldest != 0 {
			t.Errorf("node %d: %+v, %v", i, stats, err)
		}
		if h := e.Health(t.Context()); !h.OK {
			t.Errorf("node %d: %q", i, h.Problems)
		}
	}
	r.down.Store(false)
	// beyond this test's patience
	lengthen := queue.LaneUpdate{Lane: laneOf("my-app", "orders"), Health: queue.Failing, Hold: queue.MaxHold}
	if err := last.queue.SetLane(t.Context(), lengthen); err != nil {
		t.Fatal(err)
	}
	if err := last.Resume(t.Context(), "my-app", "orders"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what waited is delivered", func() bool { return r.took.Load() >= 1+events })
	eventually(t, "everything is delivered", func() bool { return statusOf(t, last, "orders").Waiting == 0 })
	for i, e := range nodes {
		if s := statusOf(t, e, "orders"); s.State != LaneHealthy || !s.FailingSince.IsZero() || s.Holds != 0 || s.Oldest != 0 {
			t.Errorf("node %d afterwards: %+v", i, s)
		}
	}
}

func TestTwoNodesOnRedisTellTheSameOfAnOutage(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	t.Cleanup(func() { _ = client.Close() })
	r := newReceiver(t)
	nodes := make([]*Emitter, 2)
	for i := range nodes {
		q, err := redisqueue.New(t.Context(), client, redisqueue.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close() })
		nodes[i] = r.node(t, q)
	}
	sitOut(t, r, nodes...)
	attempts := 0
	for _, e := range nodes {
		here := statusOf(t, e, "orders").Here
		attempts += here.LastHour.Delivered + here.LastHour.Failed
	}
	if want := nodes[0].Stats().Attempts + nodes[1].Stats().Attempts; int64(attempts) != want {
		t.Errorf("%d attempts by webhook on both nodes, %d in all", attempts, want)
	}
}

func TestADiskQueueTellsOfAnOutage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q, err := boltqueue.Open(path, boltqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	r := newReceiver(t)
	sitOut(t, r, r.node(t, q))
}

// BenchmarkWebhooks lists 10,000 webhooks of which half fail, each with a job.
func BenchmarkWebhooks(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		q, err := queue.NewMemory(queue.MemoryOptions{MaxBytes: 256 << 20})
		if err != nil {
			b.Fatal(err)
		}
		listHalfDown(b, q)
	})
	b.Run("redis", func(b *testing.B) {
		client := testredis.StartServer(b, testredis.Options{}).Client()
		b.Cleanup(func() { _ = client.Close() })
		q, err := redisqueue.New(b.Context(), client, redisqueue.Options{})
		if err != nil {
			b.Fatal(err)
		}
		e := halfDown(b, q)
		if err := client.ConfigResetStat(b.Context()).Err(); err != nil {
			b.Fatal(err)
		}
		list(b, e)
		info, err := client.Info(b.Context(), "commandstats").Result()
		if err != nil {
			b.Fatal(err)
		}
		_, info, _ = strings.Cut(info, "cmdstat_evalsha:calls=")
		var calls, usec float64
		if _, err := fmt.Sscanf(info, "%f,usec=%f", &calls, &usec); err != nil {
			b.Fatal(err)
		}
		_ = e.Close()
		listHalfDown(b, q)
		b.ReportMetric(calls, "scripts/op")
		b.ReportMetric(usec/calls, "µs/script")
	})
}

// listHalfDown lists what halfDown makes.
func listHalfDown(b *testing.B, q queue.Queue) {
	defer q.Close()
	e := halfDown(b, q)
	defer e.Close()
	b.ReportAllocs()
	before, _ := cputime.Used()
	for b.Loop() {
		list(b, e)
	}
	used, _ := cputime.Used()
	b.ReportMetric(float64(used-before)/1e6/float64(b.N), "cpu-ms/op")
}

// list lists the webhooks that halfDown makes.
func list(b *testing.B, e *Emitter) {
	b.Helper()
	n, failing := 0, 0
	for _, s := range statuses(b, e) {
		n++
		if s.State == LaneHeld && s.Waiting > 0 {
			failing++
		}
	}
	if n != 10_000 || failing != 5000 {
		b.Fatalf("%d webhooks, %d failing", n, failing)
	}
}

// halfDown makes an emitter that has 10,000 webhooks and has attempted all of them. Each has a job
// in the queue, and half of them are held.
func halfDown(b *testing.B, q queue.Queue) *Emitter {
	b.Helper()
	var list []App
	for i := range 100 {
		a := testApp()
		a.ID, a.Key = fmt.Sprintf("app-%02d", i), fmt.Sprintf("key-%02d", i)
		for k := range 100 {
			a.Webhooks = append(a.Webhooks, Webhook{
				ID: fmt.Sprintf("webhook-%02d", k), URL: fmt.Sprintf("https://host-%d-%d.test/hook", i, k), EventTypes: []EventType{TypeChannelOccupied},
			})
		}
		list = append(list, a)
	}
	e, err := New(Options{Apps: list, Queue: q, EmitOnly: true, OutboxBytes: 256 << 20})
	if err != nil {
		b.Fatal(err)
	}
	for i := range list {
		if err := e.Emit(ChannelOccupied(list[i].ID, "channel")); err != nil {
			b.Fatal(err)
		}
	}
	if err := e.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	for i, h := range e.apps.hooks() {
		code := 200
		if i%2 == 0 {
			code = 503
			u := queue.LaneUpdate{Lane: h.lane, Health: queue.Failing, Hold: queue.MaxHold, Reason: "status: status 503"}
			if err := q.SetLane(b.Context(), u); err != nil {
				b.Fatal(err)
			}
		}
		e.attempts.record(h.slot, time.Now(), status(code), func() string { return "status: status 503" })
	}
	return e
}
