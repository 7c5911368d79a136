package redisqueue

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
)

// A take keeps to its budget of bytes, but takes one job at least. What exceeds it stays where it
// was: every job comes once, in the order of its lane, and the counts are right.
func TestTakeKeepsToItsBudget(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	for _, once := range []bool{false, true} {
		q, err := New(t.Context(), client, Options{AtMostOnce: once, Prefix: fmt.Sprint("once", once, ":")})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		var jobs []queue.Job
		for i := range 60 {
			size := []int{100, 20_000, 900, 150_000, 5_000, 60_000}[i%6]
			jobs = append(jobs, queue.Job{ID: fmt.Sprintf("%03d", i), Lane: fmt.Sprint("lane-", i/6%3), Data: bytes.Repeat([]byte("x"), size)})
		}
		if err := q.Enqueue(t.Context(), jobs); err != nil {
			t.Fatal(err)
		}
		last := make(map[string]string)
		for got := 0; got < len(jobs); {
			q.rate.mu.Lock()
			q.rate.value = minRate // so the budget is minBudget
			q.rate.mu.Unlock()
			leases, err := q.Receive(t.Context(), queue.Want{Max: 60, MaxPerLane: 60, MaxUntried: 60, MaxFailing: 60})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, l := range leases {
				n += len(l.Data)
				if l.ID <= last[l.Lane] {
					t.Errorf("%s came after %s", l.ID, last[l.Lane])
				}
				last[l.Lane] = l.ID
			}
			if n > minBudget && len(leases) > 1 {
				t.Errorf("%d jobs of %d bytes came; the budget is %d", len(leases), n, minBudget)
			}
			got += len(leases)
			if s, err := q.Stats(t.Context()); err != nil || s.Ready != len(jobs)-got {
				t.Fatalf("%d jobs are ready, %v; want %d", s.Ready, err, len(jobs)-got)
			}
		}
	}
}

// The rate falls at once and grows step by step, and calls that run side by side divide the budget.
func TestBudgetFollowsTheRate(t *testing.T) {
	t.Parallel()
	q, p := &Queue{opts: Options{}.withDefaults()}, &partition{}
	if got := q.budget(p, 1); got != firstRate {
		t.Errorf("the first budget is %d; want %d", got, firstRate)
	}
	q.rate.sample(400<<10, 2*time.Second)
	if got := q.budget(p, 1); got != 200<<10 {
		t.Errorf("after 200 KiB in a second it is %d; want %d", got, 200<<10)
	}
	if got := q.budget(p, 2); got != 100<<10 {
		t.Errorf("for each of two calls it is %d; want %d", got, 100<<10)
	}
	q.rate.sample(1<<30, time.Second)
	if got := q.budget(p, 1); got < 1<<20 || got > 2<<20 {
		t.Errorf("after a GiB in a second it is %d; want 8 times more than before", got)
	}
	q.rate.missed(64<<10, 2*time.Second)
	if got := q.budget(p, 1); got != minBudget {
		t.Errorf("after 64 KiB that did not come in two seconds it is %d; want %d", got, minBudget)
	}
	p.answered(time.Second)
	if got := p.timeout(); got != 8*time.Second {
		t.Errorf("at a round trip of a second the timeout is %v; want 8s", got)
	}
	p.slower()
	p.slower() // together with the other
	if got := p.timeout(); got != maxTimeout {
		t.Errorf("after calls that were not answered it is %v; want %v", got, maxTimeout)
	}
}
