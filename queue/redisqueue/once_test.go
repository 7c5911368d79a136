package redisqueue_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// When Redis is emptied, jobs that at-most-once Receives have taken cannot be given back. That is
// over at once: each is counted, and Shutdown does not wait for them.
func TestJobsThatAnEmptiedRedisDoesNotTakeBackAreCounted(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{AtMostOnce: true})
	answer := make(chan struct{})
	const apps = 12
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-answer }))
	defer server.Close()
	opts := webhook.Options{Queue: q, Workers: 8, Batching: webhook.Batching{Size: 1}}
	for i := range apps {
		id := fmt.Sprint("a", i)
		opts.Apps = append(opts.Apps, webhook.App{ID: id, Key: "k" + id, Secret: "s", Webhooks: []webhook.Webhook{{
			URL: server.URL, EventTypes: []webhook.EventType{webhook.TypeChannelOccupied},
		}}})
	}
	em, err := webhook.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	const events = 2 * apps
	for i := range events {
		if err := em.Emit(webhook.ChannelOccupied(fmt.Sprint("a", i%apps), fmt.Sprint("c", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := em.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	received := 0
	waitUntil(t, 30*time.Second, "jobs are received that no worker is free for", func() bool {
		s, err := q.Stats(t.Context())
		received = events - s.Ready
		return err == nil && received > 4
	})
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(500*time.Millisecond, func() { close(answer) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := em.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	s := em.Stats()
	if s.Delivered < 1 || s.Dropped < 1 || int(s.Delivered+s.Dropped) < received {
		t.Errorf("of %d received jobs %d were delivered and %d dropped", received, s.Delivered, s.Dropped)
	}
	if stats, err := q.Stats(t.Context()); err != nil || stats.Ready+stats.Delayed+stats.Leased != 0 {
		t.Errorf("the queue holds %+v, %v", stats, err)
	}
}
