package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/internal/limits"
	"github.com/pushhooks/webhook/queue"
)

// newMemory makes a queue that is closed with the test.
func newMemory(t *testing.T, o queue.MemoryOptions) *queue.Memory {
	t.Helper()
	m, err := queue.NewMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// jobs makes n jobs of a lane, "lane-0" and so on.
func jobs(lane string, n int) []queue.Job {
	made := make([]queue.Job, n)
	for i := range made {
		made[i] = queue.Job{ID: fmt.Sprintf("%s-%d", lane, i), Lane: lane, Data: []byte("data")}
	}
	return made
}

// enqueue hands jobs over, which must work.
func enqueue(t *testing.T, q queue.Queue, jobs ...queue.Job) {
	t.Helper()
	if err := q.Enqueue(t.Context(), jobs); err != nil {
		t.Fatalf("Enqueue: %v", err)
	}
}

// offer enqueues jobs one by one and returns how many were taken; the others must be refused with
// ErrFull.
func offer(t *testing.T, q queue.Queue, jobs []queue.Job) (taken int) {
	t.Helper()
	for _, j := range jobs {
		switch err := q.Enqueue(t.Context(), []queue.Job{j}); {
		case err == nil:
			taken++
		case !errors.Is(err, queue.ErrFull):
			t.Fatalf("Enqueue: %v; want ErrFull", err)
		}
	}
	return taken
}

func all(n int) queue.Want { return queue.Want{Max: n, MaxPerLane: n, MaxUntried: n, MaxFailing: n} }

// receive returns what is ready, or nothing after a second.
func receive(t *testing.T, q queue.Queue, w queue.Want) []queue.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	leases, err := q.Receive(ctx, w)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Receive: %v", err)
	}
	return leases
}

// receiveIDs is receive for those who only want to know the IDs.
func receiveIDs(t *testing.T, q queue.Queue, w queue.Want) (ids []string) {
	t.Helper()
	for _, l := range receive(t, q, w) {
		ids = append(ids, l.ID)
	}
	return ids
}

// kill makes dead letters of jobs.
func kill(t *testing.T, m *queue.Memory, jobs ...queue.Job) {
	t.Helper()
	enqueue(t, m, jobs...)
	for _, l := range receive(t, m, all(len(jobs))) {
		if err := m.DeadLetter(t.Context(), l, "gone"); err != nil {
			t.Fatalf("DeadLetter: %v", err)
		}
	}
}

// letters lists the IDs of all dead letters.
func letters(t *testing.T, m *queue.Memory, after string) (ids []string) {
	t.Helper()
	list, err := m.DeadLetters(t.Context(), after, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		ids = append(ids, l.ID)
	}
	return ids
}

