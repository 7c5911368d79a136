package redisqueue_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/queuetest"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// named is a queue that knows with which options it was opened.
type named struct {
	*redisqueue.Queue
	opts redisqueue.Options
}

// harness is the conformance suite's view of a Redis that client reaches.
func harness(client redis.UniversalClient, base redisqueue.Options) queuetest.Harness {
	start := func(t *testing.T, opts redisqueue.Options) queue.Queue {
		opts.AtMostOnce = base.AtMostOnce
		opts.Lease = 5 * time.Second // which a busy machine does not exceed between two steps
		if opts.Prefix == "" {
			opts.Prefix = newPrefix()
		}
		q, err := redisqueue.New(t.Context(), client, opts)
		if err != nil {
			t.Fatal(err)
		}
		return named{q, opts}
	}
	again := func(t *testing.T, q queue.Queue) queue.Queue { return start(t, q.(named).opts) }
	return queuetest.Harness{
		Open:    func(t *testing.T) queue.Queue { return start(t, redisqueue.Options{}) },
		Another: again,
		Reopen:  again,
		OpenBounded: func(t *testing.T, jobs int) queue.Queue {
			// the bound is each partition's
			return start(t, redisqueue.Options{MaxJobs: jobs, Partitions: 1})
		},
		OpenBoundedBytes: func(t *testing.T, bytes int64) queue.Queue {
			return start(t, redisqueue.Options{MaxBytes: bytes, Partitions: 1})
		},
		OpenDead: func(t *testing.T, n int) queue.Queue { return start(t, redisqueue.Options{MaxDead: n}) },
		Later: func(t *testing.T, q queue.Queue, d time.Duration) {
			later(t, client, q.(named).opts.Prefix, d)
		},
		TooLarge: 5 << 20,
		Delay:    200 * time.Millisecond,
	}
}

// later has everything in a queue's store end earlier.
func later(t *testing.T, client redis.UniversalClient, prefix string, by time.Duration) {
	t.Helper()
	var changed atomic.Int64
	move := func(ctx context.Context, c redis.Cmdable) error {
		keys, err := c.Keys(ctx, strings.NewReplacer("{", `\{`, "[", `\[`).Replace(prefix)+"*:due").Result()
		for _, key := range keys {
			due, err := c.ZRangeWithScores(ctx, key, 0, -1).Result()
			if err != nil {
				return err
			}
			for _, z := range due {
				changed.Add(1)
				if err := c.ZIncrBy(ctx, key, -float64(by.Microseconds()), z.Member.(string)).Err(); err != nil {
					return err
				}
			}
		}
		return err
	}
	var err error
	if cluster, ok := client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(t.Context(), func(ctx context.Context, c *redis.Client) error { return move(ctx, c) })
	} else {
		err = move(t.Context(), client)
	}
	if err != nil || changed.Load() == 0 {
		t.Fatalf("%d times were moved: %v", changed.Load(), err)
	}
}

func TestConformanceOnAServer(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	t.Cleanup(func() { _ = client.Close() })
	queuetest.Run(t, harness(client, redisqueue.Options{}))
}

func TestConformanceOnACluster(t *testing.T) {
	t.Parallel()
	client := testredis.SharedCluster(t).Client()
	t.Cleanup(func() { _ = client.Close() })
	queuetest.Run(t, harness(client, redisqueue.Options{}))
}

func TestConformanceAtMostOnce(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	t.Cleanup(func() { _ = client.Close() })
	h := harness(client, redisqueue.Options{AtMostOnce: true})
	h.OpenBounded = nil // the check counts leased jobs, which are not in the queue here
	queuetest.Run(t, h)
}
