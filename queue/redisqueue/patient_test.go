package redisqueue_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// A Receive whose caller goes away while Redis answers says nothing of Redis. What it brings is
// returned by the next one, or given back if there is none.
func TestReceiveThatIsEndedIsNoFailure(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		q, _, proxy := behindProxy(t, redisqueue.Options{Partitions: partitions})
		warmUp(t, q)
		mustEnqueue(t, q, makeJobs("j", 6, 6)...)
		proxy.SetLink(testredis.Link{Delay: 500 * time.Millisecond})
		for i := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			if leases, err := q.Receive(ctx, want(6)); err == nil {
				t.Fatalf("call %d: received %d jobs; want none yet: the test shows nothing", i, len(leases))
			}
			cancel()
		}
		got := 0
		for got < 6 {
			leases, err := q.Receive(t.Context(), want(6))
			if err != nil {
				t.Fatalf("%d partitions: with %d of 6 jobs: %v", partitions, got, err)
			}
			for _, l := range leases {
				if l.Attempts != 0 || !l.First.IsZero() {
					t.Errorf("%s: Attempts %d, First %v", l.ID, l.Attempts, l.First)
				}
			}
			got += len(leases)
		}
	}
}

func TestReceiveThatIsEndedGivesBackWhatComesLate(t *testing.T) {
	t.Parallel()
	q, direct, proxy := behindProxy(t, redisqueue.Options{})
	warmUp(t, q)
	mustEnqueue(t, q, makeJobs("j", 6, 6)...)
	proxy.SetLink(testredis.Link{Delay: 500 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if leases, err := q.Receive(ctx, want(6)); err == nil {
		t.Fatalf("received %d jobs; want none yet: the test shows nothing", len(leases))
	}
	waitUntil(t, 30*time.Second, "the jobs are leased", func() bool { return counts(t, direct).Leased == 6 })
	waitUntil(t, 30*time.Second, "the jobs are given back", func() bool { return counts(t, direct).Ready == 6 })
	for _, l := range mustReceive(t, direct, want(6), 6) {
		if l.Attempts != 0 || !l.First.IsZero() {
			t.Errorf("%s: Attempts %d, First %v", l.ID, l.Attempts, l.First)
		}
	}
}

func counts(t *testing.T, q *redisqueue.Queue) queue.Stats {
	t.Helper()
	s, err := q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// When the connection breaks while data is read, the jobs whose data has come are returned, and the
// others given back.
func TestReceiveKeepsTheDataThatHasCome(t *testing.T) {
	t.Parallel()
	const jobs, size = 10, 50 << 10
	q, direct, proxy := behindProxy(t, redisqueue.Options{})
	proxy.SetLink(testredis.Link{BytesPerSecond: 2 << 20})
	take := func(prefix string, cut bool) {
		all := largeJobs(prefix, jobs, 1, size)
		mustEnqueue(t, direct, all...)
		var got []queue.Lease
		if cut {
			lost := proxy.CutAnswer(all[jobs-1].ID, size/2)
			leases, err := q.Receive(t.Context(), want(jobs))
			if err != nil || len(leases) == 0 || len(leases) == jobs {
				t.Errorf("received %d of %d jobs, %v; want some", len(leases), jobs, err)
			}
			<-lost
			got = leases
			waitUntil(t, 30*time.Second, "the other jobs are given back", func() bool {
				s := counts(t, direct)
				return s.Ready == jobs-len(leases) && s.Leased == len(leases)
			})
		}
		for len(got) < jobs {
			leases, err := q.Receive(t.Context(), want(jobs))
			if err != nil {
				t.Fatalf("with %d of %d jobs: %v", len(got), jobs, err)
			}
			got = append(got, leases...)
		}
		for _, l := range got {
			if len(l.Data) != size || l.Attempts != 0 || !l.First.IsZero() {
				t.Errorf("%s: %d bytes, Attempts %d, First %v", l.ID, len(l.Data), l.Attempts, l.First)
			}
		}
		if err := q.Ack(t.Context(), got); err != nil {
			t.Fatal(err)
		}
	}
	take("whole", false) // measures the link
	take("cut", true)
}

// A server that hangs is noticed even by a client that has no timeouts of its own, and what it does
// afterwards leases nothing for ever.
func TestReceiveFromAServerThatHangsWithoutTimeouts(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{})
	direct, client := server.Client(), redis.NewClient(&redis.Options{Addr: server.Addr, ReadTimeout: -1, WriteTimeout: -1})
	defer direct.Close()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	warmUp(t, q)
	mustEnqueue(t, q, makeJobs("j", 5, 2)...)
	server.Pause()
	resumed := false
	defer func() {
		if !resumed {
			server.Resume()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if leases, err := q.Receive(ctx, want(5)); err == nil || ctx.Err() != nil {
		t.Fatalf("received %d jobs, %v; want an error before the context ends", len(leases), err)
	}
	resumed = true
	server.Resume()
	got := 0
	for got < 5 {
		var leases []queue.Lease
		err := persist(ctx, func() (err error) {
			leases, err = q.Receive(ctx, want(5))
			return err
		})
		if err != nil {
			t.Fatalf("with %d of 5 jobs: %v", got, err)
		}
		for _, l := range leases {
			if l.Attempts != 0 {
				t.Errorf("%s has %d attempts; want none", l.ID, l.Attempts)
			}
		}
		got += len(leases)
	}
}