func stats(t *testing.T, m *queue.Memory) queue.Stats {
	t.Helper()
	s, err := m.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func equal[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestMemoryRefusesNegativeOptions(t *testing.T) {
	t.Parallel()
	for field, o := range map[string]queue.MemoryOptions{
		"MaxJobs":      {MaxJobs: -1},
		"MaxBytes":     {MaxBytes: -1},
		"Lease":        {Lease: -1},
		"MaxDead":      {MaxDead: -1},
		"MaxDeadBytes": {MaxDeadBytes: -1},
		"MaxDeadAge":   {MaxDeadAge: -1},
	} {
		if _, err := queue.NewMemory(o); err == nil || !strings.Contains(err.Error(), "MemoryOptions."+field+" ") {
			t.Errorf("negative %s: error %v; want one that names the field", field, err)
		}
	}
}

func TestMemoryRefusesOptionsNearTheLargestNumber(t *testing.T) {
	t.Parallel()
	for field, o := range map[string]queue.MemoryOptions{
		"MaxJobs":      {MaxJobs: math.MaxInt},
		"MaxBytes":     {MaxBytes: math.MaxInt64},
		"Lease":        {Lease: math.MaxInt64},
		"MaxDead":      {MaxDead: math.MaxInt},
		"MaxDeadBytes": {MaxDeadBytes: math.MaxInt64},
		"MaxDeadAge":   {MaxDeadAge: math.MaxInt64},
	} {
		if _, err := queue.NewMemory(o); err == nil || !strings.Contains(err.Error(), "MemoryOptions."+field+" is ") || !strings.Contains(err.Error(), "at most") {
			t.Errorf("%s: error %v; want one that names the field and its bound", field, err)
		}
	}
}

func TestMemoryWithTheLargestOptionsTakesJobs(t *testing.T) {
	t.Parallel()
	m, err := queue.NewMemory(queue.MemoryOptions{
		MaxJobs: limits.Count, MaxBytes: limits.Bytes, Lease: limits.Lease,
		MaxDead: limits.Count, MaxDeadBytes: limits.Bytes, MaxDeadAge: limits.Age,
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if err := m.Enqueue(t.Context(), []queue.Job{{ID: strconv.Itoa(i), Lane: "a", Data: []byte("data")}}); err != nil {
			t.Fatal(err)
		}
	}
	leases, err := m.Receive(t.Context(), queue.Want{Max: 100, MaxPerLane: 100, MaxUntried: 100})
	if err != nil || len(leases) != 100 || time.Until(leases[0].Until) < time.Hour {
		t.Fatalf("%d leases, %v", len(leases), err)
	}
	if err := m.DeadLetter(t.Context(), leases[0], "test"); err != nil {
		t.Error(err)
	}
	if s, err := m.Stats(t.Context()); err != nil || s.Dead != 1 || s.Leased != 99 {
		t.Errorf("stats: %+v, %v", s, err)
	}
}

func TestMemoryHasTheDocumentedDefaults(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	want := queue.Traits{Lease: 30 * time.Second, Ordered: true, InProcess: true, SharedLanes: true}
	if got := m.Traits(); got != want {
		t.Errorf("Traits: %+v, want %+v", got, want)
	}
	if err := m.Enqueue(t.Context(), []queue.Job{{ID: "j", Lane: "l", Data: make([]byte, 24<<20+1)}}); !errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("a job of more than 24 MiB: %v, want ErrTooLarge", err)
	}
}

func TestMemoryGivesALoneLaneNearlyAll(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{MaxJobs: 1000})
	if n := offer(t, m, jobs("greedy", 1001)); n < 940 || n > 950 {
		t.Errorf("a lone lane got %d of 1000 jobs, want about 94 %%", n)
	}
	if n := offer(t, m, jobs("quiet", 10)); n != 10 {
		t.Errorf("a quiet lane got %d of its 10 jobs beside a greedy one", n)
	}
}

func TestMemorySharesBetweenGreedyLanes(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{MaxJobs: 1000})
	got := make([]int, 10)
	for i := range 1000 { // all grow together
		for lane := range got {
			j := queue.Job{ID: fmt.Sprint(lane, "-", i), Lane: fmt.Sprint(lane)}
			got[lane] += offer(t, m, []queue.Job{j})
		}
	}
	for lane, n := range got {
		if n < 95 || n > 105 {
			t.Errorf("lane %d of ten greedy ones got %d of 1000 jobs, want about 99", lane, n)
		}
	}
}

func TestMemorySharesBytesToo(t *testing.T) {
	t.Parallel()
	const bound = 1000*404 + 768 // jobs have 4 bytes and cost 400 more, the lane 768
	m := newMemory(t, queue.MemoryOptions{MaxBytes: bound})
	if n := offer(t, m, jobs("greedy", 1001)); n < 940 || n > 950 {
		t.Errorf("a lone lane got %d jobs of 4 bytes into room for 1000, want about 94 %%", n)
	}
	if n := offer(t, m, jobs("quiet", 10)); n != 10 {
		t.Errorf("a quiet lane got %d of its 10 jobs beside a greedy one", n)
	}
	if got := stats(t, m).Ready; got > 1000 {
		t.Errorf("it holds %d jobs in room for 1000", got)
	}
}

