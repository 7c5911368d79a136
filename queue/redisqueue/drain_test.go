package redisqueue_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// An emitter drains a backlog behind a slow link at the speed of the link: each job crosses it
// once.
func TestEmitterDrainsABacklogBehindASlowLink(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                      string
		link                      testredis.Link
		partitions, jobs, workers int
		size                      int // of the event's data
		hooks                     int
	}{
		{"2 MiB a second, 20 workers", testredis.Link{BytesPerSecond: 2 << 20}, 1, 121, 20, 194_000, 4},
		{"2 MiB a second, 20 workers, one webhook", testredis.Link{BytesPerSecond: 2 << 20}, 1, 60, 20, 194_000, 1},
		{"100 Mbit a second, 100 workers", testredis.Link{BytesPerSecond: 100e6 / 8}, 1, 400, 100, 194_000, 20},
		{"260 ms, 2 partitions", testredis.Link{Delay: 130 * time.Millisecond}, 2, 5, 20, 50, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := testredis.StartServer(t, testredis.Options{})
			var mu sync.Mutex
			got := make(map[string]int)
			receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				got[r.Header.Get("Webhook-Id")]++
			}))
			t.Cleanup(receiver.Close)
			app := webhook.App{ID: "a", Key: "k", Secret: "s"}
			for i := range c.hooks {
				app.Webhooks = append(app.Webhooks, webhook.Webhook{
					ID: fmt.Sprint("h", i), URL: receiver.URL, EventTypes: []webhook.EventType{webhook.TypeClientEvent},
					Filter: webhook.Filter{ChannelPrefix: fmt.Sprint("private-", i, "-")},
				})
			}
			opts := redisqueue.Options{Partitions: c.partitions}
			direct := server.Client()
			t.Cleanup(func() { _ = direct.Close() })
			producer, err := webhook.New(webhook.Options{
				Apps: []webhook.App{app}, Queue: open(t, direct, opts), EmitOnly: true, Batching: webhook.Batching{Disabled: true},
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.jobs {
				ev := webhook.ClientEvent("a", fmt.Sprintf("private-%d-%d", i%c.hooks, i), webhook.ClientMessage{
					Name: "client-n", Data: strings.Repeat("x", c.size), SocketID: "1.1",
				})
				if err := producer.EmitWait(t.Context(), ev); err != nil {
					t.Fatal(err)
				}
			}
			if err := producer.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}

			proxy := testredis.StartProxy(t, server.Addr)
			client := redis.NewClient(&redis.Options{Addr: proxy.Addr})
			t.Cleanup(func() { _ = client.Close() })
			q := open(t, client, opts)
			proxy.SetLink(c.link)
			begun, before := time.Now(), proxy.Received()
			em, err := webhook.New(webhook.Options{Apps: []webhook.App{app}, Queue: q, Workers: c.workers})
			if err != nil {
				t.Fatal(err)
			}
			waitUntil(t, 2*time.Minute, "all jobs are delivered", func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(got) == c.jobs
			})
			elapsed, came, data := time.Since(begun), proxy.Received()-before, int64(c.jobs*c.size)
			t.Logf("%v for %d bytes of data: %.0f %% of the link; %d bytes came", elapsed, data,
				100*float64(data)/float64(max(1, c.link.BytesPerSecond))/elapsed.Seconds(), came)
			if c.link.BytesPerSecond > 0 && came > data+data/4 {
				t.Errorf("%d bytes came for %d bytes of data: some crossed the link in vain", came, data)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := em.Shutdown(ctx); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for id, n := range got {
				if n > 1 {
					t.Errorf("job %s was delivered %d times", id, n)
				}
			}
		})
	}
}
