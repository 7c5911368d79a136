package redisqueue_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

var heavy sync.Mutex

// alone keeps tests that stop servers, and whose time limits are short, from running beside each
// other.
func alone(t *testing.T) {
	t.Helper()
	heavy.Lock()
	t.Cleanup(heavy.Unlock)
}

func makeJobs(prefix string, n, lanes int) []queue.Job {
	jobs := make([]queue.Job, n)
	for i := range jobs {
		jobs[i] = queue.Job{
			ID:   fmt.Sprintf("%s-%d", prefix, i),
			Lane: "lane-" + strconv.Itoa(i%lanes),
			Data: []byte(`{"n":` + strconv.Itoa(i) + `}`),
		}
	}
	return jobs
}

func want(n int) queue.Want { return queue.Want{Max: n, MaxPerLane: n, MaxUntried: n, MaxFailing: n} }

// persist calls do until it succeeds, with a pause after every error, as an emitter does.
func persist(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// inbox collects what consumers receive and ack.
type inbox struct {
	mu     sync.Mutex
	acked  map[string]int
	copies int
}

// consume receives and acks until ctx ends, whatever fails on the way.
func (b *inbox) consume(ctx context.Context, q queue.Queue) {
	for ctx.Err() == nil {
		var leases []queue.Lease
		err := persist(ctx, func() (err error) {
			leases, err = q.Receive(ctx, want(20))
			return err
		})
		if err != nil {
			return
		}
		_ = persist(ctx, func() error {
			err := q.Ack(ctx, leases)
			leases = b.note(leases, err)
			if len(leases) == 0 {
				return nil
			}
			return err
		})
	}
}

// note notes what became of an Ack, and returns the leases to ack again.
func (b *inbox) note(leases []queue.Lease, err error) (again []queue.Lease) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.acked == nil {
		b.acked = make(map[string]int)
	}
	for i, l := range leases {
		lost := queue.ErrorOf(err, i)
		if lost != nil && !errors.Is(lost, queue.ErrLeaseLost) {
			again = append(again, l)
			continue
		}
		b.acked[l.ID]++
		if b.acked[l.ID] > 1 || lost != nil {
			b.copies++
		}
	}
	return again
}

func (b *inbox) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.acked)
}

// waitUntil asks until ok, or fails the test after d.
func waitUntil(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(d)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", d, what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// start runs do until the test's end.
func start(t *testing.T, do func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { do(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

// scripts returns how many scripts the server has run.
func scripts(t testing.TB, client redis.UniversalClient) int {
	t.Helper()
	info, err := client.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	return callsOf(info, "eval") + callsOf(info, "evalsha")
}

// callsOf reads from INFO commandstats how often a command was called.
func callsOf(info, command string) int {
	_, rest, _ := strings.Cut(info, "cmdstat_"+command+":calls=")
	n, _, _ := strings.Cut(rest, ",")
	calls, _ := strconv.Atoi(n) // none if the command is not listed
	return calls
}

func TestFault26EnqueueFailsForAWhile(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{})
	proxy := testredis.StartProxy(t, server.Addr)
	client := redis.NewClient(&redis.Options{Addr: proxy.Addr})
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	const batches, size = 100, 50
	outage := time.AfterFunc(20*time.Millisecond, func() {
		proxy.SetDown(true)
		time.AfterFunc(500*time.Millisecond, func() { proxy.SetDown(false) })
	})
	defer outage.Stop()
	failed := 0
	for i := range batches {
		jobs := makeJobs(strconv.Itoa(i), size, 10)
		_ = persist(t.Context(), func() error {
			err := q.Enqueue(t.Context(), jobs)
			if err != nil {
				failed++
			}
			return err
		})
	}
	if failed == 0 {
		t.Error("no Enqueue failed: the test shows nothing")
	}
	var in inbox
	start(t, func(ctx context.Context) { in.consume(ctx, q) })
	waitUntil(t, 20*time.Second, "all jobs are delivered", func() bool { return in.count() == batches*size })
	if in.copies > 0 {
		t.Errorf("%d jobs came more than once", in.copies)
	}
}

func TestFault27KilledAndRestarted(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{AppendOnly: true})
	client := server.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{Lease: time.Second})
	var in inbox
	start(t, func(ctx context.Context) { in.consume(ctx, q) })
	const batches, size = 200, 20
	for i := range batches {
		if i == batches/2 {
			server.Kill()
			time.AfterFunc(200*time.Millisecond, server.Start)
		}
		jobs := makeJobs(strconv.Itoa(i), size, 10)
		if err := persist(t.Context(), func() error { return q.Enqueue(t.Context(), jobs) }); err != nil {
			t.Fatal(err)
		}
	}
	waitUntil(t, 20*time.Second, "all jobs are delivered", func() bool { return in.count() == batches*size })
	if in.copies > 20 {
		t.Errorf("%d jobs came more than once; at most 20 were being attempted", in.copies)
	}
}

func TestFault28RestartedEmpty(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{})
	client := server.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{Partitions: 3})
	var in inbox
	start(t, func(ctx context.Context) { in.consume(ctx, q) })
	if err := q.Enqueue(t.Context(), makeJobs("before", 10, 3)); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, 5*time.Second, "jobs are delivered", func() bool { return in.count() == 10 })

	server.Kill()
	server.Start()
	jobs := makeJobs("after", 10, 3)
	if err := persist(t.Context(), func() error { return q.Enqueue(t.Context(), jobs) }); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, 5*time.Second, "jobs are delivered after the restart", func() bool { return in.count() == 20 })

	if _, err := redisqueue.New(t.Context(), client, redisqueue.Options{Partitions: 2}); err == nil {
		t.Error("the number of partitions was not stored again")
	}
	before := scripts(t, client)
	<-time.After(time.Second)
	if n := scripts(t, client) - before; n > 9 { // idle, each partition is looked at twice a second
		t.Errorf("%d scripts in an idle second: that is a hot loop", n)
	}
}

