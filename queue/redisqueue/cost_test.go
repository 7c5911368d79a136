package redisqueue_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// BenchmarkRedisTime measures Redis's own time for a job of 400 bytes, by INFO commandstats: to
// enqueue it, to lease it and to ack it, with one job and with ten in a call.
func BenchmarkRedisTime(b *testing.B) {
	for _, c := range []struct{ batch, lanes int }{{1, 1}, {1, 1000}, {10, 1}, {10, 10}, {10, 1000}} {
		b.Run(fmt.Sprintf("jobs=%d/lanes=%d", c.batch, c.lanes), func(b *testing.B) {
			client := testredis.StartServer(b, testredis.Options{}).Client()
			defer client.Close()
			q := open(b, client, redisqueue.Options{})
			begun := scriptTime(b, client)
			for round := range b.N {
				jobs := make([]queue.Job, c.batch)
				for i := range jobs {
					n := round*c.batch + i
					jobs[i] = queue.Job{
						ID:   fmt.Sprintf("0190f3c4-7d1e-7c3a-9b1f-%012d", n),
						Lane: "my-app/0190f3c4-" + strconv.Itoa(n%c.lanes), Data: benchData,
					}
				}
				if err := q.Enqueue(b.Context(), jobs); err != nil {
					b.Fatal(err)
				}
				leases, err := q.Receive(b.Context(), want(c.batch))
				if err != nil || len(leases) != c.batch {
					b.Fatal(len(leases), err)
				}
				if err := q.Ack(b.Context(), leases); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric((scriptTime(b, client)-begun)/float64(b.N*c.batch), "redis-µs/job")
		})
	}
}

// scriptTime returns the microseconds that the server has spent in scripts.
func scriptTime(b *testing.B, client *redis.Client) float64 {
	b.Helper()
	info, err := client.Info(b.Context(), "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	total := 0.0
	for _, command := range []string{"eval", "evalsha"} {
		_, rest, _ := strings.Cut(info, "cmdstat_"+command+":")
		_, rest, _ = strings.Cut(rest, "usec=")
		usec, _, _ := strings.Cut(rest, ",")
		n, _ := strconv.ParseFloat(usec, 64)
		total += n
	}
	return total
}
