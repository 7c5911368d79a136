package redisqueue_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

const dataKey = "pushhooks:{0}:jobs"

// kept returns how many jobs' data Redis has.
func kept(t *testing.T, client *redis.Client) int64 {
	t.Helper()
	n, err := client.HLen(t.Context(), dataKey).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDataStaysOnlyOfJobsInTheQueue(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{MaxJobs: 3})
	jobs := makeJobs("j", 5, 1)
	if err := q.Enqueue(t.Context(), jobs); err == nil {
		t.Fatal("5 jobs were taken; the bound is 3")
	}
	if n := kept(t, client); n != 3 {
		t.Errorf("there is data of %d jobs; 3 were taken", n)
	}
	leases, err := q.Receive(t.Context(), want(3))
	if err != nil || len(leases) != 3 {
		t.Fatalf("received %d jobs, %v; want 3", len(leases), err)
	}
	if err := q.DeadLetter(t.Context(), leases[0], "gone"); err != nil {
		t.Fatal(err)
	}
	if err := q.Ack(t.Context(), leases[1:]); err != nil {
		t.Fatal(err)
	}
	if err := q.Enqueue(t.Context(), jobs[:3]); err != nil { // copies of settled jobs
		t.Fatal(err)
	}
	if n := kept(t, client); n != 0 {
		t.Errorf("there is data of %d jobs; all were settled", n)
	}
}
