package redisqueue_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// behindProxy opens a queue through a proxy, and one that reaches the same server directly.
func behindProxy(t *testing.T, opts redisqueue.Options) (through, direct *redisqueue.Queue, proxy *testredis.Proxy) {
	t.Helper()
	server := testredis.StartServer(t, testredis.Options{})
	proxy = testredis.StartProxy(t, server.Addr)
	clients := []*redis.Client{redis.NewClient(&redis.Options{Addr: proxy.Addr}), server.Client()}
	t.Cleanup(func() { _, _ = clients[0].Close(), clients[1].Close() })
	return open(t, clients[0], opts), open(t, clients[1], opts), proxy
}

func TestEnqueueWhoseAnswerIsLostMakesOneJob(t *testing.T) {
	t.Parallel()
	q, _, proxy := behindProxy(t, redisqueue.Options{})
	jobs := makeJobs("j", 3, 1)
	lost := proxy.LoseAnswer("j-1")
	if err := q.Enqueue(t.Context(), jobs); err == nil {
		t.Fatal("Enqueue succeeded without an answer")
	}
	<-lost
	if err := q.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	leases, err := q.Receive(t.Context(), want(10))
	if err != nil || len(leases) != 3 {
		t.Fatalf("received %d jobs, %v; want 3", len(leases), err)
	}

	// The same when the jobs were delivered before Enqueue is repeated.
	if err := q.Ack(t.Context(), leases); err != nil {
		t.Fatal(err)
	}
	if err := q.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Ready != 0 {
		t.Errorf("%d jobs are ready, %v; want none", s.Ready, err)
	}
}

func TestReceiveWhoseAnswerIsLostReleasesTheJobs(t *testing.T) {
	t.Parallel()
	q, direct, proxy := behindProxy(t, redisqueue.Options{})
	warmUp(t, q)
	jobs := makeJobs("j", 5, 2)
	if err := direct.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	lost := proxy.LoseAnswer("evalsha")
	if leases, err := q.Receive(t.Context(), want(5)); err == nil {
		t.Fatalf("Receive returned %d jobs without an answer", len(leases))
	}
	<-lost
	if s, _ := direct.Stats(t.Context()); s.Leased != 5 {
		t.Fatalf("%d jobs are leased; want 5: the test shows nothing", s.Leased)
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
		if l.Attempts != 0 || !l.First.IsZero() {
			t.Errorf("%s: Attempts %d, First %v; a lost answer is no attempt", l.ID, l.Attempts, l.First)
		}
	}
}

// warmUp makes q learn Redis's clock.
func warmUp(t *testing.T, q *redisqueue.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _ = q.Receive(ctx, want(1))
}

func TestReceiveThatAPausedServerRunsTooLateLeasesNothing(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{})
	client := server.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	warmUp(t, q)
	if err := q.Enqueue(t.Context(), makeJobs("j", 3, 1)); err != nil {
		t.Fatal(err)
	}
	server.Pause()
	if leases, err := q.Receive(t.Context(), want(3)); err == nil {
		t.Fatalf("received %d jobs from a paused server", len(leases))
	}
	server.Resume() // and runs what was sent to it
	s, err := q.Stats(t.Context())
	if err != nil || s.Leased != 0 || s.Ready != 3 {
		t.Errorf("%d jobs are leased and %d ready, %v; want 0 and 3", s.Leased, s.Ready, err)
	}
}

func TestReceiveIsNotHeldUpByAPausedServer(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{})
	client := server.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	warmUp(t, q)
	server.Pause()
	t.Cleanup(server.Resume)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, err := q.Receive(ctx, want(1)); err == nil {
		t.Error("Receive succeeded")
	}
	if d := time.Since(begun); d > 1500*time.Millisecond {
		t.Errorf("Receive returned %v after its context had ended", d-100*time.Millisecond)
	}
	begun = time.Now()
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(begun); d > 6*time.Second {
		t.Errorf("Close took %v", d)
	}
}

