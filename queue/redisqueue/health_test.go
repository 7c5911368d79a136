package redisqueue_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// two opens two handles on one store.
func two(t *testing.T, opts redisqueue.Options) (a, b *redisqueue.Queue) {
	t.Helper()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	t.Cleanup(func() { _ = client.Close() })
	return open(t, client, opts), open(t, client, opts)
}

func mustEnqueue(t *testing.T, q queue.Queue, jobs ...queue.Job) {
	t.Helper()
	if err := q.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
}

// mustReceive receives n jobs by one call.
func mustReceive(t *testing.T, q queue.Queue, w queue.Want, n int) []queue.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	leases, err := q.Receive(ctx, w)
	if err != nil || len(leases) != n {
		t.Fatalf("received %d jobs, %v; want %d", len(leases), err, n)
	}
	return leases
}

// nothing checks that a Receive returns nothing for a while.
func nothing(t *testing.T, q queue.Queue, w queue.Want, why string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	if leases, err := q.Receive(ctx, w); err == nil {
		t.Fatalf("received %d jobs, such as %+v: %s", len(leases), leases[0], why)
	}
}

// info returns the state of a lane.
func info(t *testing.T, q *redisqueue.Queue, lane string) queue.LaneInfo {
	t.Helper()
	list, err := q.Lanes(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if i.Lane == lane {
			return i
		}
	}
	return queue.LaneInfo{}
}

func hold(lane string, d time.Duration, since queue.Lease) queue.LaneUpdate {
	return queue.LaneUpdate{Lane: lane, Health: queue.Failing, Hold: d, Since: since, Reason: "status 500"}
}

func TestLaneStateIsSharedByHandles(t *testing.T) {
	t.Parallel()
	a, b := two(t, redisqueue.Options{Lease: 2 * time.Second})
	mustEnqueue(t, a, makeJobs("j", 5, 1)...)
	first := mustReceive(t, a, want(1), 1)
	if first[0].Health != queue.Untried || first[0].Probe || first[0].Age > time.Second {
		t.Errorf("first lease: %+v; want an untried lane, no probe, a small age", first[0])
	}
	if err := b.Ack(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	second := mustReceive(t, b, want(1), 1)
	if second[0].Health != queue.Healthy {
		t.Errorf("after an Ack the lane is %v; want healthy", second[0].Health)
	}
	// H4: the Ack came after this lease.
	if err := a.SetLane(t.Context(), hold("lane-0", time.Second, first[0])); err != nil {
		t.Errorf("SetLane with the acked lease itself: %v; want nil", err)
	}
	nothing(t, b, want(1), "the lane is held")
	if i := info(t, b, "lane-0"); i.Health != queue.Failing || i.Holds != 1 || i.Reason != "status 500" || i.HeldUntil.IsZero() ||
		i.Ready != 3 || i.Leased != 1 {
		t.Errorf("listed: %+v; want failing, held once, 3 ready, 1 leased", i)
	}
	// H3: leased before the hold began.
	if err := b.SetLane(t.Context(), hold("lane-0", time.Minute, second[0])); err != nil {
		t.Fatal(err)
	}
	probe := mustReceive(t, b, want(5), 1)
	if !probe[0].Probe || probe[0].Holds != 1 || probe[0].Health != queue.Failing {
		t.Fatalf("received %+v; want a probe after one hold", probe[0])
	}
	nothing(t, a, want(5), "there is a probe already")
	if err := b.Nack(t.Context(), []queue.Nack{{Lease: probe[0], Delay: 100 * time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	probe = mustReceive(t, a, want(5), 1)
	if !probe[0].Probe {
		t.Fatalf("received %+v; want a probe again", probe[0])
	}
	if err := a.Ack(t.Context(), probe); err != nil {
		t.Fatal(err)
	}
	left := mustReceive(t, b, want(5), 2)
	for _, l := range left {
		if l.Health != queue.Healthy || l.Probe || l.Holds != 0 {
			t.Errorf("after the probe's Ack: %+v", l)
		}
	}
	if err := a.SetLane(t.Context(), hold("lane-0", time.Minute, second[0])); !errors.Is(err, queue.ErrLaneHealthy) {
		t.Errorf("SetLane after a later lease was acked: %v; want ErrLaneHealthy", err)
	}
}
