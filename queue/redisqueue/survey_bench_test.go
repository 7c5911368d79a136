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

// BenchmarkSurvey measures, by INFO commandstats, what it costs Redis to be asked about 10,000
// lanes with a job each, half of which are held: for its Stats, which a readiness probe asks for,
// and for the state of all lanes, which the log asks for once a minute.
func BenchmarkSurvey(b *testing.B) {
	for _, partitions := range []int{1, 16} {
		client := testredis.StartServer(b, testredis.Options{}).Client()
		defer client.Close()
		q := open(b, client, redisqueue.Options{Partitions: partitions})
		manyLanes(b, q, 10_000)
		for name, ask := range map[string]func() error{
			"stats": func() error { _, err := q.Stats(b.Context()); return err },
			"lanes": func() error { _, err := allLanes(b, q); return err },
		} {
			b.Run(fmt.Sprintf("%s/partitions=%d", name, partitions), func(b *testing.B) {
				begun, before := serverCPU(b, client), scripts(b, client)
				for b.Loop() {
					if err := ask(); err != nil {
						b.Fatal(err)
					}
				}
				n := float64(b.N)
				b.ReportMetric(float64(scripts(b, client)-before)/n, "scripts/op")
				b.ReportMetric((serverCPU(b, client)-begun)/n*1000, "redis-cpu-ms/op")
			})
		}
	}
}

// serverCPU returns the seconds of CPU time that the server has used.
func serverCPU(b *testing.B, client *redis.Client) (seconds float64) {
	b.Helper()
	info, err := client.Info(b.Context(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"used_cpu_user:", "used_cpu_sys:"} {
		_, rest, _ := strings.Cut(info, "\n"+name)
		text, _, _ := strings.Cut(rest, "\r")
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			b.Fatal(err)
		}
		seconds += n
	}
	return seconds
}

// manyLanes makes lanes with a job each, half of which are held.
func manyLanes(t testing.TB, q queue.Queue, n int) {
	t.Helper()
	var jobs []queue.Job
	for i := range n {
		jobs = append(jobs, queue.Job{ID: fmt.Sprint("job-", i), Lane: fmt.Sprintf("app/%05d", i), Data: benchData})
		if len(jobs) == 500 || i == n-1 {
			if err := q.Enqueue(t.Context(), jobs); err != nil {
				t.Fatal(err)
			}
			jobs = nil
		}
		if i%2 == 0 {
			if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: fmt.Sprintf("app/%05d", i), Health: queue.Failing, Hold: queue.MaxHold}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// allLanes lists all lanes, a thousand in a call, and returns their names.
func allLanes(t testing.TB, q *redisqueue.Queue) (names []string, err error) {
	t.Helper()
	for after := ""; ; after = names[len(names)-1] {
		page, err := q.Lanes(t.Context(), after, 1000)
		if err != nil || len(page) == 0 {
			return names, err
		}
		for i := range page {
			names = append(names, page[i].Lane)
		}
	}
}
