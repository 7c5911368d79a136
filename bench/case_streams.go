package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
)

// streams is what one writes by hand on Redis Streams for speed, behind the sketch's batches: XADDs
// piped by up to a hundred, XREADGROUP by a hundred, and XACK and XDEL for what has gathered
// while the last ones ran.
type streams struct {
	client  *redis.Client
	front   *sketch
	tracker *tracker
	poster  *poster
	work    chan redis.XMessage
	acks    chan string
	writers sync.WaitGroup
}

const (
	streamField   = "body"
	streamBatch   = 100 // commands a pipeline, and entries a read
	streamWriters = 4
	streamReaders = 2
)

func openStreams(ctx context.Context, s *setup) (pipeline, error) {
	p, err := newPoster(s.URL, s.Workers)
	if err != nil {
		return nil, err
	}
	k := &streams{
		client: redis.NewClient(&redis.Options{Addr: s.Redis}),
		front:  newSketch(s.load.apps, s.Size), tracker: newTracker(), poster: p,
		work: make(chan redis.XMessage, streamBatch), acks: make(chan string, streamBatch),
	}
	if err := k.client.XGroupCreateMkStream(ctx, topic, topic, "0").Err(); err != nil {
		return nil, err
	}
	start := func(n int, f func(context.Context) error) {
		for range n {
			go func() {
				if err := f(ctx); err != nil {
					s.fail(err)
				}
			}()
		}
	}
	for range streamWriters {
		k.writers.Go(func() {
			if err := k.write(ctx); err != nil {
				s.fail(err)
			}
		})
	}
	start(streamReaders, k.read)
	start(s.Workers, k.post)
	start(1, k.ack)
	return k, nil
}

func (k *streams) emit(_ context.Context, ev webhook.Event) error {
	k.front.Emit(ev)
	return nil
}

func (k *streams) finish(ctx context.Context) error {
	k.front.finish()
	k.writers.Wait()
	return k.tracker.wait(ctx)
}

// write takes the sketch's batches to Redis.
func (k *streams) write(ctx context.Context) error {
	for jobs := range gathered(k.front.sink) {
		k.tracker.sent(len(jobs))
		_, err := k.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, j := range jobs {
				p.XAdd(ctx, &redis.XAddArgs{Stream: topic, Values: []any{streamField, j.body}})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, j := range jobs {
			k.front.release(j)
		}
	}
	return nil
}

func (k *streams) read(ctx context.Context) error {
	for {
		list, err := k.client.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: topic, Consumer: topic, Streams: []string{topic, ">"}, Count: streamBatch, Block: time.Second,
		}).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range list[0].Messages {
			k.work <- m
		}
	}
}

func (k *streams) post(ctx context.Context) error {
	signer := newSigner()
	for m := range k.work {
		text, ok := m.Values[streamField].(string)
		if !ok {
			return errors.New("an entry of the stream has no body")
		}
		body := []byte(text)
		if err := k.poster.post(ctx, body, signer.sign(body), nil); err != nil {
			return err
		}
		k.acks <- m.ID
	}
	return nil
}

func (k *streams) ack(ctx context.Context) error {
	for ids := range gathered(k.acks) {
		_, err := k.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.XAck(ctx, topic, topic, ids...)
			p.XDel(ctx, topic, ids...)
			return nil
		})
		if err != nil {
			return err
		}
		k.tracker.acknowledged(len(ids))
	}
	return nil
}

// gathered yields what a channel has, up to streamBatch values at a time, until it is closed. A
// slice is good until the next one is asked for.
func gathered[T any](c <-chan T) func(yield func([]T) bool) {
	return func(yield func([]T) bool) {
		list := make([]T, 0, streamBatch)
		for v := range c {
			list = append(list[:0], v)
			for more := true; more && len(list) < streamBatch; {
				select {
				case v, ok := <-c:
					if ok {
						list = append(list, v)
					}
					more = ok
				default:
					more = false
				}
			}
			if !yield(list) {
				return
			}
		}
	}
}
