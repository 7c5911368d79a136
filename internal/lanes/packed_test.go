package lanes

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// idle has so many other lanes go idle that those before are packed.
func idle(s *Set[string], now time.Duration) {
	for i := range warmLanes {
		s.New(fmt.Sprint("other", i), false, 0, "", now)
	}
	for i := range warmLanes {
		l := s.lanes[fmt.Sprint("other", i)]
		s.setHealth(l, Healthy, now)
		l.jobs, s.counts[Pending] = 0, 0
		s.settle(l, now)
	}
}

// A lane that was packed has the state that it had, whether one looks at it or it gets jobs again.
func TestSetPacksLanesWithTheirState(t *testing.T) {
	t.Parallel()
	s := New[string](lease)
	failed := take1(s, "bad")
	s.SetLane(Update{Lane: "bad", Health: Failing, Hold: time.Hour, Since: failed.Number(), Reason: "status 500"}, time.Second)
	s.Remove(failed, 2*time.Second)
	acked := take1(s, "good")
	s.Ack(acked, 3*time.Second)
	before := map[string]Info{}
	for _, name := range []string{"bad", "good"} {
		before[name] = s.Info(s.Lane(name), time.Minute)
	}
	idle(s, time.Minute)
	for name, want := range before {
		if s.lanes[name] != nil || s.packed.byName[name] == nil {
			t.Fatalf("lane %s is not packed", name)
		}
		if got := s.Info(s.Lane(name), time.Minute); got != want {
			t.Errorf("packed lane %s: %+v, want %+v", name, got, want)
		}
	}
	if page := s.Page("a", 2, func(func(string) bool) {}); len(page) != 2 || page[0].Name != "bad" || page[1].Name != "good" {
		t.Errorf("Page has %d lanes, want the packed ones", len(page))
	}
	if v := s.SetLane(Update{Lane: "good", Health: Failing, Since: acked.Number() - 1}, time.Minute); v != RefusedHealthy {
		t.Errorf("an update about a lease before the last ack: verdict %d, want RefusedHealthy", v)
	}
	if r := s.Room("bad", 1, Bounds{Jobs: 10, Bytes: 1}); r != FailingFull {
		t.Errorf("Room of a packed lane that fails is %d, want FailingFull", r)
	}
	add(s, "bad", 1, time.Minute)
	if got := s.Take(all(1), time.Minute); len(got) > 0 {
		t.Error("a held lane gave a job after it was packed")
	}
	s.Tick(time.Second + time.Hour)
	if got := s.Take(all(1), time.Second+time.Hour); len(got) != 1 || !got[0].Lane().IsProbe(got[0]) || got[0].Lane().Holds() != 1 {
		t.Error("a held lane has no probe after it was packed")
	}
}

func TestSetKeepsTheStateOfFewerLanesIfLimited(t *testing.T) {
	t.Parallel()
	s := New[string](lease)
	s.LimitIdle(2*packedBytes + packedBytes/2)
	for i := range warmLanes + 5 {
		s.Ack(take1(s, fmt.Sprint("lane", i)), 0)
	}
	if s.Lane("lane2") != nil || s.Lane("lane3") == nil || len(s.packed.byName) != 2 {
		t.Errorf("%d lanes are packed, want 2", len(s.packed.byName))
	}
}

// The states of failing lanes take more, and count for that.
func TestSetKeepsTheStateOfFewerFailingLanesIfLimited(t *testing.T) {
	t.Parallel()
	s := New[string](lease)
	const reason = "status 500"
	s.LimitIdle(10 * (packedBytes + holdBytes + int64(len(reason))))
	for i := range warmLanes + 100 {
		s.SetLane(Update{Lane: fmt.Sprint("lane", i), Health: Failing, Hold: time.Hour, Reason: reason}, 0)
	}
	if n := len(s.packed.byName); n != 10 || s.packed.bytes != s.maxIdle {
		t.Errorf("%d lanes of %d bytes are packed, want 10 of %d", n, s.packed.bytes, s.maxIdle)
	}
	if b := (Bounds{PerLane: 1}); s.Held(b) != s.maxIdle+warmLanes {
		t.Errorf("%d bytes are held, want %d", s.Held(b), s.maxIdle+warmLanes)
	}
}

// What is in memory counts besides the jobs' sizes.
func TestSetCountsWhatJobsAndLanesTake(t *testing.T) {
	t.Parallel()
	s := New[string](lease)
	b := Bounds{Jobs: 100, Bytes: 1000, PerJob: 100, PerLane: 200}
	if r := s.Room("a", 701, b); r != TooLarge {
		t.Errorf("Room for 701 bytes and their costs is %d, want TooLarge", r)
	}
	add(s, "a", 2, 0)
	if held := s.Held(b); held != 420 {
		t.Errorf("two jobs of a lane hold %d, want 420", held)
	}
	if r := s.Room("b", 281, b); r != Full {
		t.Errorf("Room for 281 bytes in 580, with costs of 300, is %d, want Full", r)
	}
	if r := s.Room("b", 280, b); r != Fits {
		t.Errorf("Room for 280 bytes in 580, with costs of 300, is %d, want Fits", r)
	}
}

// BenchmarkPackedLane is what the state of an idle lane takes; see packedBytes.
func BenchmarkPackedLane(b *testing.B) {
	names := make([]string, maxIdleLanes)
	for i := range names {
		names[i] = fmt.Sprint("lane", i)
	}
	s := New[string](lease)
	before := liveHeap()
	for _, name := range names {
		s.Ack(take1(s, name), 0)
	}
	for b.Loop() {
	}
	b.ReportMetric(float64(liveHeap()-before)/float64(len(names)), "B/lane")
	s.Tick(0)
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
