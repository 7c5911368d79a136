package redisqueue_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

const dataKey = "pushhooks:{0}:data"

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

func TestReceiveThatCannotReadTheDataReleasesTheJobs(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	warmUp(t, q)
	if err := q.Enqueue(t.Context(), makeJobs("j", 5, 2)); err != nil {
		t.Fatal(err)
	}
	hide(t, client)
	if leases, err := q.Receive(t.Context(), want(5)); err == nil {
		t.Fatalf("Receive returned %d jobs without their data", len(leases))
	}
	if s, _ := q.Stats(t.Context()); s.Leased != 5 {
		t.Fatalf("%d jobs are leased; want 5: the test shows nothing", s.Leased)
	}
	if err := client.Rename(t.Context(), "hidden", dataKey).Err(); err != nil {
		t.Fatal(err)
	}
	var leases []queue.Lease
	err := persist(t.Context(), func() (err error) {
		leases, err = q.Receive(t.Context(), want(5))
		return err
	})
	if err != nil || len(leases) != 5 {
		t.Fatalf("received %d jobs, %v; want 5", len(leases), err)
	}
	for _, l := range leases {
		if l.Attempts != 0 || !l.First.IsZero() || len(l.Data) == 0 {
			t.Errorf("%s: Attempts %d, First %v, %d bytes; want none, none and its data", l.ID, l.Attempts, l.First, len(l.Data))
		}
	}
}

// hide puts something that cannot be read in the place of the jobs' data.
func hide(t *testing.T, client *redis.Client) {
	t.Helper()
	if err := client.Rename(t.Context(), dataKey, "hidden").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(t.Context(), dataKey, "no hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
}
