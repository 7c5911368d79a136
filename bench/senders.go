package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

const (
	connections = 20
	apps        = 10
)

// senders returns the cases, the ceiling first, and what ends their servers.
func senders(only string) ([]sender, func(), error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, nil, err
	}
	addr, stopRedis, err := startRedis(dir, "no")
	if err != nil {
		return nil, nil, err
	}
	durable, stopDurable, err := startRedis(dir, "yes")
	if err != nil {
		stopRedis()
		return nil, nil, err
	}
	all := []sender{
		{"hand-rolled: channel, 20 goroutines", handRolled},
		{"memory", emitter(func() (queue.Queue, error) { return nil, nil })},
		{"disk", emitter(func() (queue.Queue, error) {
			return boltqueue.Open(filepath.Join(dir, fmt.Sprint(time.Now().UnixNano(), ".db")), boltqueue.Options{})
		})},
		{"redis", emitter(func() (queue.Queue, error) { return openRedis(addr) })},
		{"redis, append-only file", emitter(func() (queue.Queue, error) { return openRedis(durable) })},
		{"asynq behind the same batcher", viaAsynq(addr)},
	}
	list := []sender{{"net/http, prebuilt: the ceiling", ceiling}}
	for _, s := range all {
		if wanted(only, s.name) {
			list = append(list, s)
		}
	}
	return list, func() { stopRedis(); stopDurable(); _ = os.RemoveAll(dir) }, nil
}

func openRedis(addr string) (queue.Queue, error) {
	client := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 32})
	q, err := redisqueue.New(context.Background(), client, redisqueue.Options{})
	return &withClient{q, client}, err
}

// withClient is a queue that closes its client with it.
type withClient struct {
	*redisqueue.Queue
	client io.Closer
}

func (q *withClient) Close() error { return errors.Join(q.Queue.Close(), q.client.Close()) }

func appID(i int) string { return fmt.Sprint("app-", i%apps) }

var appIDs = func() (ids [apps]string) {
	for i := range ids {
		ids[i] = appID(i)
	}
	return ids
}()

var channel = "presence-room-" + strings.Repeat("x", 50)

func event(i int) webhook.Event {
	return webhook.MemberAdded(appIDs[i%apps], channel, "user-012345678901")
}

// body is a body of n events.
func body(n int) []byte {
	one := fmt.Sprintf(`{"name":"member_added","channel":%q,"user_id":"user-012345678901"}`, channel)
	return fmt.Appendf(nil, `{"time_ms":1707744000000,"events":[%s]}`, strings.TrimSuffix(strings.Repeat(one+",", n), ","))
}

func transport() *http.Transport {
	return &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections}
}

func post(ctx context.Context, t *http.Transport, url string, body []byte, signature string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Pusher-Key", "my-key")
	r.Header.Set("X-Pusher-Signature", signature)
	resp, err := t.RoundTrip(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// ceiling sends a body that is ready and signed, over and over.
func ceiling(ctx context.Context, url string, n, size int) error {
	t := transport()
	defer t.CloseIdleConnections()
	ready, signature := body(size), strings.Repeat("0", 64)
	var sent atomic.Int64
	return each(connections, func() error {
		for sent.Add(int64(size)) <= int64(n) {
			if err := post(ctx, t, url, ready, signature); err != nil {
				return err
			}
		}
		return nil
	})
}

// each runs f in n goroutines.
func each(n int, f func() error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// handRolled is what many write: a channel of batches, goroutines that encode, sign and post.
func handRolled(ctx context.Context, url string, n, size int) error {
	type payload struct {
		TimeMS int64            `json:"time_ms"`
		Events []map[string]any `json:"events"`
	}
	t := transport()
	defer t.CloseIdleConnections()
	work := make(chan payload, 1000)
	go func() {
		defer close(work)
		for i := 0; i < n; i += size {
			p := payload{TimeMS: time.Now().UnixMilli()}
			for range size {
				p.Events = append(p.Events, map[string]any{"name": "member_added", "channel": channel, "user_id": "user-012345678901"})
			}
			work <- p
		}
	}()
	return each(connections, func() error {
		for p := range work {
			data, err := json.Marshal(p)
			if err != nil {
				return err
			}
			mac := hmac.New(sha256.New, []byte("my-secret"))
			mac.Write(data)
			if err := post(ctx, t, url, data, hex.EncodeToString(mac.Sum(nil))); err != nil {
				return err
			}
		}
		return nil
	})
}

// emitter is this library on a queue.
func emitter(open func() (queue.Queue, error)) func(context.Context, string, int, int) error {
	return func(ctx context.Context, url string, n, size int) error {
		q, err := open()
		if err != nil {
			return err
		}
		if q != nil {
			defer q.Close()
		}
		em, err := webhook.New(options(url, q, size))
		if err != nil {
			return err
		}
		defer em.Close()
		for i := range n {
			if err := emit(em, event(i)); err != nil {
				return err
			}
		}
		return em.Drain(ctx)
	}
}

func options(url string, q queue.Queue, size int) webhook.Options {
	o := webhook.Options{Queue: q, Logger: slog.New(slog.DiscardHandler)}
	o.Batching.Disabled = size == 1
	for _, id := range appIDs {
		o.Apps = append(o.Apps, webhook.App{ID: id, Key: "my-key", Secret: "my-secret", Webhooks: []webhook.Webhook{
			{URL: url, EventTypes: []webhook.EventType{webhook.TypeMemberAdded}},
		}})
	}
	return o
}

// emit waits where there is no room.
func emit(em *webhook.Emitter, ev webhook.Event) error {
	return em.EmitWait(context.Background(), ev)
}
