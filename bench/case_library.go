package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// library is this library, used as a stranger would: its public API and default options, but for
// batching where each event is to be a request, the number of workers where that is what is
// measured, and a logger that discards. No bound is raised: where the outbox is full, EmitWait
// waits, as a peer's producer does when its channel is full or its call takes long.
type library struct{ em *webhook.Emitter }

func openLibrary(ctx context.Context, s *setup) (pipeline, error) {
	q, err := s.openQueue(ctx)
	if err != nil {
		return nil, err
	}
	o := libraryOptions(s.URL, q, s.load.apps, s.Size)
	o.Workers = s.Workers
	em, err := webhook.New(o)
	return &library{em}, err
}

// openQueue opens the queue of a case's store; nil is the emitter's own, in memory.
func (s *setup) openQueue(ctx context.Context) (queue.Queue, error) {
	switch {
	case s.Redis != "":
		return openRedis(ctx, s.Redis)
	case s.Dir != "":
		return boltqueue.Open(filepath.Join(s.Dir, "queue.db"), boltqueue.Options{})
	}
	return nil, nil
}

// libraryOptions are the options of an emitter with one webhook an app.
func libraryOptions(url string, q queue.Queue, apps []string, size int) webhook.Options {
	o := webhook.Options{Queue: q, Logger: slog.New(slog.DiscardHandler)}
	o.Batching.Disabled = size == 1
	for _, id := range apps {
		o.Apps = append(o.Apps, webhook.App{ID: id, Key: appKey, Secret: appSecret, Webhooks: []webhook.Webhook{
			{URL: url, EventTypes: []webhook.EventType{webhook.TypeClientEvent}},
		}})
	}
	return o
}

func (l *library) emit(ctx context.Context, ev webhook.Event) error { return l.em.EmitWait(ctx, ev) }
func (l *library) finish(ctx context.Context) error                 { return l.em.Drain(ctx) }

// openRedis opens a queue on a server of its own.
func openRedis(ctx context.Context, addr string) (queue.Queue, error) {
	return openOnClient(ctx, redis.NewClient(&redis.Options{Addr: addr}))
}

func openOnClient(ctx context.Context, client redis.UniversalClient) (queue.Queue, error) {
	q, err := redisqueue.New(ctx, client, redisqueue.Options{})
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &withClient{q, client}, nil
}

// withClient is a queue that closes its client with it.
type withClient struct {
	*redisqueue.Queue
	client io.Closer
}

func (q *withClient) Close() error { return errors.Join(q.Queue.Close(), q.client.Close()) }
