package webhook

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// note records an attempt of the slot's webhook.
func (a *attempts) note(s *slot, code int) {
	a.record(s, time.Now(), status(code), func() string { return "status" })
}

func TestAttemptsAreCountedForAMinuteAndAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := &attempts{began: time.Now()}, &slot{}
		check := func(when string, minute, hour AttemptCounts) {
			t.Helper()
			if p := a.of(s); p.LastMinute != minute || p.LastHour != hour {
				t.Errorf("%s: %+v in a minute and %+v in an hour; want %+v and %+v", when, p.LastMinute, p.LastHour, minute, hour)
			}
		}
		time.Sleep(17 * time.Hour)
		check("at first", AttemptCounts{}, AttemptCounts{})
		for range 3 {
			a.note(s, 200)
		}
		a.note(s, 500)
		check("at once", AttemptCounts{3, 1}, AttemptCounts{3, 1})
		time.Sleep(59 * time.Second)
		a.note(s, 500)
		check("after 59 s", AttemptCounts{3, 2}, AttemptCounts{3, 2})
		time.Sleep(6 * time.Second)
		check("after 65 s", AttemptCounts{0, 1}, AttemptCounts{3, 2})
		time.Sleep(58*time.Minute + 54*time.Second)
		check("after 59:59", AttemptCounts{}, AttemptCounts{3, 2})
		time.Sleep(time.Minute)
		check("after 60:59", AttemptCounts{}, AttemptCounts{3, 2})
		time.Sleep(time.Second)
		check("after 61 min", AttemptCounts{}, AttemptCounts{})
		a.note(s, 200)
		check("after another", AttemptCounts{1, 0}, AttemptCounts{1, 0})
		time.Sleep(100 * time.Hour)
		check("after days", AttemptCounts{}, AttemptCounts{})
	})
}

func TestALastErrorIsKeptAndBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, s := &attempts{began: time.Now()}, &slot{}
		a.record(s, time.Now(), status(500), func() string { return strings.Repeat("ä", 1000) })
		failed := time.Now()
		time.Sleep(time.Second)
		a.note(s, 204)
		p := a.of(s)
		if p.LastStatus != 204 || p.LastFailure != failed || p.LastAttempt != failed.Add(time.Second) || len(p.LastError) > maxReasonBytes || !strings.HasPrefix(p.LastError, "ääää") {
			t.Errorf("got %+v", p)
		}
		a.record(s, time.Now(), dispatch.Outcome{Verdict: dispatch.Unsent, Reason: "dns"}, func() string { return "dns" })
		if p := a.of(s); p.LastError != "dns" || p.LastHour != (AttemptCounts{1, 1}) {
			t.Errorf("an unsent attempt counts as one: %+v", p)
		}
	})
}

// Beyond 10,000 webhooks those whose last attempt is long ago are given up, and the memory stays
// within 16 MiB.
func TestAttemptsAreBounded(t *testing.T) {
	a := &attempts{began: time.Now()}
	slots := make([]slot, 3*maxTallies)
	reason := func() string { return strings.Repeat("x", maxReasonBytes) }
	before := liveHeap()
	for i := range slots {
		a.record(&slots[i], time.Now(), status(500), reason)
		a.record(&slots[0], time.Now(), status(500), reason) // it is always among the latest
	}
	if used := liveHeap() - before; used > 16<<20 {
		t.Errorf("%d bytes for the counts", used)
	} else {
		t.Logf("%d bytes for the counts of %d webhooks", used, maxTallies)
	}
	known := 0
	for i := range slots {
		if !a.of(&slots[i]).LastAttempt.IsZero() {
			known++
		}
	}
	if known != maxTallies || a.of(&slots[0]).LastHour.Failed != len(slots)+1 {
		t.Errorf("%d webhooks are known; of the first, %+v", known, a.of(&slots[0]).LastHour)
	}
	runtime.KeepAlive(slots)
}

func TestAttemptsAreCountedByManyWorkers(t *testing.T) {
	t.Parallel()
	a := &attempts{began: time.Now()}
	slots := make([]slot, maxTallies+100)
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := range slots {
				a.note(&slots[(i+w*(maxTallies/4))%len(slots)], 200)
				a.of(&slots[i])
			}
		})
	}
	workers.Wait()
	owned := 0
	for _, tally := range a.all {
		if tally.owner.tally.Load() == tally {
			owned++
		}
	}
	if len(a.all) != maxTallies || owned != maxTallies {
		t.Errorf("%d tallies, of which %d are their webhook's", len(a.all), owned)
	}
}

func BenchmarkRecordAttempt(b *testing.B) {
	a := &attempts{began: time.Now()}
	slots := make([]slot, 64)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			a.note(&slots[i%len(slots)], 200)
		}
	})
}

// A secret that is a part of the word that stands for secrets is cut out once.
func TestALastErrorIsRedactedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			return dispatch.Outcome{Reason: "own", Err: errors.New("it refuses DACT")}
		}}
		a := named("down")
		a.Webhooks[0].Headers = Headers{"Authorization": "DACT"}
		a.Webhooks[0].Retry.MaxAttempts = 1
		e := start(t, to, unbatched, apps(a))
		emit(t, e, occupied(1))
		time.Sleep(time.Second)
		for d, err := range e.DeadLetters(t.Context(), DeadLetterQuery{}) {
			if last := statusOf(t, e, "down").Here.LastError; err != nil || last != d.Reason || strings.Count(last, redacted) != 1 || len(last) > 40 {
				t.Errorf("the last error is %q, and the dead letter's reason %q", last, d.Reason)
			}
			return
		}
		t.Error("there is no dead letter")
	})
}
