package lanes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const lease = 30 * time.Second

// all wants any n jobs.
func all(n int) Want { return Want{Max: n, MaxPerLane: n, MaxUntried: n, MaxFailing: n} }

// add puts n jobs into a lane, whose values are the lane's name and a number.
func add(s *Set[string], lane string, n int, now time.Duration) (jobs []*Job[string]) {
	for i := range n {
		j := s.New(lane, false, 10, fmt.Sprint(lane, i), now)
		s.Enter(j)
		jobs = append(jobs, j)
	}
	return jobs
}

func values(jobs []*Job[string]) (v []string) {
	for _, j := range jobs {
		v = append(v, j.Value)
	}
	return v
}

func expect(t *testing.T, what string, got []*Job[string], want ...string) {
	t.Helper()
	if !slices.Equal(values(got), want) {
		t.Errorf("%s: got %v, want %v", what, values(got), want)
	}
}

func TestSetKeepsASettlingJobPastItsLease(t *testing.T) {
	t.Parallel()
	s := New[string](lease)
	add(s, "a", 1, 0)
	j := s.Take(all(1), 0)[0]
	s.Begin(j)
	if ended := s.Tick(2 * lease); len(ended) > 0 || j.State() != Settling {
		t.Fatalf("the lease of a job whose settlement is being stored has ended: %v", values(ended))
	}
	s.Abort(j)
	ended := s.Tick(2 * lease)
	expect(t, "leases that end once the settlement has failed", ended, "a0")
	if j.Attempts() != 1 || j.State() != Ready {
		t.Errorf("the job has %d attempts and state %d, want 1 and ready", j.Attempts(), j.State())
	}
}

func TestSetRestoresJobsWhereTheyWere(t *testing.T) {
	t.Parallel()
	s := New[string](lease)
	fresh := s.New("a", false, 1, "fresh", 0)
	back := s.New("a", false, 1, "back", 0)
	waits := s.New("a", false, 1, "waits", 0)
	s.Restore(fresh, Progress{Enqueued: -2 * time.Hour}, 0)
	s.Restore(back, Progress{Enqueued: -time.Hour, Attempts: 2, First: -time.Minute, Tried: true}, 0)
	s.Restore(waits, Progress{Due: time.Minute}, 0)
	taken := s.Take(all(3), 0)
	expect(t, "taken", taken, "back", "fresh")
	if first, ok := taken[0].First(); !ok || first != -time.Minute || taken[0].Attempts() != 2 {
		t.Errorf("the job that came back has first %v, %v and %d attempts", first, ok, taken[0].Attempts())
	}
	s.Tick(time.Minute)
	expect(t, "taken after the delay", s.Take(all(1), time.Minute)[:1], "back")
}

func TestSetRestoresALaneThatIsHeld(t *testing.T) {
	t.Parallel()
	s := New[string](lease)
	s.RestoreLane("a", Stored{Health: Failing, Since: -time.Hour, Held: true, HeldUntil: time.Minute, Holds: 3, Reason: "timeout"}, 0)
	s.RestoreLane("old", Stored{Health: Healthy, Emptied: -25 * time.Hour}, 0)
	if s.Lane("old") != nil {
		t.Error("a lane is kept that has had no jobs for more than a day")
	}
	add(s, "a", 2, 0)
	if got := s.Take(all(2), 0); len(got) > 0 {
		t.Fatalf("a held lane gave %v", values(got))
	}
	s.Tick(time.Minute)
	probe := s.Take(all(2), time.Minute)
	expect(t, "the probe", probe, "a0")
	if l := probe[0].Lane(); !l.IsProbe(probe[0]) || l.Holds() != 3 {
		t.Errorf("IsProbe is %v and Holds %d, want true and 3", l.IsProbe(probe[0]), l.Holds())
	}
	s.Ack(probe[0], time.Minute)
	expect(t, "after the probe's ack", s.Take(all(2), time.Minute), "a1")
}

func TestSetCountsWhatFailingLanesHold(t *testing.T) {
	t.Parallel()
	s := New[string](lease)
	bounds := Bounds{Jobs: 10, Bytes: 1000}
	jobs := add(s, "bad", 5, 0)
	if r := s.Room("bad", 10, bounds); r != Fits {
		t.Errorf("Room is %d before the lane fails, want Fits", r)
	}
	s.SetLane(Update{Lane: "bad", Health: Failing}, 0)
	if r := s.Room("bad", 10, bounds); r != FailingFull {
		t.Errorf("Room is %d with five of ten jobs in failing lanes, want FailingFull", r)
	}
	if r := s.Room("good", 10, bounds); r != Fits {
		t.Errorf("Room for another lane is %d, want Fits", r)
	}
	s.Remove(jobs[0], 0)
	if r := s.Room("bad", 10, bounds); r != Fits {
		t.Errorf("Room is %d once a job has left, want Fits", r)
	}
	if r := s.Room("bad", 1001, bounds); r != TooLarge {
		t.Errorf("Room is %d for a job larger than the bounds, want TooLarge", r)
	}
	s.Ack(s.Take(all(1), 0)[0], 0)
	if s.failing != (usage{}) {
		t.Errorf("no lane fails, and %+v are counted for failing ones", s.failing)
	}
}

