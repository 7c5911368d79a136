package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// Retry rule 1: the budget is wall-clock time from the job's first attempt.
func TestRetryRule1BudgetCountsFromTheFirstAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		producer := start(t, &endpoint{}, with(q), func(o *Options) { o.EmitOnly = true })
		emit(t, producer, occupied(1))
		time.Sleep(20 * time.Minute) // nobody has tried it yet
		to := &endpoint{answer: answers(status(500))}
		first := start(t, to, with(q))
		time.Sleep(2 * time.Minute)
		_ = first.Close() // the next process goes on with the same budget
		second := start(t, to, with(q))
		time.Sleep(10 * time.Minute)
		got := to.got()
		begin, end := got[0].at, got[len(got)-1].at
		if d := end.Sub(begin); d < 5*time.Minute || d > 5*time.Minute+10*time.Second {
			t.Errorf("the last attempt was %v after the first", d)
		}
		if n := len(deadLetters(t, second)); n != 1 {
			t.Errorf("%d dead letters", n)
		}
	})
}

// Retry rule 2: no dead letter without a failed attempt at the budget's end or later. A backoff
// that would end later is shortened.
func TestRetryRule2LastAttemptIsMadeAtTheBudgetsEnd(t *testing.T) {
	t.Parallel()
	for _, budget := range []time.Duration{time.Second, 90 * time.Second, 5 * time.Minute} {
		t.Run(budget.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				times, e := attemptTimes(t, status(500), func(o *Options) { o.Retry.MaxElapsed = budget })
				// Ten failures hold the webhook for up to 10 s.
				if last := times[len(times)-1]; last < budget || last > budget+100*time.Millisecond && len(times) <= 10 || last > budget+10*time.Second {
					t.Errorf("the last of %d attempts was made %v after the first, want %v", len(times), last, budget)
				}
				if s := e.Stats(); s.Dead != 1 {
					t.Errorf("stats: %+v", s)
				}
			})
		})
	}
}

func TestRetryRule2WhatWaitedIsDeliveredWhenAHeldWebhookIsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			if time.Since(began) < 20*time.Minute {
				return status(500)
			}
			return status(200)
		}}
		e := start(t, to, unbatched)
		for i := range 1000 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		for _, d := range deadLetters(t, e) {
			if d.Attempts < 2 || d.At.Sub(d.First) < 5*time.Minute {
				t.Errorf("given up %v after its first attempt, after %d: %s", d.At.Sub(d.First), d.Attempts, d.Reason)
			}
		}
		if s := e.Stats(); s.Delivered < 980 || s.Delivered+s.Dead != 1000 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// Retry rule 3: the exceptions.
func TestRetryRule3JobsOverAgeAreGivenUpWithoutAnAttempt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		retry  Retry
		maxAge time.Duration
	}{
		"default":                          {Retry{}, time.Hour},
		"twice the budget if that is more": {Retry{MaxElapsed: time.Hour}, 2 * time.Hour},
		"as configured":                    {Retry{MaxAge: 10 * time.Minute}, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, early := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) {
					q := rig(t, queue.MemoryOptions{})
					emits := func(o *Options) { o.EmitOnly = true; o.Retry = tt.retry }
					producer := start(t, &endpoint{}, with(q), emits)
					emit(t, producer, occupied(1))
					wait := tt.maxAge + time.Second
					if early {
						wait = tt.maxAge - time.Second
					}
					time.Sleep(wait)
					to := &endpoint{}
					e := start(t, to, with(q), func(o *Options) { o.Retry = tt.retry })
					time.Sleep(100 * time.Millisecond)
					dead := deadLetters(t, e)
					if early && (len(to.got()) != 1 || len(dead) != 0) {
						t.Errorf("a job of age %v: %d attempts, dead letters %v", wait, len(to.got()), dead)
					}
					if !early && (len(to.got()) != 0 || len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "too_old: ")) {
						t.Errorf("a job of age %v: %d attempts, dead letters %v", wait, len(to.got()), dead)
					}
				})
			}
		})
	}
}

func TestRetryRule3AReplayIsYoungAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}, status(200))}
		e := start(t, to)
		emit(t, e, occupied(1))
		drain(t, e)
		time.Sleep(48 * time.Hour)
		replayAll(t, e)
		time.Sleep(time.Second)
		if s := e.Stats(); s.Delivered != 1 {
			t.Errorf("stats: %+v; dead letters: %v", s, deadLetters(t, e))
		}
	})
}

