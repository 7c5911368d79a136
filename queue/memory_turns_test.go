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

// With room for one cold job at a time, every lane gets its turn, although warm lanes are in the same ring.
func TestMemoryTakesTurnsBetweenColdLanes(t *testing.T) {
	t.Parallel()
	const lanes = 50
	m := newMemory(t, queue.MemoryOptions{})
	for i := range lanes {
		enqueue(t, m, jobs(fmt.Sprint("cold", i), 3)...)
	}
	enqueue(t, m, jobs("warm", 3*lanes)...)
	w := queue.Want{Jobs: 3, Lane: 3, Cold: 1, Lanes: map[string]queue.Limit{"warm": {Jobs: 2, Warm: true}}}
	seen := make(map[string]int)
	for range lanes {
		for _, l := range receive(t, m, w) {
			seen[l.Lane]++
		}
	}
	for i := range lanes {
		if n := seen[fmt.Sprint("cold", i)]; n != 1 {
			t.Errorf("lane cold%d had %d turns of %d, want 1", i, n, lanes)
		}
	}
	if n := seen["warm"]; n != 2*lanes {
		t.Errorf("the warm lane gave %d jobs, want %d", n, 2*lanes)
	}
}

func TestMemoryFindsWarmLanesBehindColdOnes(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	for i := range 1000 {
		enqueue(t, m, jobs(fmt.Sprint("cold", i), 1)...)
	}
	enqueue(t, m, jobs("x", 3)...)
	enqueue(t, m, jobs("y", 3)...)
	w := queue.Want{Jobs: 9, Lane: 9, Lanes: map[string]queue.Limit{"x": {Jobs: 2, Warm: true}, "y": {Jobs: 9, Warm: true}, "none": {Jobs: 1, Warm: true}}}
	if got := receiveIDs(t, m, w); len(got) != 5 {
		t.Errorf("received %v, want two of x and three of y", got)
	}
}

// skipping wants anything but the lanes of the crowd.
func skipping(t *testing.T, m *queue.Memory, crowd int) queue.Want {
	t.Helper()
	w := all(10)
	w.Lanes = make(map[string]queue.Limit)
	for i := range crowd {
		lane := fmt.Sprint("skipped", i)
		enqueue(t, m, jobs(lane, 1)...)
		w.Lanes[lane] = queue.Limit{}
	}
	return w
}

func TestMemoryFindsALaneAmongSkippedOnes(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	w := skipping(t, m, 1000)
	for i := range 3 {
		enqueue(t, m, queue.Job{ID: fmt.Sprint("healthy", i), Lane: "healthy"})
		equal(t, "received", receiveIDs(t, m, w), []string{fmt.Sprint("healthy", i)})
	}
}

func TestMemoryNoticesThatALaneIsNoLongerSkipped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, queue.MemoryOptions{})
		w := skipping(t, m, 10_000)
		if got := receive(t, m, w); len(got) > 0 {
			t.Fatalf("received %v of skipped lanes", got)
		}
		for i := range 10 {
			lane := fmt.Sprint("skipped", 7919*(i+1)%10_000)
			delete(w.Lanes, lane)
			start := time.Now()
			equal(t, "received", receiveIDs(t, m, w), []string{lane + "-0"})
			if took := time.Since(start); took > 40*time.Millisecond {
				t.Errorf("it took %v to notice that one of 10,000 lanes is wanted again, want at most 40ms", took)
			}
		}
	})
}

// A backlog that is always ready does not keep lanes from coming back.
func TestMemoryGivesTurnsToLanesThatAreNoLongerSkipped(t *testing.T) {
	t.Parallel()
	const crowd = 100
	m := newMemory(t, queue.MemoryOptions{})
	w := skipping(t, m, crowd)
	enqueue(t, m, jobs("backlog", 1000)...)
	if got := receiveIDs(t, m, w); len(got) != 10 {
		t.Fatalf("received %v, want ten jobs of the backlog", got)
	}
	seen := make(map[string]bool)
	for range 2 * crowd {
		for _, l := range receive(t, m, all(1)) {
			seen[l.Lane] = true
		}
	}
	if len(seen) != crowd+1 {
		t.Errorf("%d of %d lanes had a turn in %d", len(seen), crowd+1, 2*crowd)
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
			return queue.Want{Jobs: 5, Cold: 5, Lanes: map[string]queue.Limit{lane: {Jobs: 5}}}
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