func TestFault39MemoryQueueStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	const bound, producers, each = 1000, 8, 500
	m := newMemory(t, queue.MemoryOptions{MaxJobs: bound})
	var taken, refused atomic.Int64
	var running sync.WaitGroup
	for p := range producers {
		running.Go(func() {
			for _, j := range jobs(fmt.Sprint("lane", p), each) {
				if err := m.Enqueue(t.Context(), []queue.Job{j}); err == nil {
					taken.Add(1)
				} else if errors.Is(err, queue.ErrFull) {
					refused.Add(1)
				}
			}
		})
	}
	running.Wait()
	if got := int64(stats(t, m).Ready); got != taken.Load() || got > bound {
		t.Errorf("it holds %d jobs and took %d; the bound is %d", got, taken.Load(), bound)
	}
	if got := taken.Load() + refused.Load(); got != producers*each {
		t.Errorf("%d of %d jobs were taken or refused with ErrFull", got, producers*each)
	}
}

func TestMemoryReplacesThoughFull(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{MaxJobs: 1})
	enqueue(t, m, jobs("a", 1)...)
	whole := receive(t, m, all(1))[0]
	parts := []queue.Job{{ID: "part-0", Lane: "a"}, {ID: "part-1", Lane: "a"}}
	if err := m.Replace(t.Context(), whole, parts); err != nil {
		t.Fatalf("Replace: %v", err)
	}
	equal(t, "received", receiveIDs(t, m, all(5)), []string{"part-0", "part-1"})
}

func TestMemoryReplacesOnlyWithinALane(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	enqueue(t, m, jobs("a", 1)...)
	l := receive(t, m, all(1))[0]
	if err := m.Replace(t.Context(), l, jobs("b", 1)); err == nil || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("Replace by a job of another lane: %v; want an error that names it", err)
	}
	if err := m.Ack(t.Context(), []queue.Lease{l}); err != nil {
		t.Errorf("Ack after the refused Replace: %v", err)
	}
}

func TestMemoryReleasesManyInOrder(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	enqueue(t, m, jobs("a", 4)...)
	if err := m.Release(t.Context(), receive(t, m, all(3))); err != nil {
		t.Fatal(err)
	}
	equal(t, "received", receiveIDs(t, m, all(4)), []string{"a-0", "a-1", "a-2", "a-3"})
}

func TestMemoryRefusesAWantOfNothing(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	if _, err := m.Receive(t.Context(), queue.Want{}); err == nil || !strings.Contains(err.Error(), "Want.Max is 0") {
		t.Errorf("Receive with a zero Want: %v; want an error that names Max", err)
	}
}

func TestMemoryEndsALeaseAtItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, queue.MemoryOptions{})
		enqueue(t, m, jobs("a", 1)...)
		start := time.Now()
		l := receive(t, m, all(1))[0]
		if got := l.Until.Sub(start); got != 30*time.Second {
			t.Errorf("the lease lasts %v, want 30s", got)
		}
		if _, err := m.Receive(t.Context(), all(1)); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 30*time.Second {
			t.Errorf("the job came again after %v, want 30s", got)
		}
	})
}

func TestMemoryTellsTheOldestReadyJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, queue.MemoryOptions{Lease: time.Hour})
		enqueue(t, m, jobs("a", 1)...)
		time.Sleep(time.Minute) // virtual
		enqueue(t, m, jobs("b", 1)...)
		time.Sleep(time.Second)
		l := receive(t, m, queue.Want{Max: 1, MaxPerLane: 1, MaxUntried: 1, Lanes: map[string]int{"b": 0}})[0]
		if got := stats(t, m).Oldest; got != time.Second {
			t.Errorf("Oldest is %v while the older job is leased, want 1s", got)
		}
		if err := m.Nack(t.Context(), []queue.Nack{{Lease: l, Counted: true}}); err != nil {
			t.Fatal(err)
		}
		if got := stats(t, m).Oldest; got != time.Minute+time.Second {
			t.Errorf("Oldest is %v, want 1m1s", got)
		}
	})
}

// A bubble cannot end while a goroutine of it waits, so there is none.
func TestMemoryNeedsNoGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := queue.NewMemory(queue.MemoryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		enqueue(t, m, jobs("a", 3)...)
		leases := receive(t, m, all(2))
		if err := m.Nack(t.Context(), []queue.Nack{{Lease: leases[0], Delay: time.Hour}}); err != nil {
			t.Fatal(err)
		}
		receive(t, m, queue.Want{Max: 1}) // waits for a second with a timer
	})
}
