package redisqueue_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// BenchmarkPartitions measures how long a job takes from Enqueue to Receive, with one partition and
// with 16, at 400 jobs a second of 64 lanes.
func BenchmarkPartitions(b *testing.B) {
	for _, rtt := range []time.Duration{2 * time.Millisecond, 10 * time.Millisecond} {
		for _, partitions := range []int{1, 16} {
			b.Run(fmt.Sprintf("rtt=%v/partitions=%d", rtt, partitions), func(b *testing.B) {
				took := latencies(b, rtt, partitions)
				slices.Sort(took)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			})
		}
	}
}

func latencies(b *testing.B, rtt time.Duration, partitions int) []time.Duration {
	server := testredis.StartServer(b, testredis.Options{})
	proxy := testredis.StartProxy(b, server.Addr)
	proxy.SetLink(testredis.Link{Delay: rtt / 2})
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr, PoolSize: 100})
	defer client.Close()
	q := open(b, client, redisqueue.Options{Partitions: partitions})
	const n, lanes = 2000, 64
	var mu sync.Mutex
	sent, took := make(map[string]time.Time), []time.Duration(nil)
	var calls sync.WaitGroup
	calls.Go(func() {
		tick := time.NewTicker(time.Second / 400)
		defer tick.Stop()
		for i := range n {
			<-tick.C
			job := queue.Job{ID: fmt.Sprint("j", i), Lane: fmt.Sprint("lane-", i*7%lanes), Data: benchData}
			calls.Go(func() {
				mu.Lock()
				sent[job.ID] = time.Now()
				mu.Unlock()
				if err := q.Enqueue(b.Context(), []queue.Job{job}); err != nil {
					b.Error(err)
				}
			})
		}
	})
	for got := 0; got < n; {
		leases, err := q.Receive(b.Context(), queue.Want{Max: 40, MaxPerLane: 4, MaxUntried: 20, MaxFailing: 10})
		if err != nil {
			b.Fatal(err)
		}
		now := time.Now()
		mu.Lock()
		for _, l := range leases {
			took = append(took, now.Sub(sent[l.ID]))
		}
		mu.Unlock()
		got += len(leases)
		calls.Go(func() {
			if err := q.Ack(b.Context(), leases); err != nil {
				b.Error(err)
			}
		})
	}
	calls.Wait()
	return took
}
