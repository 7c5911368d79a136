package boltqueue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/pushhooks/webhook/queue"
)

func TestALoneLaneLeavesRoomForTheOthers(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{MaxJobs: 1000})
	if err := q.Enqueue(t.Context(), numbered("greedy", "a", 1000)); !errors.Is(err, queue.ErrFull) {
		t.Fatalf("one lane filled the queue: %v", err)
	}
	enqueue(t, q, job("quiet", "b"))
	if s, err := q.Stats(t.Context()); err != nil || s.Ready < 900 {
		t.Errorf("stats: %+v, %v", s, err)
	}
}

func TestBytesAreBounded(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{MaxBytes: 1000})
	sized := func(id string, n int) []queue.Job {
		return []queue.Job{{ID: id, Lane: id, Data: []byte(strings.Repeat("x", n))}}
	}
	if err := q.Enqueue(t.Context(), sized("a", 1001)); !errors.Is(err, queue.ErrTooLarge) {
		t.Errorf("more than the whole queue: %v", err)
	}
	enqueue(t, q, sized("b", 600)...)
	if err := q.Enqueue(t.Context(), sized("c", 600)); !errors.Is(err, queue.ErrFull) {
		t.Errorf("more than what is free: %v", err)
	}
	must(t, q.Ack(t.Context(), receive(t, q, 1)))
	enqueue(t, q, sized("c", 600)...)
}

func TestNamesAreChecked(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	bad := []queue.Job{
		{ID: "", Lane: "a"},
		{ID: strings.Repeat("x", 129), Lane: "a"},
		{ID: "a b", Lane: "a"},
		{ID: "ä", Lane: "a"},
		{ID: "lane-empty", Lane: ""},
		{ID: "lane-long", Lane: strings.Repeat("x", 513)},
		{ID: "lane-bytes", Lane: "\xff"},
	}
	err := q.Enqueue(t.Context(), append(bad, job("good", "a")))
	for i := range bad {
		if queue.ErrorOf(err, i) == nil {
			t.Errorf("%q on lane %q was taken", bad[i].ID, bad[i].Lane)
		}
	}
	expect(t, receive(t, q, 10), "good")
}

func TestMarkersAreEvicted(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{MaxMarkers: 10})
	for i := range 30 {
		enqueue(t, q, job(fmt.Sprintf("j-%d", i), "a"))
		must(t, q.Ack(t.Context(), receive(t, q, 1)))
	}
	for range 2 {
		enqueue(t, q, jobs("a", "j-29", "j-20")...)
		expect(t, receive(t, q, 10), "")
		q = open(t, crashed(t, q), Options{MaxMarkers: 10})
	}
	enqueue(t, q, job("j-19", "a"))
	expect(t, receive(t, q, 10), "j-19")
	if q.index.marked > 10 || len(q.index.known) > 11 {
		t.Errorf("%d markers, %d IDs", q.index.marked, len(q.index.known))
	}
}

func TestDeadLettersAreEvictedByNumberAndAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{MaxDead: 2, MaxDeadAge: time.Hour})
		kill := func(id string) {
			enqueue(t, q, job(id, "a"))
			must(t, q.DeadLetter(t.Context(), receive(t, q, 1)[0], "gone"))
		}
		dead := func(want string, dropped int64) {
			t.Helper()
			list, err := q.DeadLetters(t.Context(), "", 10)
			must(t, err)
			got := ""
			for _, d := range list {
				got += d.ID
			}
			s, err := q.Stats(t.Context())
			must(t, err)
			if got != want || s.Dead != len(want) || s.DeadDropped != dropped {
				t.Fatalf("dead letters %q and stats %+v; want %q, and %d dropped", got, s, want, dropped)
			}
		}
		kill("a")
		kill("b")
		kill("c")
		dead("bc", 1)
		time.Sleep(50 * time.Minute)
		q = open(t, crashed(t, q), Options{MaxDead: 2, MaxDeadAge: time.Hour})
		dead("bc", 1)
		kill("d")
		dead("cd", 2)
		time.Sleep(20 * time.Minute)
		dead("d", 3)
		time.Sleep(time.Hour)
		dead("", 4)
		q = open(t, crashed(t, q), Options{})
		dead("", 4)
		enqueue(t, q, jobs("a", "a", "b", "c", "d")...)
		expect(t, receive(t, q, 10), "") // they are remembered
	})
}

func TestDeadLettersOfTheLargestLaneAreEvictedFirst(t *testing.T) {
	t.Parallel()
	o := Options{MaxDeadBytes: 100}
	q := open(t, file(t), o)
	kill := func(id, lane string, size int) {
		t.Helper()
		enqueue(t, q, queue.Job{ID: id, Lane: lane, Data: []byte(strings.Repeat("x", size))})
		must(t, q.DeadLetter(t.Context(), receive(t, q, 1)[0], "gone"))
	}
	kill("quiet", "a", 10)
	kill("b-1", "b", 40)
	kill("b-2", "b", 40)
	equalDead(t, q, "quiet b-1 b-2", 0)
	kill("c-1", "c", 20)
	equalDead(t, q, "quiet b-2 c-1", 1)
	q = open(t, crashed(t, q), o)
	kill("b-3", "b", 40)
	equalDead(t, q, "quiet c-1 b-3", 2)
	if n, err := q.Discard(t.Context(), []string{"c-1"}); n != 1 || err != nil {
		t.Errorf("Discard: %d, %v", n, err)
	}
	kill("b-4", "b", 95)
	equalDead(t, q, "quiet", 4) // it is of the largest lane itself
	if q.index.dead.bytes != 10 || len(q.index.dead.lanes) != 1 {
		t.Errorf("%d bytes of %d lanes are counted, want 10 of 1", q.index.dead.bytes, len(q.index.dead.lanes))
	}
	enqueue(t, q, jobs("b", "b-1", "b-2", "b-3", "b-4")...)
	expect(t, receive(t, q, 10), "") // they are remembered
}

