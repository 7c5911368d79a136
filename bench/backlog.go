package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// backlog measures how long a healthy webhook's events take from Emit to the receiver on Redis, without and with a dead
// webhook's backlog beside it, in alternating rounds.
func backlog(addr string, jobs, rounds int) error {
	fmt.Printf("\nemit to receipt beside a dead webhook with %d jobs on Redis, 500 events/s without batching\n", jobs)
	for round := range rounds {
		for _, dead := range []int{0, jobs} {
			p50, p99, scripts, err := latency(addr, fmt.Sprintf("backlog-%d-%d:", round, dead), dead)
			if err != nil {
				return err
			}
			fmt.Printf("round %d, backlog %6d: p50 %v, p99 %v, %.0f Redis commands/s\n", round+1, dead, p50, p99, scripts)
		}
	}
	return nil
}

const backlogEvents = 2500

func latency(addr, prefix string, dead int) (p50, p99 time.Duration, perSecond float64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 32})
	defer client.Close()
	if err := client.FlushDB(ctx).Err(); err != nil {
		return 0, 0, 0, err
	}
	q, err := redisqueue.New(ctx, client, redisqueue.Options{Prefix: prefix})
	if err != nil {
		return 0, 0, 0, err
	}
	defer q.Close()
	var mu sync.Mutex
	var took []time.Duration
	sent := map[string]time.Time{}
	receiver := webhook.Receiver{Keys: []webhook.Key{{Key: "my-key", Secret: "my-secret"}}}
	server := httptest.NewServer(receiver.Handler(func(_ http.ResponseWriter, _ *http.Request, p *webhook.Payload) {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		for _, ev := range p.Events {
			took = append(took, now.Sub(sent[ev.Channel]))
		}
	}))
	defer server.Close()
	o := options(server.URL, q, 1)
	o.Apps[1].Webhooks[0].URL = "http://127.0.0.1:1/" // nobody listens there
	em, err := webhook.New(o)
	if err != nil {
		return 0, 0, 0, err
	}
	defer em.Close()
	for range dead {
		if err := emit(em, webhook.MemberAdded(appIDs[1], channel, "user")); err != nil {
			return 0, 0, 0, err
		}
	}
	if err := em.Flush(ctx); err != nil {
		return 0, 0, 0, err
	}
	time.Sleep(2 * time.Second) // the breaker has opened
	before, began := commands(ctx, client), time.Now()
	for i := range backlogEvents {
		name := fmt.Sprint("presence-", i)
		mu.Lock()
		sent[name] = time.Now()
		mu.Unlock()
		if err := emit(em, webhook.MemberAdded(appIDs[0], name, "user")); err != nil {
			return 0, 0, 0, err
		}
		time.Sleep(2 * time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
	perSecond = float64(commands(ctx, client)-before) / time.Since(began).Seconds()
	mu.Lock()
	defer mu.Unlock()
	if len(took) < backlogEvents {
		return 0, 0, 0, fmt.Errorf("%d of %d events arrived", len(took), backlogEvents)
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100], perSecond, nil
}

// commands returns how many commands the server has processed.
func commands(ctx context.Context, c *redis.Client) int64 {
	n, err := c.InfoMap(ctx, "stats").Result()
	if err != nil {
		return 0
	}
	var total int64
	_, _ = fmt.Sscan(n["Stats"]["total_commands_processed"], &total)
	return total
}