func TestSetKeepsTheStateOfSoManyLanes(t *testing.T) {
	t.Parallel()
	s := New[string](lease)
	for i := range maxIdleLanes + 10 {
		s.Ack(take1(s, fmt.Sprint("lane", i)), 0)
	}
	if n := len(s.lanes) + len(s.packed.byName); n != maxIdleLanes || len(s.lanes) != warmLanes {
		t.Errorf("the state of %d lanes is kept, want %d", n, maxIdleLanes)
	}
	if s.Lane("lane9") != nil || s.Lane("lane10") == nil {
		t.Error("not the lanes that were idle longest are forgotten")
	}
	s.Tick(keepState)
	if n := len(s.lanes) + len(s.packed.byName); n != 0 || s.packed.front != nil || s.packed.back != nil {
		t.Errorf("the state of %d lanes is kept after a day", n)
	}
}

func take1(s *Set[string], lane string) *Job[string] {
	add(s, lane, 1, 0)
	return s.Take(all(1), 0)[0]
}

// The counts of a Set agree with what its lanes hold after any operations.
func TestSetCountsAgreeAfterRandomOperations(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := New[string](lease)
		var leased []*Job[string]
		now := time.Duration(0)
		for range 2000 {
			leased = slices.DeleteFunc(leased, func(j *Job[string]) bool { return j.State() != Leased })
			now = operate(s, rng, &leased, now)
		}
		check(t, s, seed)
	}
}

// operate does something to a Set, and returns the time afterwards.
func operate(s *Set[string], rng *rand.Rand, leased *[]*Job[string], now time.Duration) time.Duration {
	lane := fmt.Sprint("lane", rng.IntN(20))
	var j *Job[string]
	if len(*leased) > 0 {
		j = (*leased)[rng.IntN(len(*leased))]
	}
	switch what := rng.IntN(12); {
	case what < 3:
		add(s, lane, 1+rng.IntN(3), now)
	case what < 5:
		w := Want{Max: 1 + rng.IntN(8), MaxPerLane: 1 + rng.IntN(3), MaxUntried: rng.IntN(4), MaxFailing: rng.IntN(4)}
		*leased = append(*leased, s.Take(w, now)...)
	case what == 5:
		now += time.Duration(rng.Int64N(int64(lease)))
		s.Tick(now)
	case what == 6:
		s.SetLane(Update{Lane: lane, Health: Failing, Hold: time.Duration(rng.IntN(2)) * time.Minute}, now)
	case what == 7:
		s.SetLane(Update{Lane: lane, Health: Untried}, now)
	case j == nil:
	case what == 8:
		s.Ack(j, now)
	case what == 9:
		s.Nack(j, time.Duration(rng.Int64N(int64(lease))), rng.IntN(2) == 0, now)
	case what == 10:
		s.Release(j, now)
	default:
		s.Extend(j, now+lease)
	}
	return now
}

// check compares counts, rings and heaps with the lanes.
func check(t *testing.T, s *Set[string], seed uint64) {
	t.Helper()
	var ready, jobs, failing, listed int
	for _, l := range s.lanes {
		ready += l.ready()
		jobs += l.jobs
		if l.health == Failing {
			failing += l.jobs
		}
		inHeap := l.timer > 0
		switch {
		case !l.open() && (inHeap || l.node.in != nil && l.node.in != &s.idle):
			t.Errorf("seed %d: lane %s has nothing to give and is listed", seed, l.Name)
		case l.open() && !l.held && l.node.in != &s.rings[l.health]:
			t.Errorf("seed %d: lane %s is not in its ring", seed, l.Name)
		case l.probe != nil && (inHeap || l.node.in == &s.probes):
			t.Errorf("seed %d: lane %s has a probe, and another is planned", seed, l.Name)
		case l.open() && l.held && l.probe == nil && inHeap == (l.node.in == &s.probes):
			t.Errorf("seed %d: lane %s is held, and its probe is planned %v", seed, l.Name, inHeap)
		}
		listed++
	}
	if ready != s.Count(Ready) || failing != s.failing.jobs || listed != len(s.lanes) {
		t.Errorf("seed %d: %d ready and %d failing jobs, counted as %d and %d", seed, ready, failing, s.Count(Ready), s.failing.jobs)
	}
	if n, size := s.Jobs(); n != jobs || size != int64(10*jobs) {
		t.Errorf("seed %d: %d jobs, counted as %d of %d bytes", seed, jobs, n, size)
	}
}

// A set whose jobs are elsewhere is full when it takes too much itself: each lane counts.
func TestSetBoundsItsIndex(t *testing.T) {
	t.Parallel()
	b := Bounds{Jobs: 1000, Bytes: 1 << 30, Index: 1000, IndexJob: 10, IndexLane: 90}
	for _, c := range []struct{ lanes, want int }{{1, 86}, {1000, 10}} {
		s := New[string](lease)
		taken := 0
		for ; s.Room(fmt.Sprint("lane", taken%c.lanes), 1, b) == Fits; taken++ {
			add(s, fmt.Sprint("lane", taken%c.lanes), 1, 0)
		}
		if taken != c.want {
			t.Errorf("%d lanes take %d jobs, want %d", c.lanes, taken, c.want)
		}
	}
	s := New[string](lease)
	for i := range warmLanes + 3 {
		s.Ack(take1(s, fmt.Sprint("idle", i)), 0)
	}
	b.Index, b.IndexLane = 3*packedBytes+int64(len(s.lanes))*90+100, 90
	if r := s.Room("idle0", 1, b); r != Fits {
		t.Errorf("Room beside idle lanes is %d, want Fits", r)
	}
	b.Index--
	if r := s.Room("idle0", 1, b); r != Full {
		t.Errorf("Room beside idle lanes is %d, want Full", r)
	}
}