func TestReadOnlyServer(t *testing.T) {
	t.Parallel()
	master := testredis.StartServer(t, testredis.Options{})
	server := testredis.StartServer(t, testredis.Options{})
	client := server.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	if err := q.Enqueue(t.Context(), makeJobs("before", 1, 1)); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(master.Addr, ":")
	if err := client.ReplicaOf(t.Context(), host, port).Err(); err != nil {
		t.Fatal(err)
	}
	if err := q.Enqueue(t.Context(), makeJobs("j", 1, 1)); err == nil {
		t.Error("Enqueue on a replica succeeded")
	}
	if err := client.ReplicaOf(t.Context(), "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	jobs := makeJobs("j", 1, 1)
	if err := persist(t.Context(), func() error { return q.Enqueue(t.Context(), jobs) }); err != nil {
		t.Fatal(err)
	}
	var in inbox
	start(t, func(ctx context.Context) { in.consume(ctx, q) })
	waitUntil(t, 5*time.Second, "the job is delivered", func() bool { return in.count() >= 1 })
}

func TestFullRedisIsWorkedOff(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{Args: []string{"--maxmemory", "6mb", "--maxmemory-policy", "noeviction"}})
	client := server.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	data := []byte(strings.Repeat("x", 10_000))
	taken := 0
	var refused error
	for refused == nil && taken < 2000 {
		jobs := makeJobs(time.Now().String(), 1, 1)
		jobs[0].Data = data
		jobs[0].ID = strings.ReplaceAll(jobs[0].ID, " ", "")
		if refused = q.Enqueue(t.Context(), jobs); refused == nil {
			taken++
		}
	}
	if !errors.Is(refused, queue.ErrFull) {
		t.Fatalf("Enqueue into a full Redis returned %v; want ErrFull", refused)
	}
	for taken > 0 {
		leases, err := q.Receive(t.Context(), want(10))
		if err != nil {
			t.Fatalf("with %d jobs left: %v", taken, err)
		}
		if err := q.Ack(t.Context(), leases); err != nil {
			t.Fatalf("with %d jobs left: %v", taken, err)
		}
		taken -= len(leases)
	}
}

// An at-most-once job that was given back without an answer is given back once: when that is
// repeated after another process has received the job, it stays that process's.
func TestPutBackWhoseAnswerIsLostIsDoneOnce(t *testing.T) {
	t.Parallel()
	for _, size := range []int{10, 5000} {
		q, direct, proxy := behindProxy(t, redisqueue.Options{AtMostOnce: true})
		mustEnqueue(t, q, largeJobs("j", 1, 1, size)...)
		// Redis has the script
		if err := q.Release(t.Context(), mustReceive(t, q, want(1), 1)); err != nil {
			t.Fatal(err)
		}
		first := mustReceive(t, q, want(1), 1)
		lost := proxy.LoseAnswer("evalsha")
		if err := q.Release(t.Context(), first); err == nil {
			t.Fatal("Release succeeded without an answer")
		}
		<-lost
		if err := q.Release(t.Context(), first); err != nil {
			t.Errorf("Release, repeated while the job is in the queue: %v", err)
		}
		if s := counts(t, direct); s.Ready != 1 {
			t.Fatalf("%d jobs are ready; want 1", s.Ready)
		}
		second := mustReceive(t, direct, want(1), 1)
		if err := q.Release(t.Context(), first); err != nil {
			t.Errorf("Release, repeated when another process has the job: %v", err)
		}
		if s := counts(t, direct); s.Ready != 0 {
			t.Errorf("%d jobs are ready; want none, since another process has the only one", s.Ready)
		}
		if err := direct.Release(t.Context(), second); err != nil {
			t.Errorf("Release by the other process: %v", err)
		}
		if s := counts(t, direct); s.Ready != 1 {
			t.Errorf("%d jobs are ready; want the one that the other process has given back", s.Ready)
		}
	}
}
