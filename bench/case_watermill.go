package main

import (
	"context"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

// watermillBroker is watermill on Redis Streams: a publisher, and a subscriber for each worker, all
// in one consumer group. A subscriber handles one message at a time, and more subscribers in the
// group are what its documentation recommends for more. Publisher and subscribers have a client
// each, as in watermill's own benchmark, with a connection for each subscriber's blocking read and
// some for the acks; the rest are defaults. The stream is not trimmed, as by default.
type watermillBroker struct{ publisher *redisstream.Publisher }

func openWatermill(ctx context.Context, s *setup) (pipeline, error) {
	return openBrokered(ctx, s, func(ctx context.Context, s *setup, handle func(context.Context, []byte) error) (broker, error) {
		publisher, err := redisstream.NewPublisher(redisstream.PublisherConfig{
			Client: redis.NewClient(&redis.Options{Addr: s.Redis, PoolSize: 2 * enqueuerCount}),
		}, watermill.NopLogger{})
		if err != nil {
			return nil, err
		}
		client := redis.NewClient(&redis.Options{Addr: s.Redis, PoolSize: 3 * s.Workers})
		for range s.Workers {
			if err := subscribe(ctx, client, handle); err != nil {
				return nil, err
			}
		}
		return &watermillBroker{publisher}, nil
	})
}

// subscribe starts a worker.
func subscribe(ctx context.Context, client *redis.Client, handle func(context.Context, []byte) error) error {
	subscriber, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{
		Client: client, Consumer: watermill.NewShortUUID(), ConsumerGroup: topic,
	}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	messages, err := subscriber.Subscribe(ctx, topic)
	if err != nil {
		return err
	}
	go func() {
		for m := range messages {
			if handle(ctx, m.Payload) != nil {
				m.Nack()
				continue
			}
			m.Ack()
		}
	}()
	return nil
}

func (b *watermillBroker) enqueue(ctx context.Context, body []byte) error {
	m := message.NewMessage(watermill.NewULID(), body)
	m.SetContext(ctx)
	return b.publisher.Publish(topic, m)
}
