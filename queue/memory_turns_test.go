package queue_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestMemoryTakesOneOfEachLaneInTurn(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	for _, lane := range []string{"a", "b", "c"} {
		enqueue(t, m, jobs(lane, 3)...)
	}
	equal(t, "the first four", receiveIDs(t, m, all(4)), []string{"a-0", "b-0", "c-0", "a-1"})
	equal(t, "the next three", receiveIDs(t, m, all(3)), []string{"b-1", "c-1", "a-2"})
}

// healthy makes lanes Healthy.
func healthy(t *testing.T, m *queue.Memory, names ...string) {
	t.Helper()
	for _, lane := range names {
		enqueue(t, m, queue.Job{ID: "first-of-" + lane, Lane: lane})
	}
	if err := m.Ack(t.Context(), receive(t, m, all(len(names)))); err != nil {
		t.Fatal(err)
	}
}

// With room for one job of the untried lanes at a time, each of them gets its turn beside a healthy
// lane's backlog.
func TestMemoryTakesTurnsBetweenUntriedLanes(t *testing.T) {
	t.Parallel()
	const crowd = 50
	m := newMemory(t, queue.MemoryOptions{})
	healthy(t, m, "healthy")
	for i := range crowd {
		enqueue(t, m, jobs(fmt.Sprint("untried", i), 3)...)
	}
	enqueue(t, m, jobs("healthy", 3*crowd)...)
	w := queue.Want{Max: 3, MaxPerLane: 2, MaxUntried: 1}
	seen := make(map[string]int)
	for range crowd {
		for _, l := range receive(t, m, w) {
			seen[l.Lane]++
		}
	}
	for i := range crowd {
		if n := seen[fmt.Sprint("untried", i)]; n != 1 {
			t.Errorf("lane untried%d had %d turns of %d, want 1", i, n, crowd)
		}
	}
	if n := seen["healthy"]; n != 2*crowd {
		t.Errorf("the healthy lane gave %d jobs, want %d", n, 2*crowd)
	}
}

// Receives for a single job serve each kind of lane in turn, however many lanes of another kind
// there are.
func TestMemoryServesTheRingsInTurn(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	healthy(t, m, "healthy")
	enqueue(t, m, jobs("healthy", 20)...)
	for i := range 100 {
		enqueue(t, m, jobs(fmt.Sprint("untried", i), 3)...)
	}
	enqueue(t, m, jobs("failing", 20)...)
	if err := m.SetLane(t.Context(), queue.LaneUpdate{Lane: "failing", Health: queue.Failing}); err != nil {
		t.Fatal(err)
	}
	seen := make(map[queue.Health]int)
	for range 12 {
		seen[receive(t, m, all(1))[0].Health]++
	}
	for h := range queue.Failing + 1 {
		if seen[h] < 3 {
			t.Errorf("of 12 Receives, %d returned a job of a lane that is %v; want at least 3", seen[h], h)
		}
	}
}

func TestMemoryFindsALaneBehindSkippedOnes(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	w := all(10)
	w.Lanes = make(map[string]int)
	for i := range queue.MaxNamed {
		lane := fmt.Sprint("skipped", i)
		enqueue(t, m, jobs(lane, 1)...)
		w.Lanes[lane] = 0
	}
	for i := range 3 {
		enqueue(t, m, queue.Job{ID: fmt.Sprint("wanted", i), Lane: "wanted"})
		equal(t, "received", receiveIDs(t, m, w), []string{fmt.Sprint("wanted", i)})
	}
}

// waiting starts a Receive and tells what came of it, and when.
func waiting(t *testing.T, m *queue.Memory, w queue.Want) func() (ids []string, after time.Duration) {
	type answer struct {
		ids   []string
		after time.Duration
	}
	done := make(chan answer, 1)
	start := time.Now()
	go func() {
		leases, _ := m.Receive(t.Context(), w)
		var a answer
		for _, l := range leases {
			a.ids = append(a.ids, l.ID)
		}
		a.after = time.Since(start)
		done <- a
	}()
	synctest.Wait()
	return func() ([]string, time.Duration) {
		a := <-done
		return a.ids, a.after
	}
}

