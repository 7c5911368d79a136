package webhook

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
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

// attemptTimes emits one event and returns when its attempts were made, after the first one.
func attemptTimes(t *testing.T, out dispatch.Outcome, change ...func(*Options)) ([]time.Duration, *Emitter) {
	t.Helper()
	to := &endpoint{answer: answers(out)}
	e := start(t, to, change...)
	emit(t, e, occupied(1))
	drain(t, e)
	var times []time.Duration
	for _, a := range to.got() {
		times = append(times, a.at.Sub(to.got()[0].at))
	}
	return times, e
}

func TestBackoffDoublesUpToItsMaximum(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times, _ := attemptTimes(t, status(500))
		if len(times) < 9 {
			t.Fatalf("%d attempts in 5 minutes: %v", len(times), times)
		}
		for i, at := range times[1 : len(times)-1] { // the last delay ends with the budget
			least := min(time.Second<<i, time.Minute)
			if d := at - times[i]; d < least || d > least+least/4+50*time.Millisecond {
				t.Errorf("the delay after attempt %d was %v, want %v to 25 %% more", i+1, d, least)
			}
		}
	})
}

func TestMaxAttemptsBoundsTheAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times, e := attemptTimes(t, status(500), func(o *Options) { o.Retry.MaxAttempts = 3 })
		if len(times) != 3 || e.Stats().Dead != 1 {
			t.Errorf("attempts at %v, stats: %+v", times, e.Stats())
		}
	})
}

func TestMaxAttemptsOneIsNoRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times, e := attemptTimes(t, status(500), func(o *Options) { o.Retry.MaxAttempts = 1 })
		if len(times) != 1 || e.Stats().Dead != 1 {
			t.Errorf("attempts at %v, stats: %+v", times, e.Stats())
		}
	})
}

func TestAWebhooksOwnRetryOverridesTheDefaultFieldByField(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		times, e := attemptTimes(t, status(500), func(o *Options) {
			o.Retry = Retry{MaxAttempts: 4, InitialBackoff: 10 * time.Second}
			o.Apps[0].Webhooks[0].Retry = Retry{InitialBackoff: 100 * time.Millisecond, MaxBackoff: 200 * time.Millisecond}
		})
		if len(times) != 4 || times[3] < 500*time.Millisecond || times[3] > 700*time.Millisecond || e.Stats().Dead != 1 {
			t.Errorf("attempts at %v, stats: %+v", times, e.Stats())
		}
	})
}

func TestRetryAfterIsAFloor(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{
		90 * time.Second: 90 * time.Second, 100 * time.Millisecond: time.Second,
	} {
		t.Run(asked.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				busy := status(429)
				busy.RetryAfter = asked
				to := &endpoint{answer: answers(busy, status(200))}
				e := start(t, to)
				emit(t, e, occupied(1))
				drain(t, e)
				got := to.got()
				if len(got) != 2 {
					t.Fatalf("%d attempts", len(got))
				}
				if d := got[1].at.Sub(got[0].at); d < want || d > want+want/4+50*time.Millisecond {
					t.Errorf("tried again after %v, want %v", d, want)
				}
			})
		})
	}
}

func TestFault15AJobThatIsGoneIsDeadAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone", Err: errors.New("answered 410")}
		to := &endpoint{answer: answers(gone, status(200))}
		e := start(t, to, unbatched)
		emit(t, e, occupied(1))
		drain(t, e)
		emit(t, e, occupied(2), occupied(3))
		drain(t, e)
		dead := deadLetters(t, e)
		if len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "gone") {
			t.Errorf("dead letters: %+v", dead)
		}
		if s := e.Stats(); s.Delivered != 2 || s.Attempts != 3 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestFault25AttemptsThatCouldNotBeMadeBurnNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			if time.Since(began) < time.Minute {
				return dispatch.Outcome{Verdict: dispatch.Unsent, Reason: "local", Err: errors.New("too many open files")}
			}
			return status(200)
		}}
		var holds atomic.Int64
		e := start(t, to, unbatched, func(o *Options) {
			o.Retry.MaxAttempts = 1
			o.Trace = &Trace{LaneChanged: func(i LaneChangedInfo) {
				if i.To == LaneHeld {
					holds.Add(1)
				}
			}}
		})
		for i := range 100 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if s := e.Stats(); s.Delivered != 100 || holds.Load() != 0 {
			t.Errorf("stats: %+v, %d holds", s, holds.Load())
		}
		if took := time.Since(began); took > time.Minute+5*time.Second {
			t.Errorf("took %v", took)
		}
		for _, a := range to.got() {
			if a.Attempt != 1 {
				t.Fatalf("an attempt has the number %d", a.Attempt)
			}
		}
	})
}

func TestTheRequestTimeoutIsTheWebhooksOrTheDefault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		var mu sync.Mutex
		took := map[string]time.Duration{}
		to.answer = func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			began := time.Now()
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			took[r.URL] = time.Since(began)
			return timedOut(ctx)
		}
		e := start(t, to, func(o *Options) {
			o.Retry.MaxAttempts = 1
			o.Apps = []App{testApp("http://default.test", "http://own.test")}
			o.Apps[0].Webhooks[1].RequestTimeout = 3 * time.Second
		})
		emit(t, e, occupied(1))
		drain(t, e)
		mu.Lock()
		defer mu.Unlock()
		if took["http://default.test"] != 10*time.Second || took["http://own.test"] != 3*time.Second {
			t.Errorf("attempts were ended after %v", took)
		}
	})
}

func TestJitterAddsUpToAQuarter(t *testing.T) {
	t.Parallel()
	b := backoff{time.Second, time.Minute}
	for n, base := range map[int]time.Duration{1: time.Second, 4: 8 * time.Second, 7: time.Minute, 1000: time.Minute} {
		least, most := time.Hour, time.Duration(0)
		for range 1000 {
			d := b.delay(n)
			least, most = min(least, d), max(most, d)
		}
		if least < base || least > base+base/50 || most > base+base/4 || most < base+base/4-base/50 {
			t.Errorf("delays after failure %d are from %v to %v", n, least, most)
		}
	}
}
