package lanes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestOldestIsRightForManyLanes(t *testing.T) {
	t.Parallel()
	s := New[int](time.Hour)
	r := rand.New(rand.NewPCG(1, 2))
	now := time.Duration(0)
	var out []*Job[int]
	for i := range 5000 {
		now += time.Duration(r.IntN(200)) * time.Millisecond
		s.Enter(s.New(fmt.Sprint("lane-", i%3000), false, 1, i, now))
		switch r.IntN(4) {
		case 0:
			out = append(out, s.Take(Want{Max: 3, MaxPerLane: 2, MaxUntried: 3}, now)...)
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
		}
		s.Tick(now)
		want := now
		for _, l := range s.lanes {
			want = min(want, l.oldest())
		}
		if got := s.Oldest(now); got < now-want || got > now-want+2*time.Second {
			t.Fatalf("after %d jobs Oldest is %v, want %v", i, got, now-want)
		}
	}
	if len(s.lanes) <= exactLanes {
		t.Errorf("%d lanes are too few for this test", len(s.lanes))
	}
}

func TestAgesForgetStepsWithoutJobs(t *testing.T) {
	t.Parallel()
	s := New[int](time.Hour)
	for i := range 100 {
		s.Enter(s.New("lane", false, 1, i, time.Duration(i)*time.Minute))
	}
	for len(s.ages) > 0 {
		for _, j := range s.Take(Want{Max: 10, MaxPerLane: 10, MaxUntried: 10}, time.Hour) {
			s.Remove(j, time.Hour)
		}
		if n := s.Count(Ready); n < len(s.ages) {
			t.Fatalf("%d steps for %d ready jobs", len(s.ages), n)
		}
	}
	if s.Oldest(time.Hour) != 0 {
		t.Error("an empty set has an oldest job")
	}
}

func TestPagesListAllLanesInOrder(t *testing.T) {
	t.Parallel()
	s := New[int](time.Hour)
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
		for page := s.Page(after, limit); len(page) > 0; page = s.Page(after, limit) {
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
	if page := s.Page("", 0); len(page) != 0 {
		t.Errorf("%d lanes on a page of 0", len(page))
	}
}
