package main

import (
	"context"
	"time"

	"github.com/hibiken/asynq"
)

// asynqBroker is asynq: one queue, as many workers as all have, and tasks that keep nothing when
// they are done. The rest are defaults, but for the poll of an idle queue: asynq looks every
// second, and 50 ms is what its latency at a steady rate needs; at full speed the queue is never
// idle.
type asynqBroker struct{ client *asynq.Client }

func openAsynq(ctx context.Context, s *setup) (pipeline, error) {
	return openBrokered(ctx, s, func(_ context.Context, s *setup, handle func(context.Context, []byte) error) (broker, error) {
		opt := asynq.RedisClientOpt{Addr: s.Redis, PoolSize: 2 * s.Workers}
		server := asynq.NewServer(opt, asynq.Config{
			Concurrency: s.Workers, TaskCheckInterval: 50 * time.Millisecond, LogLevel: asynq.FatalLevel,
		})
		err := server.Start(asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error { return handle(ctx, t.Payload()) }))
		return &asynqBroker{asynq.NewClient(opt)}, err
	})
}

func (b *asynqBroker) enqueue(ctx context.Context, body []byte) error {
	_, err := b.client.EnqueueContext(ctx, asynq.NewTask(topic, body))
	return err
}
