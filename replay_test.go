package webhook

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
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