func TestFault28NoHotLoopWhileTheServerIsGone(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{})
	client := server.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{Partitions: 4})
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	n := 0
	_ = persist(ctx, func() error { // waits 50 ms after every error, as a caller must
		n++
		_, err := q.Receive(ctx, want(1))
		return err
	})
	if n > 11 {
		t.Errorf("Receive returned %d times in half a second", n)
	}
}

func TestFault29PausedServer(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{})
	newQueue := func() *redisqueue.Queue {
		client := redis.NewClient(&redis.Options{Addr: server.Addr, ReadTimeout: 500 * time.Millisecond})
		t.Cleanup(func() { _ = client.Close() })
		return open(t, client, redisqueue.Options{Lease: time.Second})
	}
	holder, other := newQueue(), newQueue()
	if err := holder.Enqueue(t.Context(), makeJobs("j", 10, 2)); err != nil {
		t.Fatal(err)
	}
	held, err := holder.Receive(t.Context(), want(10))
	if err != nil || len(held) != 10 {
		t.Fatalf("received %d jobs, %v", len(held), err)
	}

	server.Pause()
	time.AfterFunc(3*time.Second, server.Resume)
	var in inbox
	start(t, func(ctx context.Context) { in.consume(ctx, other) })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	if err := holder.Extend(ctx, held); err == nil {
		t.Error("Extend succeeded on a paused server")
	}
	cancel()

	waitUntil(t, 20*time.Second, "the other receiver has all jobs", func() bool { return in.count() == 10 })
	err = holder.Ack(t.Context(), held)
	for i := range held {
		if !errors.Is(queue.ErrorOf(err, i), queue.ErrLeaseLost) {
			t.Errorf("two winners of %s: the first holder's Ack returned %v", held[i].ID, queue.ErrorOf(err, i))
		}
	}
	if in.copies > 0 {
		t.Errorf("%d jobs came more than once to the other receiver", in.copies)
	}
}

func TestFault30MasterLost(t *testing.T) {
	t.Parallel()
	alone(t)
	cluster := testredis.StartCluster(t)
	client := cluster.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{Lease: time.Second, Prefix: "f30:"})
	var in inbox
	start(t, func(ctx context.Context) { in.consume(ctx, q) })
	if err := q.Enqueue(t.Context(), makeJobs("before", 1000, 100)); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, 10*time.Second, "jobs are delivered", func() bool { return in.count() == 1000 })

	// While a master hangs, the lanes of the others go on.
	master := cluster.Master(t, "f30:partitions")
	master.Pause()
	taken := enqueueOneByOne(t, q, makeJobs("paused", 100, 100), 1200*time.Millisecond)
	if taken < 30 || taken > 90 {
		t.Errorf("%d of 100 jobs were taken while a third of the lanes hung", taken)
	}
	waitUntil(t, 5*time.Second, "jobs of the other masters are delivered", func() bool { return in.count() >= 1000+taken })
	master.Resume()
	cluster.Settle(t)
	if err := persist(t.Context(), func() error { return q.Enqueue(t.Context(), makeJobs("paused", 100, 100)) }); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, 10*time.Second, "all are delivered", func() bool { return in.count() == 1100 })

	// When a master is killed, its replica takes over.
	cluster.Master(t, "f30:partitions").Kill()
	killed := time.Now()
	if err := persist(t.Context(), func() error { return q.Enqueue(t.Context(), makeJobs("after", 1000, 100)) }); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, 10*time.Second, "all jobs are delivered", func() bool { return in.count() == 2100 })
	t.Logf("delivered everything %v after the kill, %d copies in all", time.Since(killed), in.copies)
}

// enqueueOneByOne enqueues each job by a call of its own, at the same time, and returns how many
// were taken within d.
func enqueueOneByOne(t *testing.T, q queue.Queue, jobs []queue.Job, d time.Duration) int {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var taken atomic.Int64
	var calls sync.WaitGroup
	for i := range jobs {
		calls.Go(func() {
			if q.Enqueue(ctx, jobs[i:i+1]) == nil {
				taken.Add(1)
			}
		})
	}
	calls.Wait()
	return int(taken.Load())
}

func TestFault31LeaseRenewedAndLost(t *testing.T) {
	t.Parallel()
	alone(t)
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{Lease: time.Second})
	if err := q.Enqueue(t.Context(), makeJobs("j", 1, 1)); err != nil {
		t.Fatal(err)
	}
	first, err := q.Receive(t.Context(), want(1))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // twice the lease
		<-time.After(400 * time.Millisecond)
		if err := q.Extend(t.Context(), first); err != nil {
			t.Fatalf("Extend: %v", err)
		}
	}
	second, err := q.Receive(t.Context(), want(1)) // when the lease has ended
	if err != nil {
		t.Fatal(err)
	}
	if second[0].Attempts != 1 || second[0].First.IsZero() {
		t.Errorf("after a lease that ended: Attempts %d, First %v", second[0].Attempts, second[0].First)
	}
	if err := q.Ack(t.Context(), first); !errors.Is(err, queue.ErrLeaseLost) {
		t.Errorf("a late Ack returned %v; want ErrLeaseLost", err)
	}
	if err := q.Ack(t.Context(), second); err != nil {
		t.Errorf("Ack: %v", err)
	}
}
