package redisqueue_test

import (
	"bytes"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// BenchmarkClientCPU measures this process's own CPU time a job, to enqueue, receive and ack it,
// which other processes do not change much.
func BenchmarkClientCPU(b *testing.B) {
	for _, c := range []struct{ batch, size int }{{1, 400}, {10, 400}, {1, 14_000}, {10, 14_000}, {10, 190_000}} {
		b.Run(fmt.Sprintf("jobs=%d/bytes=%d", c.batch, c.size), func(b *testing.B) {
			client := testredis.StartServer(b, testredis.Options{}).Client()
			defer client.Close()
			q := open(b, client, redisqueue.Options{})
			data := bytes.Repeat([]byte("x"), c.size)
			begun := cpuTime(b)
			for round := range b.N {
				jobs := make([]queue.Job, c.batch)
				for i := range jobs {
					jobs[i] = queue.Job{ID: fmt.Sprintf("0190f3c4-7d1e-%012d", round*c.batch+i), Lane: "my-app/" + strconv.Itoa(i), Data: data}
				}
				if err := q.Enqueue(b.Context(), jobs); err != nil {
					b.Fatal(err)
				}
				for left := c.batch; left > 0; {
					leases, err := q.Receive(b.Context(), want(left))
					if err != nil {
						b.Fatal(err)
					}
					if err := q.Ack(b.Context(), leases); err != nil {
						b.Fatal(err)
					}
					left -= len(leases)
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64((cpuTime(b)-begun).Microseconds())/float64(b.N*c.batch), "cpu-µs/job")
		})
	}
}

// cpuTime returns the CPU time of this process.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
