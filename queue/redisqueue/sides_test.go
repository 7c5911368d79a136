package redisqueue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// The partitions are asked side by side, so a Receive takes as long as with one of them.
func TestPartitionsAreAskedSideBySide(t *testing.T) {
	t.Parallel()
	const partitions, delay = 16, 50 * time.Millisecond
	q, _, proxy := behindProxy(t, redisqueue.Options{Partitions: partitions})
	fastest := time.Hour
	for round := range 6 { // the first one makes connections
		proxy.SetLink(testredis.Link{})
		mustEnqueue(t, q, makeJobs(fmt.Sprint("j", round), 100, 100)...)
		proxy.SetLink(testredis.Link{Delay: delay})
		begun := time.Now()
		var leases []queue.Lease
		for len(leases) < 100 {
			more, err := q.Receive(t.Context(), want(100))
			if err != nil {
				t.Fatal(err)
			}
			leases = append(leases, more...)
		}
		fastest = min(fastest, time.Since(begun))
		if err := q.Ack(t.Context(), leases); err != nil {
			t.Fatal(err)
		}
	}
	if fastest > partitions*delay { // half of what they take one after the other
		t.Errorf("100 jobs of %d partitions took %v at a round trip of %v", partitions, fastest, 2*delay)
	}
}

// What a Want allows holds for all partitions together, and is used up.
func TestLimitsHoldAcrossPartitions(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	for _, c := range []struct {
		name string
		want queue.Want
		n    int // how many jobs it is to bring
	}{
		{"more than there are partitions", queue.Want{Max: 40, MaxPerLane: 1, MaxUntried: 10, MaxFailing: 5}, 35},
		{"fewer than there are partitions", queue.Want{Max: 9, MaxPerLane: 1, MaxUntried: 3, MaxFailing: 2}, 9},
		{"one untried", queue.Want{Max: 50, MaxPerLane: 10, MaxUntried: 1}, 41},
		{"one failing", queue.Want{Max: 50, MaxPerLane: 10, MaxFailing: 1}, 41},
		{"one of each lane", queue.Want{Max: 150, MaxPerLane: 1, MaxUntried: 150, MaxFailing: 150}, 60},
		{"everything", queue.Want{Max: 200, MaxPerLane: 200, MaxUntried: 200, MaxFailing: 200}, 160},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := open(t, client, redisqueue.Options{Partitions: 16, Prefix: newPrefix()})
			var jobs []queue.Job
			for h := range 3 {
				for lane := range 20 {
					for k := range 3 {
						jobs = append(jobs, queue.Job{ID: fmt.Sprint(h, "-", lane, "-", k), Lane: fmt.Sprint(queue.Health(h), lane), Data: []byte("x")})
					}
				}
			}
			mustEnqueue(t, q, jobs...)
			setHealths(t, q)
			leases := mustReceive(t, q, c.want, c.n)
			got, lanes := [3]int{}, map[string]int{}
			for _, l := range leases {
				got[l.Health]++
				if lanes[l.Lane]++; lanes[l.Lane] > c.want.MaxPerLane {
					t.Errorf("%d jobs of lane %s; want %d at most", lanes[l.Lane], l.Lane, c.want.MaxPerLane)
				}
			}
			if got[0] > c.want.MaxUntried || got[2] > c.want.MaxFailing || len(leases) > c.want.Max {
				t.Errorf("received %v untried, healthy and failing; that is beyond %+v", got, c.want)
			}
		})
	}
}

// setHealths makes the lanes what their names say.
func setHealths(t *testing.T, q *redisqueue.Queue) {
	t.Helper()
	for lane := range 20 {
		u := queue.LaneUpdate{Lane: fmt.Sprint(queue.Failing, lane), Health: queue.Failing}
		if err := q.SetLane(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	var healthy []queue.Lease
	for len(healthy) < 20 {
		named := map[string]int{}
		for lane := range 20 {
			named[fmt.Sprint(queue.Untried, lane)] = 0
		}
		for _, l := range healthy {
			named[l.Lane] = 0
		}
		leases, err := q.Receive(t.Context(), queue.Want{Max: 20, MaxPerLane: 1, MaxUntried: 20, Lanes: named})
		if err != nil {
			t.Fatal(err)
		}
		healthy = append(healthy, leases...)
	}
	if err := q.Ack(t.Context(), healthy); err != nil {
		t.Fatal(err)
	}
}

// Ten idle nodes cost a server with 16 partitions few commands.
func TestIdleNodesAskSeldom(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	for range 10 {
		node := redis.NewClient(client.Options())
		t.Cleanup(func() { _ = node.Close() })
		q := open(t, node, redisqueue.Options{Partitions: 16})
		for range 2 { // as two pollers
			start(t, func(ctx context.Context) { _, _ = q.Receive(ctx, want(20)) })
		}
	}
	time.Sleep(2 * time.Second)
	before, begun := scripts(t, client), time.Now()
	time.Sleep(3 * time.Second)
	rate := float64(scripts(t, client)-before) / time.Since(begun).Seconds()
	t.Logf("%.0f commands a second", rate)
	if rate > 300 {
		t.Errorf("ten idle nodes ask %.0f times a second; want 300 at most", rate)
	}
}
