package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

func TestAReplayedDeadLetterCountsAsAdopted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}, status(200))}
		e := start(t, to)
		emit(t, e, occupied(1), occupied(2))
		drain(t, e)
		replayAll(t, e)
		time.Sleep(time.Second)
		if s := e.Stats(); s.Dead != 2 || s.Delivered != 2 || s.Adopted != 2 || s.Pending != 0 {
			t.Errorf("stats: %+v", s)
		}
		checkTotals(t, e)
	})
}

func TestAReplayKeepsTheIDAndHasAFreshTime(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		to := &endpoint{answer: answers(dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}, status(500), status(200))}
		e := start(t, to, with(q))
		emit(t, e, occupied(1))
		drain(t, e)
		time.Sleep(24 * time.Hour)
		replayAll(t, e)
		replayed := time.Now()
		time.Sleep(10 * time.Second)
		got := to.got()
		if len(got) != 3 {
			t.Fatalf("%d attempts, dead letters: %v", len(got), deadLetters(t, e))
		}
		for i, a := range got[1:] {
			p := a.payload(t, testKey)
			if a.JobID != got[0].JobID || a.Attempt != i+1 {
				t.Errorf("id %s and attempt %d, first %s", a.JobID, a.Attempt, got[0].JobID)
			}
			if p.Time().Before(replayed.Add(-time.Second)) {
				t.Errorf("time_ms is of %v, replayed at %v", p.Time(), replayed)
			}
		}
		checkTotals(t, e)
	})
}

func TestAReplayedJobCanFailAndBeReplayedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
		to := &endpoint{answer: answers(gone, gone, gone, status(200))}
		e := start(t, to)
		emit(t, e, occupied(1))
		drain(t, e)
		for range 3 {
			if n := replayAll(t, e); n != 1 {
				t.Fatalf("%d dead letters", n)
			}
			time.Sleep(time.Second)
		}
		got := to.got()
		for _, a := range got {
			if a.JobID != got[0].JobID {
				t.Errorf("id %s, first %s", a.JobID, got[0].JobID)
			}
		}
		if s := e.Stats(); len(got) != 4 || s.Delivered != 1 || s.Dead != 3 || s.Adopted != 3 {
			t.Errorf("%d attempts, stats: %+v", len(got), s)
		}
		checkTotals(t, e)
	})
}
