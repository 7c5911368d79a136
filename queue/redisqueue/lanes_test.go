package redisqueue_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// A webhook that is dead has a long backlog. It is skipped, and costs nothing.
func TestDeadLaneIsNotChurned(t *testing.T) {
	t.Parallel()
	alone(t)
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	for i := range 100 {
		if err := q.Enqueue(t.Context(), makeJobs(fmt.Sprintf("dead%d", i), 1000, 1)); err != nil {
			t.Fatal(err)
		}
	}
	w := queue.Want{Max: 20, MaxPerLane: 20, MaxUntried: 20, MaxFailing: 20, Lanes: map[string]int{"lane-0": 0}}

	idle := func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if leases, err := q.Receive(ctx, w); err == nil {
			t.Fatalf("received %d jobs of a lane that is skipped", len(leases))
		}
	}
	before := scripts(t, client)
	idle()
	if n := scripts(t, client) - before; n > 8 {
		t.Errorf("%d scripts in an idle second; want at most 8", n)
	}

	// A healthy lane's job takes three scripts: to enqueue it, to lease it and to ack it, and one
	// that finds nothing before.
	const rounds = 200
	before = scripts(t, client)
	calls := perJobCommands(t, client)
	var slowest time.Duration
	for i := range rounds {
		slowest = max(slowest, oneJob(t, q, w, i))
	}
	if n := scripts(t, client) - before; n > 5*rounds {
		t.Errorf("%d scripts for %d jobs", n, rounds)
	}
	for name, n := range perJobCommands(t, client) {
		if n -= calls[name]; n > 8*rounds {
			t.Errorf("%s was called %d times for %d jobs", name, n, rounds)
		}
	}
	t.Logf("slowest of %d: %v", rounds, slowest)
}

// perJobCommands returns how often the commands were called that touch a lane's jobs.
func perJobCommands(t *testing.T, client redis.UniversalClient) map[string]int {
	t.Helper()
	info, err := client.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	calls := make(map[string]int)
	for _, name := range []string{"lpop", "lpush", "rpush", "hmget", "zadd", "zrem"} {
		calls[name] = callsOf(info, name)
	}
	return calls
}

// oneJob sends a job on a healthy lane to a Receive that waits, and returns how long that took.
func oneJob(t *testing.T, q queue.Queue, w queue.Want, i int) time.Duration {
	t.Helper()
	type result struct {
		leases []queue.Lease
		err    error
	}
	got := make(chan result, 1)
	go func() {
		leases, err := q.Receive(t.Context(), w)
		got <- result{leases, err}
	}()
	begun := time.Now()
	if err := q.Enqueue(t.Context(), []queue.Job{{ID: fmt.Sprintf("ok-%d", i), Lane: "healthy", Data: []byte("{}")}}); err != nil {
		t.Fatal(err)
	}
	r := <-got
	took := time.Since(begun)
	if r.err != nil || len(r.leases) != 1 || r.leases[0].Lane != "healthy" {
		t.Fatalf("received %v, %v", r.leases, r.err)
	}
	if err := q.Ack(t.Context(), r.leases); err != nil {
		t.Fatal(err)
	}
	return took
}

func TestLanesMayHaveAnyName(t *testing.T) {
	t.Parallel()
	client := testredis.SharedCluster(t).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{Prefix: newPrefix()})
	names := []string{"a", "{a}", "}{", "a:b", "a b\n", "ü \u2028", "o", "u", `"\`}
	jobs := make([]queue.Job, 0, 2*len(names))
	for i, name := range names {
		jobs = append(jobs,
			queue.Job{ID: fmt.Sprint("u", i), Lane: name, Data: []byte(name)},
			queue.Job{ID: fmt.Sprint("o", i), Lane: name + "!", Ordered: true})
	}
	if err := q.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	left := make(map[string]queue.Job)
	for _, j := range jobs {
		left[j.ID] = j
	}
	for len(left) > 0 {
		leases, err := q.Receive(t.Context(), want(100))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range leases {
			j := left[l.ID]
			if l.Lane != j.Lane || l.Ordered != j.Ordered || string(l.Data) != string(j.Data) {
				t.Errorf("received %+v; want %+v", l.Job, j)
			}
			delete(left, l.ID)
		}
		if err := q.Ack(t.Context(), leases); err != nil {
			t.Fatal(err)
		}
	}
}

// Ended leases of an ordered lane and of others are no obstacle to each other: a job that was
// nacked with a delay blocks its ordered lane for everybody, also for another handle.
func TestOrderedLaneWaitsForItsDelayedJob(t *testing.T) {
	t.Parallel()
	alone(t)
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	prefix := newPrefix()
	a, b := open(t, client, redisqueue.Options{Prefix: prefix}), open(t, client, redisqueue.Options{Prefix: prefix})
	jobs := makeJobs("j", 3, 1)
	for i := range jobs {
		jobs[i].Ordered = true
	}
	if err := a.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	for _, job := range jobs {
		first, err := a.Receive(t.Context(), want(3))
		if err != nil || len(first) != 1 || first[0].ID != job.ID {
			t.Fatalf("received %v, %v; want %s alone", first, err, job.ID)
		}
		if err := a.Nack(t.Context(), []queue.Nack{{Lease: first[0], Delay: 300 * time.Millisecond, Counted: true}}); err != nil {
			t.Fatal(err)
		}
		second, err := b.Receive(t.Context(), want(3))
		if err != nil || len(second) != 1 || second[0].ID != job.ID || second[0].Attempts != 1 {
			t.Fatalf("received %v, %v; want %s alone, at its second attempt", second, err, job.ID)
		}
		if err := b.Ack(t.Context(), second); err != nil {
			t.Fatal(err)
		}
	}
}

// Lists that are spread over many partitions are in one order, whole, and cost little more than
// those of a single partition.
func TestListsOfManyPartitionsReadLittleMoreThanTheyReturn(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{Partitions: 16})
	commands := func(name string) int {
		info, err := client.Info(t.Context(), "commandstats").Result()
		if err != nil {
			t.Fatal(err)
		}
		return callsOf(info, name)
	}
	const lanes, dead = 4000, 1000
	manyLanes(t, q, lanes)
	before := commands("lindex")
	names, err := allLanes(t, q)
	if err != nil || len(names) != lanes || !slices.IsSorted(names) {
		t.Errorf("%d lanes, in order: %v, %v", len(names), slices.IsSorted(names), err)
	}
	if n := commands("lindex") - before; n < lanes || n > 2*lanes*17/10 { // two for each lane
		t.Errorf("%d commands for %d lanes", n, lanes)
	}
	for n := 0; n < dead; {
		leases, err := q.Receive(t.Context(), queue.Want{Max: 100, MaxPerLane: 100, MaxUntried: 100})
		if err != nil {
			t.Fatal(err)
		}
		for i := range leases[:min(len(leases), dead-n)] {
			if err := q.DeadLetter(t.Context(), leases[i], "status"); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	before = commands("hget")
	seen, last := map[string]bool{}, queue.DeadLetter{}
	for {
		page, err := q.DeadLetters(t.Context(), last.ID, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, d := range page {
			if seen[d.ID] || d.At.Before(last.At.Add(-time.Second)) {
				t.Fatalf("%s comes after %s, or twice", d.ID, last.ID)
			}
			seen[d.ID], last = true, d
		}
	}
	if n := commands("hget") - before; len(seen) != dead || n > 4*dead {
		t.Errorf("%d commands for %d dead letters", n, len(seen))
	}
}
