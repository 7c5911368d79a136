package redisqueue_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

const (
	dataKey  = "pushhooks:{0}:jobs"
	largeKey = "pushhooks:{0}:large"
)

// kept returns how many jobs' data Redis has.
func kept(t *testing.T, client *redis.Client) int64 {
	t.Helper()
	n, err := client.HLen(t.Context(), dataKey).Result()
	if err != nil {
		t.Fatal(err)
	}
	dead := client.HLen(t.Context(), "pushhooks:{0}:letters").Val()
	if large := client.HLen(t.Context(), largeKey).Val(); large > n+dead {
		t.Errorf("there is large data of %d jobs; there are %d jobs and %d dead letters", large, n, dead)
	}
	return n
}

func TestDataStaysOnlyOfJobsInTheQueue(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{MaxJobs: 3})
	jobs := makeJobs("j", 5, 1)
	for i := range jobs {
		if i%2 == 0 {
			jobs[i].Data = []byte(strings.Repeat("x", 5000))
		}
	}
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

// Data of any length comes back as it was, whether a script reads it or the client.
func TestDataOfAnyLength(t *testing.T) {
	t.Parallel()
	for _, once := range []bool{false, true} {
		client := testredis.StartServer(t, testredis.Options{}).Client()
		defer client.Close()
		q := open(t, client, redisqueue.Options{AtMostOnce: once})
		jobs := makeJobs("j", 6, 3)
		sizes := map[string]int{}
		for i, n := range []int{0, 1, 1023, 1024, 1025, 300_000} {
			jobs[i].Data = []byte(strings.Repeat("\u00e9"[:1+i%2], n))[:n]
			sizes[jobs[i].ID] = n
		}
		mustEnqueue(t, q, jobs...)
		leases := mustReceive(t, q, want(6), 6)
		for _, l := range leases {
			if len(l.Data) != sizes[l.ID] {
				t.Errorf("%s came with %d bytes; want %d", l.ID, len(l.Data), sizes[l.ID])
			}
		}
		if err := q.Release(t.Context(), leases); err != nil {
			t.Fatal(err)
		}
		if s, err := q.Stats(t.Context()); err != nil || s.Ready != 6 || s.Bytes != 1+1023+1024+1025+300_000 {
			t.Errorf("after a release: %+v, %v", s, err)
		}
		leases = mustReceive(t, q, want(6), 6)
		for i := range leases {
			if len(leases[i].Data) != sizes[leases[i].ID] {
				t.Errorf("%s came again with %d bytes; want %d", leases[i].ID, len(leases[i].Data), sizes[leases[i].ID])
			}
			if err := q.DeadLetter(t.Context(), leases[i], "gone"); err != nil {
				t.Fatal(err)
			}
		}
		letters, err := q.DeadLetters(t.Context(), "", 10)
		if err != nil || len(letters) != 6 {
			t.Fatalf("%d dead letters, %v; want 6", len(letters), err)
		}
		for _, d := range letters {
			if len(d.Data) != sizes[d.ID] {
				t.Errorf("dead letter %s has %d bytes; want %d", d.ID, len(d.Data), sizes[d.ID])
			}
		}
		if kept(t, client) != 0 {
			t.Error("data of dead letters was kept as that of jobs")
		}
	}
}

func TestReceiveThatCannotReadTheDataReleasesTheJobs(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	warmUp(t, q)
	jobs := makeJobs("j", 5, 2)
	for i := range jobs {
		jobs[i].Data = []byte(strings.Repeat("x", 2000))
	}
	mustEnqueue(t, q, jobs...)
	if err := client.Rename(t.Context(), largeKey, "hidden").Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.Set(t.Context(), largeKey, "no hash", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if leases, err := q.Receive(t.Context(), want(5)); err == nil {
		t.Fatalf("Receive returned %d jobs without their data", len(leases))
	}
	if err := client.Rename(t.Context(), "hidden", largeKey).Err(); err != nil {
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
		if l.Attempts != 0 || !l.First.IsZero() || len(l.Data) != 2000 {
			t.Errorf("%s: Attempts %d, First %v, %d bytes; want none, none and its data", l.ID, l.Attempts, l.First, len(l.Data))
		}
	}
}
