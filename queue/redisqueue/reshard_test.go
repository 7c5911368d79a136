package redisqueue_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// While a slot is moved, some of a partition's keys are on one master and some on the other. No
// script may run on either.
func TestSlotIsMovedUnderLoad(t *testing.T) {
	t.Parallel()
	alone(t)
	cluster := testredis.StartCluster(t)
	client := cluster.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{Prefix: "move:"})
	if err := q.Enqueue(t.Context(), makeJobs("before", 500, 100)); err != nil {
		t.Fatal(err)
	}
	var in inbox
	start(t, func(ctx context.Context) { in.consume(ctx, q) })
	const batches = 300
	enqueued := make(chan error, 1)
	go func() {
		for i := range batches {
			jobs := makeJobs("during"+strconv.Itoa(i), 100, 100)
			if err := persist(t.Context(), func() error { return q.Enqueue(t.Context(), jobs) }); err != nil {
				enqueued <- err
				return
			}
		}
		enqueued <- nil
	}()
	for _, ring := range rings(t, client) {
		cluster.MoveSlot(t, ring)
	}
	if err := <-enqueued; err != nil {
		t.Fatal(err)
	}
	waitUntil(t, 20*time.Second, "all jobs are delivered", func() bool { return in.count() == 500+100*batches })
	if in.copies > 0 {
		t.Errorf("%d jobs came more than once", in.copies)
	}
	s, err := q.Stats(t.Context())
	if err != nil || s.Ready+s.Leased+s.Delayed != 0 || s.Bytes != 0 {
		t.Errorf("the queue holds %+v, %v; want nothing", s, err)
	}
}

// rings returns a key of some partitions.
func rings(t *testing.T, client *redis.ClusterClient) []string {
	t.Helper()
	var keys []string
	for i := range 100 { // tags are small numbers
		key := "move:{" + strconv.Itoa(i) + "}:lanes"
		if n, err := client.Exists(t.Context(), key).Result(); err == nil && n == 1 && len(keys) < 6 {
			keys = append(keys, key)
		}
	}
	if len(keys) < 6 {
		t.Fatalf("found only the partitions of %v", keys)
	}
	return keys
}