// equalDead compares the dead letters' IDs, and how many were evicted.
func equalDead(t *testing.T, q *Queue, want string, evicted int64) {
	t.Helper()
	list, err := q.DeadLetters(t.Context(), "", 100)
	must(t, err)
	var got []string
	for _, d := range list {
		got = append(got, d.ID)
	}
	s, err := q.Stats(t.Context())
	must(t, err)
	if strings.Join(got, " ") != want || s.Dead != len(got) || s.DeadDropped != evicted {
		t.Fatalf("dead letters %q and stats %+v; want %q, and %d evicted", got, s, want, evicted)
	}
}

func TestDeadLettersAreListedOnAfterOneThatWasDiscarded(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	for i := range 3 {
		enqueue(t, q, job(fmt.Sprint("j-", i), "a"))
		must(t, q.DeadLetter(t.Context(), receive(t, q, 1)[0], "gone"))
	}
	if n, err := q.Discard(t.Context(), []string{"j-1"}); n != 1 || err != nil {
		t.Fatalf("Discard: %d, %v", n, err)
	}
	list, err := q.DeadLetters(t.Context(), "j-1", 10)
	must(t, err)
	if len(list) != 1 || list[0].ID != "j-2" {
		t.Errorf("after j-1: %+v", list)
	}
}

func TestReplayStopsWhereTheQueueIsFull(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{MaxJobs: 3})
	for i := range 5 {
		enqueue(t, q, job(fmt.Sprint("j-", i), fmt.Sprint("lane-", i)))
		must(t, q.DeadLetter(t.Context(), receive(t, q, 1)[0], "gone"))
	}
	letters := []queue.Replayed{
		replayed("j-0", "lane-0"), replayed("j-0", "lane-0"), replayed("unknown", "lane-0"), replayed("j-1", "lane-1"),
		replayed("j-2", "lane-2"), replayed("j-3", "lane-3"), replayed("j-4", "lane-4"),
	}
	n, err := q.Replay(t.Context(), letters)
	if n != 3 || !errors.Is(err, queue.ErrFull) {
		t.Fatalf("%d were replayed, %v", n, err)
	}
	q = open(t, crashed(t, q), Options{})
	expect(t, receive(t, q, 10), "j-0~1 j-1~1 j-2~1")
	if n, err := q.Discard(t.Context(), []string{"j-0", "j-3", "j-4"}); n != 2 || err != nil {
		t.Errorf("%d were discarded, %v", n, err)
	}
}

func TestJobsBeyondMemoryAreReadFromTheFile(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	data := []byte(strings.Repeat("x", 1<<20))
	for i := range 40 {
		enqueue(t, q, queue.Job{ID: fmt.Sprint("j-", i), Lane: "a", Data: data})
	}
	if q.index.recent.bytes > recentBytes {
		t.Errorf("%d bytes are kept in memory", q.index.recent.bytes)
	}
	for i := range 40 {
		l := receive(t, q, 1)
		expect(t, l, fmt.Sprint("j-", i))
		if string(l[0].Data) != string(data) {
			t.Fatalf("%s has other data", l[0].ID)
		}
	}
	if r := q.index.recent; r.bytes != 0 || len(r.jobs) != 0 {
		t.Errorf("%d bytes of %d jobs are kept of what was received", r.bytes, len(r.jobs))
	}
}

func TestAJobTakesLittleMemory(t *testing.T) { // not parallel, since it measures the heap
	const n = 100_000
	before := heapBytes()
	x := newIndex(time.Minute)
	now := x.tick()
	for i := range n {
		r := record{id: fmt.Sprintf("01J9ZK3V5Q-%d", i), lane: fmt.Sprint("app/hook-", i%100)}
		x.restore(&r, progress{}, 500, slot{seq: x.newSeq(), span: seqSpan}, now)
	}
	each := (heapBytes() - before) / n
	runtime.KeepAlive(x)
	t.Logf("%d bytes a job, of which its entry has %d", each, unsafe.Sizeof(entry{}))
	if each > 190 {
		t.Errorf("%d bytes a job, want at most 190", each)
	}
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTheFileIsUsedAgain(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{MaxMarkers: 1000})
	round := func(n int) int64 {
		enqueue(t, q, numbered(fmt.Sprint("r", n), "a", 500)...)
		must(t, q.Ack(t.Context(), receive(t, q, 500)))
		info, err := os.Stat(q.path)
		must(t, err)
		return info.Size()
	}
	first := round(0)
	for n := range 50 {
		if size := round(n + 1); size > 4*first {
			t.Fatalf("the file has grown from %d to %d bytes in %d rounds", first, size, n+1)
		}
	}
}

func TestEndedContexts(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Enqueue(ctx, jobs("a", "j")); !errors.Is(err, context.Canceled) {
		t.Errorf("Enqueue: %v", err)
	}
	if _, err := q.Receive(ctx, all(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Receive: %v", err)
	}
	if _, err := q.Receive(t.Context(), queue.Want{}); err == nil {
		t.Error("Receive of no jobs is no error")
	}
}