// Retry rule 4: Retry-After is a floor of up to 30 minutes. Beyond the budget it makes the next
// attempt the last.
func TestRetryRule4RetryAfterBeyondTheBudgetMakesTheNextAttemptTheLast(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{
		6 * time.Minute: 6 * time.Minute, 30 * time.Minute: 30 * time.Minute, 24 * time.Hour: 30 * time.Minute,
	} {
		t.Run(asked.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				busy := status(500)
				busy.RetryAfter = asked
				times, e := attemptTimes(t, busy)
				if len(times) != 2 || times[1] < want || times[1] > want+time.Second || e.Stats().Dead != 1 {
					t.Errorf("attempts at %v, stats: %+v", times, e.Stats())
				}
			})
		})
	}
}

func TestRetryAfterHoldsTheWebhookForTwoMinutesAtMost(t *testing.T) {
	t.Parallel()
	for code, holds := range map[int]bool{429: true, 503: true, 500: false} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				busy := status(code)
				busy.RetryAfter = 4 * time.Minute
				to := &endpoint{answer: answers(busy, status(200))}
				e := start(t, to, unbatched)
				began := time.Now()
				emit(t, e, occupied(1))
				time.Sleep(time.Second)
				emit(t, e, occupied(2))
				drain(t, e)
				got := to.got()
				if len(got) != 3 {
					t.Fatalf("%d attempts", len(got))
				}
				other, again := got[1].at.Sub(began), got[2].at.Sub(began)
				if again < 4*time.Minute || again > 4*time.Minute+time.Second {
					t.Errorf("the job was tried again after %v, want 4 minutes", again)
				}
				if held := other > 2*time.Second; held != holds || other > 2*time.Minute+2*time.Second {
					t.Errorf("the other job was tried after %v", other)
				}
			})
		})
	}
}

// poisoned answers with a status when a certain event is in the request.
func poisoned(t *testing.T, event Event, code int) func(context.Context, *dispatch.Request) dispatch.Outcome {
	return func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
		p, err := Verify(r.Body, r.Header, testKey)
		if err != nil {
			t.Error(err)
		}
		for _, ev := range p.Events {
			if ev.Channel == event.Channel {
				return status(code)
			}
		}
		return status(200)
	}
}

// Retry rule 5: a batch that reaches the end of its budget is halved, so that only the event that
// the receiver cannot process is a dead letter.
func TestRetryRule5OneEventOfAHundredIsADeadLetterAlone(t *testing.T) {
	t.Parallel()
	for _, code := range []int{500, 400, 501} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			onQueues(t, func(t *testing.T, q queue.Queue) {
				to := &endpoint{answer: poisoned(t, occupied(37), code)}
				e := start(t, to, with(q))
				began := time.Now()
				for i := range 100 {
					emit(t, e, occupied(i))
				}
				drain(t, e)
				dead := deadLetters(t, e)
				if s := e.Stats(); s.Delivered != 99 || s.Dead != 1 || len(dead) != 1 {
					t.Fatalf("stats: %+v, %d dead letters", s, len(dead))
				}
				j, err := parseJob(dead[0].Data)
				if err != nil || j.events != 1 || !strings.Contains(string(j.body), `"channel-37"`) {
					t.Errorf("the dead letter holds %s, %v", j.body, err)
				}
				if took := time.Since(began); took < 5*time.Minute || took > 8*time.Minute {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestRetryRule5ServicesThatAreAwayHalveNothing(t *testing.T) {
	t.Parallel()
	away := dispatch.Outcome{Verdict: dispatch.Retry, Reason: "connect", Err: errors.New("connection refused")}
	for name, tt := range map[string]struct {
		out    dispatch.Outcome
		traits func(*queue.Traits)
		letter int // events in a dead letter
	}{
		"429":            {out: status(429), letter: 4},
		"502":            {out: status(502), letter: 4},
		"503":            {out: status(503), letter: 4},
		"504":            {out: status(504), letter: 4},
		"no answer":      {out: away, letter: 4},
		"500":            {out: status(500), letter: 1},
		"own retry, 500": {out: status(500), letter: 4, traits: func(t *queue.Traits) { t.OwnRetry = true }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t, queue.MemoryOptions{})
				if tt.traits != nil {
					tt.traits(&q.traits)
					q.onNack = func(ctx context.Context, nacks []queue.Nack) error {
						for i := range nacks {
							nacks[i].Delay = max(nacks[i].Delay, time.Minute)
						}
						return q.Memory.Nack(ctx, nacks)
					}
				}
				e := start(t, &endpoint{answer: answers(tt.out)}, with(q))
				emit(t, e, occupied(1), occupied(2), occupied(3), occupied(4))
				drain(t, e)
				for _, d := range deadLetters(t, e) {
					if j, err := parseJob(d.Data); err != nil || j.events != tt.letter {
						t.Errorf("a dead letter of %d events, want %d (%v)", j.events, tt.letter, err)
					}
				}
				if s := e.Stats(); s.Dead != 4 {
					t.Errorf("stats: %+v", s)
				}
			})
		})
	}
}

