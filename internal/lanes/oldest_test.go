package lanes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Of many lanes the answer may be a second old, and is never one that was not right.
func TestOldestIsRightForManyLanes(t *testing.T) {
	t.Parallel()
	for _, names := range []int{exactLanes / 2, 3 * exactLanes} {
		t.Run(fmt.Sprint(names), func(t *testing.T) {
			t.Parallel()
			s := New[int](time.Hour)
			r := rand.New(rand.NewPCG(1, 2))
			now := time.Duration(0)
			var out []*Job[int]
			var asked, right []time.Duration
			for i := range 5000 {
				now += time.Duration(r.IntN(200)) * time.Millisecond
				s.Tick(now)
				name := fmt.Sprint("lane-", i%names)
				s.Enter(s.New(name, false, 1, i, now))
				switch r.IntN(5) {
				case 0:
					out = append(out, s.Take(Want{Max: 3, MaxPerLane: 2, MaxUntried: 3, MaxFailing: 3}, now)...)
				case 1:
					for _, j := range out {
						s.Nack(j, time.Duration(r.IntN(2))*time.Second, true, now)
					}
					out = nil
				case 2:
					for _, j := range out {
						s.Ack(j, now)
					}
					out = nil
				case 3:
					s.SetLane(Update{Lane: name, Health: Failing, Hold: time.Minute}, now)
				}
				asked, right = append(asked, now), append(right, s.oldestAt(now))
				from, _ := slices.BinarySearch(asked, now-keepOldest+1)
				if names <= exactLanes {
					from = i
				}
				if got := s.Oldest(now); !slices.Contains(right[from:], now-got) && !(got == 0 && slices.Contains(right[from:], asked[from])) {
					t.Fatalf("after %d jobs Oldest is %v, want the age of %v", i, got, right[from:])
				}
			}
			if many := len(s.lanes) > exactLanes; many != (names > exactLanes) {
				t.Errorf("%d lanes are not the number that this is about", len(s.lanes))
			}
		})
	}
}

func TestHeldLanesAreLeftOutOfOldestAndCounted(t *testing.T) {
	t.Parallel()
	s := New[int](time.Hour)
	for i, name := range []string{"a", "a", "a", "b"} {
		s.Enter(s.New(name, false, 1, i, time.Duration(i)*time.Second))
	}
	const now = time.Minute
	check := func(when string, held int, oldest time.Duration) {
		t.Helper()
		if got, age := s.OnHold(), s.Oldest(now); got != held || age != oldest {
			t.Errorf("%s: %d jobs on hold and an age of %v; want %d and %v", when, got, age, held, oldest)
		}
	}
	hold := Update{Lane: "a", Health: Failing, Hold: time.Second}
	check("at first", 0, now)
	s.SetLane(hold, now)
	check("held", 3, now-3*time.Second)
	s.SetLane(hold, now)
	check("held again", 3, now-3*time.Second)
	s.Tick(now + time.Second)
	probe := s.Take(Want{Max: 1, MaxPerLane: 1, MaxFailing: 1}, now)[0]
	check("with its probe out", 2, now-3*time.Second)
	s.Enter(s.New("a", false, 1, 5, now))
	check("with another job", 3, now-3*time.Second)
	s.Ack(probe, now)
	check("healthy", 0, now-time.Second)
	s.SetLane(hold, now)
	s.SetLane(Update{Lane: "a", Health: Untried}, now)
	check("untried", 0, now-time.Second)
	s.RestoreLane("a", Stored{Health: Failing, Held: true, HeldUntil: now}, now)
	check("restored", 3, now-3*time.Second)
}

func TestPagesListAllLanesInOrder(t *testing.T) {
	t.Parallel()
	s := New[int](time.Hour)
	none := func(func(string) bool) {}
	var want []string
	for i := range 1000 {
		name := fmt.Sprint(i * 7919 % 1000)
		want = append(want, name)
		s.Enter(s.New(name, false, 1, i, 0))
	}
	slices.Sort(want)
	for _, limit := range []int{1, 7, 499, 500, 999, 1000, 5000} {
		var got []string
		after := ""
		for page := s.Page(after, limit, none); len(page) > 0; page = s.Page(after, limit, none) {
			if len(page) > limit {
				t.Fatalf("%d lanes on a page of %d", len(page), limit)
			}
			for _, l := range page {
				got = append(got, l.Name)
			}
			after = got[len(got)-1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d list %d lanes: %v …", limit, len(got), got[:3])
		}
	}
	if page := s.Page("", 0, none); len(page) != 0 {
		t.Errorf("%d lanes on a page of 0", len(page))
	}
}
