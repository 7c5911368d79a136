package redisqueue_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

const benchBatch = 100

var benchData = bytes.Repeat([]byte("x"), 400)

// BenchmarkBatches moves jobs of 400 bytes through the queue, a hundred at a time, and compares
// that with the least that Redis can be asked to do: RPUSH and LPOP of a hundred on one list.
func BenchmarkBatches(b *testing.B) {
	for _, lanes := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			client := testredis.StartServer(b, testredis.Options{}).Client()
			defer client.Close()
			q := open(b, client, redisqueue.Options{})
			round := 0
			queued := perJob(b, func() { moveBatch(b, q, lanes, round); round++ })
			raw := perJob(b, func() { moveRaw(b, client) })
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(1e9/queued, "jobs/s")
			b.ReportMetric(raw/queued, "of-raw")
		})
	}
}

// perJob runs a batch b.N times and returns the nanoseconds that a job takes.
func perJob(b *testing.B, batch func()) float64 {
	start := time.Now()
	for range b.N {
		batch()
	}
	return float64(time.Since(start).Nanoseconds()) / float64(b.N*benchBatch)
}

func moveBatch(b *testing.B, q *redisqueue.Queue, lanes, round int) {
	jobs := make([]queue.Job, benchBatch)
	for i := range jobs {
		jobs[i] = queue.Job{ID: fmt.Sprintf("0190f3c4-7d1e-7c3a-9b1f-%06d%06d", round, i), Lane: "app/" + strconv.Itoa(i%lanes), Data: benchData}
	}
	if err := q.Enqueue(b.Context(), jobs); err != nil {
		b.Fatal(err)
	}
	leases, err := q.Receive(b.Context(), queue.Want{Max: benchBatch, MaxPerLane: benchBatch, MaxUntried: benchBatch, MaxFailing: benchBatch})
	if err != nil || len(leases) != benchBatch {
		b.Fatal(len(leases), err)
	}
	if err := q.Ack(b.Context(), leases); err != nil {
		b.Fatal(err)
	}
}

func moveRaw(b *testing.B, client *redis.Client) {
	_, err := client.Pipelined(b.Context(), func(p redis.Pipeliner) error {
		for range benchBatch {
			p.RPush(b.Context(), "raw", benchData)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	if got, err := client.LPopCount(b.Context(), "raw", benchBatch).Result(); err != nil || len(got) != benchBatch {
		b.Fatal(len(got), err)
	}
}

// BenchmarkWake measures how long a job takes to a Receive that waits.
func BenchmarkWake(b *testing.B) {
	client := testredis.StartServer(b, testredis.Options{}).Client()
	defer client.Close()
	q := open(b, client, redisqueue.Options{})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	got := make(chan queue.Lease)
	go func() {
		for {
			leases, err := q.Receive(ctx, queue.Want{Max: 1, MaxPerLane: 1, MaxUntried: 1, MaxFailing: 1})
			if err != nil {
				return
			}
			got <- leases[0]
		}
	}()
	n := 0
	for b.Loop() {
		n++
		if err := q.Enqueue(ctx, []queue.Job{{ID: strconv.Itoa(n), Lane: "a", Data: benchData}}); err != nil {
			b.Fatal(err)
		}
		if err := q.Ack(ctx, []queue.Lease{<-got}); err != nil {
			b.Fatal(err)
		}
	}
}
