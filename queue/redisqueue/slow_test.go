package redisqueue_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// largeJobs makes jobs of size bytes.
func largeJobs(prefix string, n, lanes, size int) []queue.Job {
	jobs := makeJobs(prefix, n, lanes)
	for i := range jobs {
		jobs[i].Data = bytes.Repeat([]byte{byte('a' + i%26)}, size)
	}
	return jobs
}

// A backlog crosses a slow link once: nothing is read in vain, or again.
func TestBacklogCrossesASlowLink(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name             string
		link             testredis.Link
		partitions, want int
		jobs, size       int
	}{
		{"2 MiB a second", testredis.Link{BytesPerSecond: 2 << 20}, 1, 40, 40, 190 << 10},
		{"2 MiB a second, 4 partitions", testredis.Link{BytesPerSecond: 2 << 20}, 4, 40, 40, 190 << 10},
		{"2 MiB a second, 60 ms", testredis.Link{BytesPerSecond: 2 << 20, Delay: 30 * time.Millisecond}, 1, 40, 40, 190 << 10},
		{"100 Mbit a second", testredis.Link{BytesPerSecond: 100e6 / 8}, 1, 200, 200, 190 << 10},
		{"256 KiB a second, small jobs", testredis.Link{BytesPerSecond: 256 << 10}, 1, 2000, 2000, 1000},
		{"260 ms, 2 partitions", testredis.Link{Delay: 130 * time.Millisecond}, 2, 40, 5, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			q, direct, proxy := behindProxy(t, redisqueue.Options{Partitions: c.partitions})
			mustEnqueue(t, direct, largeJobs("j", c.jobs, 10, c.size)...)
			proxy.SetLink(c.link)
			begun, before := time.Now(), proxy.Received()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for got := 0; got < c.jobs; {
				var leases []queue.Lease
				// what is asked for at first may be too much
				err := persist(ctx, func() (err error) {
					leases, err = q.Receive(ctx, want(c.want))
					return err
				})
				if err != nil {
					t.Fatalf("with %d of %d jobs: %v", got, c.jobs, err)
				}
				for _, l := range leases {
					if len(l.Data) != c.size || l.Attempts != 0 {
						t.Fatalf("%s came with %d bytes and %d attempts; want %d and 0", l.ID, len(l.Data), l.Attempts, c.size)
					}
				}
				if err := q.Ack(ctx, leases); err != nil {
					t.Fatal(err)
				}
				got += len(leases)
			}
			elapsed, came, data := time.Since(begun), proxy.Received()-before, int64(c.jobs*c.size)
			t.Logf("%v for %d bytes of data: %.0f %% of the link", elapsed, data,
				100*float64(data)/float64(max(1, c.link.BytesPerSecond))/elapsed.Seconds())
			if data > 1<<20 && came > data+data/5+1<<20 {
				t.Errorf("%d bytes came for %d bytes of data: some were read in vain", came, data)
			}
		})
	}
}

// An Enqueue that takes longer than its context, or than the client's timeouts, is not repeated for
// ever: what was taken is not offered again, and what is too large for the client's timeouts gets
// longer ones.
func TestEnqueueOverASlowLinkEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		rate       int // bytes per second
		jobs, size int
		wait       time.Duration
		client     time.Duration
	}{
		{"longer than its context", 400 << 10, 20, 60 << 10, time.Second, 0},
		{"longer than the client's timeouts", 64 << 10, 2, 100 << 10, 30 * time.Second, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := testredis.StartServer(t, testredis.Options{})
			proxy := testredis.StartProxy(t, server.Addr)
			opts := &redis.Options{Addr: proxy.Addr, ContextTimeoutEnabled: true, ReadTimeout: c.client}
			client := redis.NewClient(opts)
			defer client.Close()
			q := open(t, client, redisqueue.Options{})
			jobs := largeJobs("j", c.jobs, 3, c.size)
			mustEnqueue(t, q, makeJobs("small", 1, 1)...)
			proxy.SetLink(testredis.Link{BytesPerSecond: c.rate})
			tries := 0
			for left := jobs; len(left) > 0; tries++ {
				if tries > 20 {
					t.Fatalf("%d of %d jobs are left after %d tries", len(left), len(jobs), tries)
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.wait)
				err := q.Enqueue(ctx, left)
				cancel()
				var again []queue.Job
				for i := range left {
					if queue.ErrorOf(err, i) != nil {
						again = append(again, left[i])
					}
				}
				left = again
			}
			t.Logf("%d tries, %d bytes sent for %d of data", tries, proxy.Sent(), c.jobs*c.size)
			if s := counts(t, q); s.Ready != c.jobs+1 {
				t.Errorf("%d jobs are ready; want %d", s.Ready, c.jobs+1)
			}
		})
	}
}

// Renewals and acks do not wait until a backlog has come, even where there is only one connection.
func TestLeasesAreRenewedWhileABacklogComes(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	proxy := testredis.StartProxy(t, server.Addr)
	direct, client := server.Client(), redis.NewClient(&redis.Options{Addr: proxy.Addr, PoolSize: 1})
	defer direct.Close()
	defer client.Close()
	q := open(t, client, redisqueue.Options{Lease: 6 * time.Second})
	mustEnqueue(t, q, makeJobs("held", 10, 1)...)
	held := mustReceive(t, q, want(10), 10)
	mustEnqueue(t, open(t, direct, redisqueue.Options{}), largeJobs("j", 100, 10, 190<<10)...)
	proxy.SetLink(testredis.Link{BytesPerSecond: 2 << 20})
	var in inbox
	start(t, func(ctx context.Context) { in.consume(ctx, q) })
	for begun := time.Now(); in.count() < 100; {
		if time.Since(begun) > time.Minute {
			t.Fatalf("%d of 100 jobs came in a minute", in.count())
		}
		if err := q.Extend(t.Context(), held); err != nil {
			t.Fatalf("Extend after %v: %v", time.Since(begun), err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	if err := q.Ack(t.Context(), held); err != nil {
		t.Error(err)
	}
	if in.copies > 0 {
		t.Errorf("%d jobs came more than once", in.copies)
	}
}

// The same on a cluster all of whose masters are behind slow links, with a client whose timeouts
// are shorter than what one job takes.
func TestClusterBehindSlowLinks(t *testing.T) {
	t.Parallel()
	cluster := testredis.SharedCluster(t)
	direct := cluster.Client()
	defer direct.Close()
	client, proxies := cluster.Behind(t, func(o *redis.ClusterOptions) { o.ReadTimeout = time.Second })
	defer client.Close()
	opts := redisqueue.Options{Prefix: newPrefix()}
	q := open(t, client, opts)
	mustEnqueue(t, open(t, direct, opts), largeJobs("j", 8, 8, 190<<10)...)
	for _, p := range proxies {
		p.SetLink(testredis.Link{BytesPerSecond: 150 << 10, Delay: 20 * time.Millisecond})
	}
	var in inbox
	start(t, func(ctx context.Context) { in.consume(ctx, q) })
	more := largeJobs("k", 2, 2, 190<<10)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := persist(ctx, func() error { return q.Enqueue(ctx, more) }); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, 2*time.Minute, "all jobs are delivered", func() bool { return in.count() == 10 })
	if in.copies > 0 {
		t.Errorf("%d jobs came more than once", in.copies)
	}
}
