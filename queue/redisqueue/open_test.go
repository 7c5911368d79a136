package redisqueue_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

func TestPartitionsAreFixedAtFirstUse(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	open(t, client, redisqueue.Options{Prefix: "p:", Partitions: 5})
	_, err := redisqueue.New(t.Context(), client, redisqueue.Options{Prefix: "p:", Partitions: 7})
	if err == nil || !strings.Contains(err.Error(), "7") || !strings.Contains(err.Error(), "5") {
		t.Errorf("New with another number returned %v; want an error with both numbers", err)
	}
	q := open(t, client, redisqueue.Options{Prefix: "p:"}) // takes what is stored
	if err := q.Enqueue(t.Context(), makeJobs("j", 50, 50)); err != nil {
		t.Fatal(err)
	}
	keys, err := client.Keys(t.Context(), "p:{*}:lanes").Result()
	if err != nil || len(keys) != 5 {
		t.Errorf("the lanes are in %d partitions (%v), %v; want 5", len(keys), keys, err)
	}
}

func TestNewReportsEveryWrongOption(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer client.Close()
	_, err := redisqueue.New(t.Context(), client, redisqueue.Options{
		Prefix: "a{b}", Partitions: 257, Lease: time.Millisecond, MaxJobs: -1, MaxBytes: -1, MaxJobBytes: -1,
		MaxDead: -1, MaxDeadAge: time.Millisecond, MaxDeadBytes: -1, MarkerTTL: time.Millisecond, MaxMarkers: 1,
	})
	if err == nil {
		t.Fatal("New succeeded")
	}
	for _, field := range []string{
		`Prefix is "a{b}"`, "Partitions is 257", "Lease is 1ms", "MaxJobs", "MaxBytes", "MaxJobBytes", "MaxDead", "MaxDeadAge", "MaxDeadBytes", "MarkerTTL", "MaxMarkers",
	} {
		if !strings.Contains(err.Error(), "Options."+field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
	_, err = redisqueue.New(t.Context(), client, redisqueue.Options{
		Lease: math.MaxInt64, MaxJobs: math.MaxInt, MaxBytes: math.MaxInt64, MaxJobBytes: math.MaxInt, MaxDead: math.MaxInt,
		MaxDeadBytes: math.MaxInt64, MaxDeadAge: math.MaxInt64, MarkerTTL: math.MaxInt64, MaxMarkers: math.MaxInt,
	})
	if n := strings.Count(fmt.Sprint(err), "it must be at most"); n != 9 {
		t.Errorf("%d of 9 numbers near the largest were refused: %v", n, err)
	}
	if _, err := redisqueue.New(t.Context(), nil, redisqueue.Options{}); err == nil {
		t.Error("New without a client succeeded")
	}
}

func TestNewWithoutAServer(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer client.Close()
	if _, err := redisqueue.New(t.Context(), client, redisqueue.Options{}); err == nil {
		t.Error("New succeeded without a server")
	}
}

func TestAtMostOnceRemovesOnReceipt(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{AtMostOnce: true})
	if err := q.Enqueue(t.Context(), makeJobs("j", 2, 1)); err != nil {
		t.Fatal(err)
	}
	leases, err := q.Receive(t.Context(), want(2))
	if err != nil || len(leases) != 2 {
		t.Fatalf("received %d, %v", len(leases), err)
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Ready+s.Leased+s.Delayed != 0 || s.Bytes != 0 {
		t.Errorf("the queue holds %+v, %v; want nothing", s, err)
	}
	// A failed attempt is not repeated; a job that was not tried is.
	nacks := []queue.Nack{{Lease: leases[0], Counted: true}, {Lease: leases[1]}}
	if err := q.Nack(t.Context(), nacks); err != nil {
		t.Fatal(err)
	}
	again, err := q.Receive(t.Context(), want(2))
	if err != nil || len(again) != 1 || again[0].ID != leases[1].ID {
		t.Errorf("received %v, %v; want %s alone", again, err, leases[1].ID)
	}
}

func TestPartitionsSpreadOverTheMasters(t *testing.T) {
	t.Parallel()
	cluster := testredis.SharedCluster(t)
	client := cluster.Client()
	defer client.Close()
	prefix := newPrefix()
	q := open(t, client, redisqueue.Options{Prefix: prefix})
	if err := q.Enqueue(t.Context(), makeJobs("j", 500, 500)); err != nil {
		t.Fatal(err)
	}
	err := client.ForEachMaster(t.Context(), func(ctx context.Context, master *redis.Client) error {
		keys, err := master.Keys(ctx, prefix+"{*}:lanes").Result()
		if len(keys) < 5 || len(keys) > 6 {
			t.Errorf("a master has %d of the 16 partitions; want 5 or 6", len(keys))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCloseLeavesNoGoroutines(t *testing.T) { // not parallel: it counts goroutines
	server := testredis.StartServer(t, testredis.Options{})
	base := runtime.NumGoroutine()
	client := server.Client()
	q := open(t, client, redisqueue.Options{Partitions: 4})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _ = q.Receive(ctx, want(1))
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	waitUntil(t, 5*time.Second, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= base })
}
