package webhook

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

func TestAJobThatCouldNotBeSentForLongStillGetsItsAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			if time.Since(began) < 10*time.Minute {
				return dispatch.Outcome{Verdict: dispatch.Unsent, Reason: "local", Err: errors.New("too many open files")}
			}
			return status(200)
		}}
		e := start(t, to)
		emit(t, e, occupied(1))
		drain(t, e)
		if s := e.Stats(); s.Delivered != 1 {
			t.Errorf("stats: %+v; dead letters: %v", s, deadLetters(t, e))
		}
	})
}