// Retry rule 6: on SQS the queue decides when a job comes back, and rules 1 and 2 hold as far as it
// lets them.
func TestRetryRule6AQueueWithItsOwnRetryGetsOnlyWhatTheReceiverAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.traits.OwnRetry = true
		var mu sync.Mutex
		var asked []time.Duration
		q.onNack = func(ctx context.Context, nacks []queue.Nack) error {
			mu.Lock()
			defer mu.Unlock()
			for i := range nacks {
				if nacks[i].Counted {
					asked = append(asked, nacks[i].Delay)
				}
				nacks[i].Delay = max(nacks[i].Delay, 2*time.Minute)
			}
			return q.Memory.Nack(ctx, nacks)
		}
		busy := status(500)
		busy.RetryAfter = 150 * time.Second
		e := start(t, &endpoint{answer: answers(status(500), busy, status(500))}, with(q), unbatched)
		emit(t, e, occupied(1))
		drain(t, e)
		mu.Lock()
		defer mu.Unlock()
		if len(asked) < 2 || asked[0] != 0 || asked[1] != 150*time.Second {
			t.Errorf("asked for delays of %v", asked)
		}
		dead := deadLetters(t, e)
		if len(dead) != 1 || dead[0].At.Sub(dead[0].First) < 5*time.Minute {
			t.Errorf("dead letters: %v", dead)
		}
	})
}

// Scheduling rule 8: a job that this process cannot judge goes back uncounted. Its delay is its
// age, from 1 to 60 s.
func TestUnknownJobsComeBackAfterTheirAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		began := time.Now()
		var mu sync.Mutex
		var delays []time.Duration
		q.onNack = func(ctx context.Context, nacks []queue.Nack) error {
			mu.Lock()
			defer mu.Unlock()
			for _, n := range nacks {
				if delays = append(delays, n.Delay); n.Counted {
					t.Error("it counts as an attempt")
				}
			}
			return q.Memory.Nack(ctx, nacks)
		}
		producer := start(t, &endpoint{}, with(q), func(o *Options) { o.EmitOnly = true })
		emit(t, producer, occupied(1))
		e := start(t, &endpoint{}, with(q), apps())
		time.Sleep(59 * time.Minute)
		mu.Lock()
		if n := len(delays); n < 60 || n > 75 {
			t.Errorf("given back %d times in 59 minutes", n)
		}
		if delays[0] != time.Second || delays[len(delays)-1] != time.Minute {
			t.Errorf("delays: %v", delays)
		}
		mu.Unlock()
		time.Sleep(3 * time.Minute)
		dead := deadLetters(t, e)
		if len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "unknown_app") || dead[0].At.Sub(began) < time.Hour {
			t.Errorf("dead letters: %v", dead)
		}
	})
}

func TestJobsOfANewerVersionWaitForAProcessThatKnowsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := altering(t, replacing(`{"v":2,"id"`, `{"v":12,"later"`))
		to := &endpoint{}
		e := start(t, to, with(q))
		emit(t, e, occupied(1))
		time.Sleep(59 * time.Minute)
		if n := len(deadLetters(t, e)); n != 0 || len(to.got()) != 0 {
			t.Errorf("%d dead letters and %d attempts within the hour", n, len(to.got()))
		}
		time.Sleep(3 * time.Minute)
		if dead := deadLetters(t, e); len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "newer_version: the job has format version 12, and this process reads version 2") {
			t.Errorf("dead letters: %v", dead)
		}
	})
}

// Scheduling rule 5: 410 and 413 judge the job. The endpoint is up, so it is never held for them.
func TestAnswersThatJudgeTheJobHoldNoWebhook(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]dispatch.Outcome{
		"410": {Verdict: dispatch.Stop, Status: 410, Reason: "gone", Err: errors.New("answered 410")},
		"413": {Verdict: dispatch.TooLarge, Status: 413, Reason: "too_large", Err: errors.New("answered 413")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var held atomic.Int64
				e := start(t, &endpoint{answer: answers(out)}, unbatched, func(o *Options) {
					o.Trace = &Trace{LaneChanged: func(i LaneChangedInfo) {
						if i.To == LaneHeld || i.To == LaneFailing {
							held.Add(1)
						}
					}}
				})
				for i := range 50 {
					emit(t, e, occupied(i))
				}
				drain(t, e)
				if s := e.Stats(); s.Dead != 50 || held.Load() != 0 {
					t.Errorf("held %d times, stats: %+v", held.Load(), s)
				}
			})
		})
	}
}
