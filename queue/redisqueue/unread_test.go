package redisqueue

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
)

// Jobs whose data is missing go back, and the call says so. When the data is there again they are
// received, as if nothing had been.
func TestJobsWithoutTheirDataGoBack(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q, err := New(t.Context(), client, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	jobs := []queue.Job{
		{ID: "large", Lane: "a", Data: []byte(strings.Repeat("x", 2000))},
		{ID: "small", Lane: "b", Data: []byte("x")},
		{ID: "empty", Lane: "c"},
		{ID: "whole", Lane: "d", Data: []byte("x")},
	}
	if err := q.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
	p := q.parts[0]
	for key, id := range map[string]string{p.large(): "large", p.base + "jobs": "small"} {
		if err := client.HDel(t.Context(), key, id).Err(); err != nil {
			t.Fatal(err)
		}
	}
	w := queue.Want{Max: 10, MaxPerLane: 10, MaxUntried: 10, MaxFailing: 10}
	leases, err := q.Receive(t.Context(), w)
	if err != nil || len(leases) != 2 {
		t.Fatalf("received %v, %v; want the two jobs that have their data", leases, err)
	}
	if err := q.Ack(t.Context(), leases); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if leases, err := q.Receive(ctx, w); !errors.Is(err, errNoData) || !strings.Contains(err.Error(), "receive from partition 0") {
		t.Errorf("received %v, %v; want an error about missing data", leases, err)
	}
	if s, err := q.Stats(ctx); err != nil || s.Dead != 0 || s.Ready+s.Delayed != 2 {
		t.Errorf("the statistics are %+v, %v; want the two jobs", s, err)
	}
	for key, j := range map[string]queue.Job{p.large(): jobs[0], p.base + "jobs": jobs[1]} {
		if err := client.HSet(ctx, key, j.ID, j.Data).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for left := 2; left > 0; {
		leases, err := q.Receive(ctx, w)
		if err != nil && !errors.Is(err, errNoData) {
			t.Fatal(err)
		}
		for _, l := range leases {
			if len(l.Data) == 0 || l.Attempts != 0 || !l.First.IsZero() {
				t.Errorf("%s came with %d bytes, %d attempts, First %v", l.ID, len(l.Data), l.Attempts, l.First)
			}
		}
		left -= len(leases)
	}
}

// A job whose data stays missing is given to the caller after an hour, who gives it up.
func TestOldJobWithoutItsDataIsReceived(t *testing.T) {
	t.Parallel()
	q := &Queue{}
	old := queue.Lease{
		Job: queue.Job{ID: "j"}, Age: 2 * unreadAge,
		Receipt: "L" + strings.Repeat("t", tokenSize) + timeText(1) + timeText(1) + sizeText(5) + "-",
	}
	if !isUnread(old) {
		t.Fatal("the lease has its data: the test shows nothing")
	}
	if leases := q.withData(&partition{}, []queue.Lease{old}); len(leases) != 1 {
		t.Errorf("got %v", leases)
	}
	if err := q.unreadError(); err != nil {
		t.Error(err)
	}
}
