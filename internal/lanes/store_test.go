package lanes

import (
	"testing"
	"time"
)

func TestProbeIsAloneWhileItsSettlementIsStored(t *testing.T) {
	t.Parallel()
	s := New[string](time.Second)
	for _, v := range []string{"a", "b"} {
		s.Enter(s.New("lane", false, 1, v, 0))
	}
	s.SetLane(Update{Lane: "lane", Health: Failing, Hold: time.Second}, 0)
	now := time.Second
	s.Tick(now)
	probe := s.Take(all(9), now)
	expect(t, "when the hold is due", probe, "a")
	s.Begin(probe[0])
	now += time.Minute
	s.Tick(now)
	expect(t, "while the probe is being settled", s.Take(all(9), now))
	s.Nack(probe[0], 0, true, now)
	s.Tick(now)
	expect(t, "after it", s.Take(all(9), now), "b")
}

func TestAbortedSettlementOfAProbeLetsItsLeaseEnd(t *testing.T) {
	t.Parallel()
	s := New[string](time.Second)
	s.Enter(s.New("lane", false, 1, "a", 0))
	s.SetLane(Update{Lane: "lane", Health: Failing, Hold: time.Second}, 0)
	now := time.Second
	s.Tick(now)
	probe := s.Take(all(9), now)
	s.Begin(probe[0])
	now += time.Minute
	s.Tick(now)
	s.Abort(probe[0])
	expect(t, "the lease that ends", s.Tick(now), "a")
	expect(t, "the next probe", s.Take(all(9), now), "a")
	if j := probe[0]; !j.Lane().IsProbe(j) || j.Attempts() != 1 {
		t.Errorf("it is the probe: %v, with %d attempts; want true and 1", j.Lane().IsProbe(j), j.Attempts())
	}
}

func TestSucceedReportsWhetherTheStateChanged(t *testing.T) {
	t.Parallel()
	s := New[string](time.Second)
	for range 3 {
		s.Enter(s.New("lane", false, 1, "a", 0))
	}
	jobs := s.Take(all(2), 0)
	if !s.Succeed(jobs[0], 0) || s.Succeed(jobs[1], 0) {
		t.Error("the first success makes the lane healthy, and the second changes nothing")
	}
	s.SetLane(Update{Lane: "lane", Health: Failing, Hold: time.Second}, 0)
	if !s.Succeed(jobs[1], 0) || len(s.Take(all(1), 0)) > 0 {
		t.Error("an earlier lease ends Failing, and not the hold")
	}
	s.Tick(time.Second)
	probe := s.Take(all(1), time.Second)
	if len(probe) != 1 || !s.Succeed(probe[0], time.Second) || probe[0].Lane().isHeld() {
		t.Error("the probe's success ends the hold")
	}
}

func TestOrderedLaneIsRestoredInOrder(t *testing.T) {
	t.Parallel()
	s := New[string](time.Second)
	for _, v := range []string{"a", "b", "c"} {
		j := s.New("lane", true, 1, v, 0)
		s.Restore(j, Progress{Returned: v != "c"}, 0)
	}
	for _, want := range []string{"a", "b", "c"} {
		jobs := s.Take(all(9), 0)
		expect(t, "the next one", jobs, want)
		s.Ack(jobs[0], 0)
	}
}