func TestMemoryWakesTheReceiveThatWantsTheLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, queue.MemoryOptions{})
		only := func(lane string) queue.Want {
			w := all(5)
			w.Lanes = map[string]int{"a": 0, "b": 0}
			delete(w.Lanes, lane)
			return w
		}
		a, b := waiting(t, m, only("a")), waiting(t, m, only("b"))
		enqueue(t, m, jobs("b", 1)...)
		if ids, after := b(); len(ids) != 1 || after != 0 {
			t.Errorf("the Receive for lane b returned %v after %v, want b-0 at once", ids, after)
		}
		enqueue(t, m, jobs("a", 1)...)
		if ids, after := a(); len(ids) != 1 || after != 0 {
			t.Errorf("the Receive for lane a returned %v after %v, want a-0 at once", ids, after)
		}
	})
}

func TestMemoryWakesOneReceiveForEachJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, queue.MemoryOptions{})
		first, second := waiting(t, m, all(1)), waiting(t, m, all(1))
		enqueue(t, m, jobs("a", 2)...)
		for _, answer := range []func() ([]string, time.Duration){first, second} {
			if ids, after := answer(); len(ids) != 1 || after != 0 {
				t.Errorf("a Receive returned %v after %v, want one job at once", ids, after)
			}
		}
	})
}

// The state of lanes without jobs is kept for a day.
func TestMemoryForgetsALaneAfterADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, queue.MemoryOptions{})
		healthy(t, m, "a")
		time.Sleep(24*time.Hour - 1) // virtual
		enqueue(t, m, jobs("a", 1)...)
		l := receive(t, m, all(1))
		if l[0].Health != queue.Healthy {
			t.Errorf("after less than a day the lane is %v, want healthy", l[0].Health)
		}
		if err := m.Ack(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		enqueue(t, m, queue.Job{ID: "next", Lane: "a"})
		if l := receive(t, m, all(1)); l[0].Health != queue.Untried {
			t.Errorf("after a day the lane is %v, want untried", l[0].Health)
		}
	})
}

func TestMemoryWakesForTheEarliestOfDelaysAndLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, queue.MemoryOptions{})
		enqueue(t, m, jobs("a", 3)...)
		leases := receive(t, m, all(3)) // the third ends after 30 seconds
		answer := waiting(t, m, all(3))
		for i, delay := range []time.Duration{20 * time.Second, 10 * time.Second} {
			if err := m.Nack(t.Context(), []queue.Nack{{Lease: leases[i], Delay: delay}}); err != nil {
				t.Fatal(err)
			}
		}
		for i, id := range []string{"a-1", "a-0", "a-2"} {
			ids, _ := answer()
			equal(t, "received", ids, []string{id})
			if at := leases[0].Until.Add(-30 * time.Second).Add(time.Duration(i+1) * 10 * time.Second); !time.Now().Equal(at) {
				t.Errorf("%s came %v too late", id, time.Since(at))
			}
			answer = waiting(t, m, all(3))
		}
		_ = m.Close()
		answer()
	})
}

// A Receive that is cancelled in the moment it is woken leaves the job to another one that waits.
func TestMemoryPassesOnAWakeThatIsNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for i := range 50 {
			m := newMemory(t, queue.MemoryOptions{})
			ctx, cancel := context.WithCancel(t.Context())
			taken := make(chan int, 1)
			go func() {
				leases, _ := m.Receive(ctx, all(1))
				taken <- len(leases)
			}()
			synctest.Wait()
			answer := waiting(t, m, all(1))
			if i%2 == 0 {
				cancel()
			} else {
				go cancel()
			}
			enqueue(t, m, jobs("a", 1)...)
			if n := <-taken; n > 0 {
				enqueue(t, m, jobs("b", 1)...)
			}
			if ids, after := answer(); len(ids) != 1 || after != 0 {
				t.Fatalf("round %d: the other Receive returned %v after %v, want a job at once", i, ids, after)
			}
		}
	})
}
