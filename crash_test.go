package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// nilError panics when Error is called on a nil pointer.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// onceError has a text for its first reader only.
type onceError struct{ reads atomic.Int64 }

func (e *onceError) Error() string {
	if e.reads.Add(1) > 1 {
		panic("read twice")
	}
	return "once"
}

// rigOnce makes a queue that has forgotten a job once it was received, if once is true.
func rigOnce(t *testing.T, once bool) *riggedQueue {
	t.Helper()
	if !once {
		return rig(t, queue.MemoryOptions{})
	}
	q := rig(t, queue.MemoryOptions{Lease: 700 * time.Hour}) // no job comes back
	q.traits.AtMostOnce = true
	q.onNack = func(ctx context.Context, nacks []queue.Nack) error {
		if !nacks[0].Counted {
			return q.Memory.Nack(ctx, nacks)
		}
		return q.Memory.Ack(ctx, []queue.Lease{nacks[0].Lease})
	}
	return q
}

func TestAnyOutcomeIsUsed(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]dispatch.Outcome{
		"typed nil":            {Reason: "odd", Err: (*nilError)(nil)},
		"typed nil, delivered": {Verdict: dispatch.Delivered, Err: (*nilError)(nil)},
		"panicking error":      {Reason: "odd", Err: &onceError{}},
		"unknown verdict":      {Verdict: 200, Status: 200},
		"unknown, typed nil":   {Verdict: dispatch.Unsent + 1, Err: (*nilError)(nil)},
		"long RetryAfter":      {Status: 503, RetryAfter: math.MaxInt64},
		"almost as long":       {Status: 429, RetryAfter: math.MaxInt64 - 1000},
		"negative RetryAfter":  {Status: 429, RetryAfter: math.MinInt64},
		"stop without a word":  {Verdict: dispatch.Stop},
		"unsent, typed nil":    {Verdict: dispatch.Unsent, Err: (*nilError)(nil)},
		"odd status":           {Verdict: dispatch.Delivered, Status: -1, RetryAfter: math.MaxInt64},
		"long texts":           {Reason: strings.Repeat("r", 1<<20), Err: errors.New(strings.Repeat("e", 1<<20)), Response: "\x00\n"},
	} {
		for _, once := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " at most once ", once), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := rigOnce(t, once)
					to := &endpoint{answer: answers(out, out, status(200))}
					log := &logBuffer{}
					e := start(t, to, with(q), unbatched, debugLog(log), func(o *Options) {
						o.Workers = 1
						o.Trace = &Trace{Attempted: func(i AttemptedInfo) {
							if i.Outcome.Err != nil && i.Outcome.Err.Error() == "" || i.After < 0 || i.After > time.Hour {
								t.Errorf("Attempted got %+v", i)
							}
						}}
					})
					emit(t, e, occupied(1), occupied(2), occupied(3))
					time.Sleep(2 * time.Hour)
					s := e.Stats()
					if s.Panics != 0 || s.Delivered+s.Dead+s.Dropped != 3 || !once && s.Dead > 0 && out.Verdict != dispatch.Stop {
						t.Errorf("stats: %+v\n%s", s, log.String())
					}
					checkTotals(t, e)
					if len(log.String()) > 20_000 {
						t.Errorf("%d bytes of log", len(log.String()))
					}
					began := time.Now()
					if err := e.Shutdown(t.Context()); err != nil || time.Since(began) > time.Second {
						t.Errorf("Shutdown: %v after %v", err, time.Since(began))
					}
				})
			})
		}
	}
}

func TestNormalKeepsWhatTheErrorIs(t *testing.T) {
	t.Parallel()
	out := normal(dispatch.Outcome{Err: fmt.Errorf("dial: %w", context.DeadlineExceeded)})
	if out.Reason != "unknown" || !errors.Is(out.Err, context.DeadlineExceeded) || out.Err.Error() != "dial: context deadline exceeded" {
		t.Errorf("got %+v", out)
	}
	out = normal(dispatch.Outcome{Err: (*nilError)(nil)})
	if out.Err == nil || !strings.Contains(out.Err.Error(), "without a text") {
		t.Errorf("got %+v", out)
	}
}

// ends are the ways in which a host's function ends other than by returning.
var ends = map[string]func(){"panic": func() { panic("hidden in a panic") }, "Goexit": runtime.Goexit}

func TestAnAttemptThatDoesNotReturnFailsAlone(t *testing.T) {
	t.Parallel()
	for name, end := range ends {
		for _, where := range []string{"sender", "middleware"} {
			t.Run(where+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var n atomic.Int64
					fails := func(ctx context.Context, next dispatch.Sender, r *dispatch.Request) dispatch.Outcome {
						if n.Add(1) <= 7 {
							end()
						}
						return next.Send(ctx, r)
					}
					to := &endpoint{}
					log := &logBuffer{}
					var mu sync.Mutex
					var attempts []AttemptedInfo
					e := start(t, nil, unbatched, debugLog(log), func(o *Options) {
						o.HTTP, o.Workers = to, 1
						o.Trace = &Trace{Attempted: func(i AttemptedInfo) {
							mu.Lock()
							defer mu.Unlock()
							attempts = append(attempts, i)
						}}
						if where == "sender" {
							o.HTTP = dispatch.SenderFunc(func(ctx context.Context, r *dispatch.Request) dispatch.Outcome { return fails(ctx, to, r) })
							return
						}
						o.Middleware = []dispatch.Middleware{func(next dispatch.Sender) dispatch.Sender {
							return dispatch.SenderFunc(func(ctx context.Context, r *dispatch.Request) dispatch.Outcome { return fails(ctx, next, r) })
						}}
					})
					for i := range 5 {
						emit(t, e, occupied(i))
					}
					drain(t, e)
					if s := e.Stats(); s.Delivered != 5 || s.Panics != 7 || s.Attempts != 12 {
						t.Errorf("stats: %+v", s)
					}
					mu.Lock()
					defer mu.Unlock()
					if len(attempts) != 12 || attempts[0].Outcome.Reason != "panic" || attempts[0].After < time.Second || !attempts[0].Retry {
						t.Errorf("%d attempts told: %+v", len(attempts), attempts)
					}
					if text := log.String(); strings.Count(text, "webhook panic recovered") != 1 || !strings.Contains(text, "crash_test.go") {
						t.Errorf("log:\n%s", text)
					}
					if err := e.Shutdown(t.Context()); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

func TestAnAttemptThatNeverReturnsUsesItsBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome { runtime.Goexit(); return status(200) }}
		e := start(t, to, func(o *Options) { o.Retry.MaxAttempts = 3 })
		emit(t, e, occupied(1))
		drain(t, e)
		if s := e.Stats(); s.Dead != 1 || s.Attempts != 3 || s.Panics != 3 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestAPanicTellsNoSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := testApp("http://user:hidden-password@receiver.test/hidden-path")
		a.Webhooks[0].Headers = Headers{"Authorization": "hidden-token"}
		values := []any{
			a.Webhooks[0].URL, errors.New("bad header hidden-token"), struct{ secret string }{"hidden-field"}, (*nilError)(nil),
		}
		var n atomic.Int64
		log := &logBuffer{}
		var mu sync.Mutex
		var told []string
		e := start(t, &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			panic(values[int(n.Add(1)-1)%len(values)])
		}}, apps(a), debugLog(log), func(o *Options) {
			o.Retry = Retry{MaxAttempts: len(values), InitialBackoff: time.Minute}
			o.Trace = &Trace{Attempted: func(i AttemptedInfo) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, fmt.Sprintf("%+v", i))
			}}
		})
		emit(t, e, occupied(1))
		drain(t, e)
		mu.Lock()
		defer mu.Unlock()
		told = append(told, log.String(), deadLetters(t, e)[0].Reason)
		if n := strings.Count(log.String(), "webhook panic recovered"); n != len(values) {
			t.Errorf("%d of %d panics logged", n, len(values))
		}
		for _, text := range told {
			if i := strings.Index(text, "hidden"); i >= 0 {
				t.Errorf("told: %.300s", text[max(0, i-100):])
			}
		}
	})
}

func TestATestDeliveryThatDoesNotReturnFails(t *testing.T) {
	t.Parallel()
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := testApp("http://receiver.test/hook")
				a.Webhooks[0].ID = "main"
				e := start(t, &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome { end(); return status(200) }}, apps(a))
				r, err := e.Test(t.Context(), "my-app", "main")
				if err != nil || r.Outcome.Reason != "panic" || r.Outcome.Err == nil || e.Stats().Panics != 1 {
					t.Errorf("got %+v, %v", r, err)
				}
			})
		})
	}
}

func TestTraceFunctionsThatDoNotReturnHarmNothing(t *testing.T) {
	t.Parallel()
	for name, end := range ends {
		for _, once := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " at most once ", once), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { endTraces(t, end, once) })
			})
		}
	}
}

func endTraces(t *testing.T, end func(), once bool) {
	var n atomic.Int64
	tell := func() { n.Add(1); end() }
	q := rigOnce(t, once)
	gone := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
	began := time.Now()
	to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
		switch {
		case strings.Contains(r.URL, "gone"):
			return gone
		case time.Since(began) < time.Minute:
			return status(500)
		}
		return status(200)
	}}
	e := start(t, to, with(q), unbatched, outboxOf(4<<10), apps(testApp("http://flaky.test/", "http://gone.test/")), func(o *Options) {
		o.Debounce = time.Second
		o.Trace = &Trace{
			Emitted: func(EmittedInfo) { tell() }, Enqueued: func(EnqueuedInfo) { tell() },
			Attempted: func(AttemptedInfo) { tell() }, DeadLettered: func(DeadLetteredInfo) { tell() },
			Dropped: func(DroppedInfo) { tell() }, LaneChanged: func(LaneChangedInfo) { tell() },
		}
	})
	for i := range 100 {
		done := make(chan struct{})
		go func() { // Emitted ends the goroutine
			defer close(done)
			_ = e.Emit(occupied(i))
			_ = e.Emit(ChannelVacated("my-app", "vacant"))
		}()
		<-done
		if i%10 == 0 {
			time.Sleep(50 * time.Millisecond)
		}
	}
	time.Sleep(10 * time.Minute)
	drain(t, e)
	s := e.Stats()
	if s.Pending+s.Queued != 0 || s.Delivered == 0 && !once || s.Dead == 0 || s.Panics != n.Load() || s.Panics < 100 {
		t.Errorf("stats: %+v, %d functions ended", s, n.Load())
	}
	began = time.Now()
	if err := e.Shutdown(t.Context()); err != nil || time.Since(began) > time.Second {
		t.Errorf("Shutdown: %v after %v", err, time.Since(began))
	}
}

// oddHandler is a slog.Handler that does in each method what end does.
type oddHandler struct{ end map[string]func() }

func (h oddHandler) at(method string) {
	if f := h.end[method]; f != nil {
		f()
	}
}

func (h oddHandler) Enabled(context.Context, slog.Level) bool  { h.at("Enabled"); return true }
func (h oddHandler) Handle(context.Context, slog.Record) error { h.at("Handle"); return nil }
func (h oddHandler) WithAttrs([]slog.Attr) slog.Handler        { h.at("WithAttrs"); return h }
func (h oddHandler) WithGroup(string) slog.Handler             { h.at("WithGroup"); return h }

func TestALogHandlerThatDoesNotReturnHarmsNothing(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Enabled", "Handle", "WithAttrs", "WithGroup", "no handler"} {
		for name, end := range ends {
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := rig(t, queue.MemoryOptions{})
					var calls atomic.Int64
					q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
						if calls.Add(1)%2 == 1 {
							return errors.New("connection reset")
						}
						return q.Memory.Enqueue(ctx, jobs)
					}
					to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
						if r.Attempt < 3 {
							return status(500)
						}
						return status(200)
					}}
					e := start(t, to, with(q), func(o *Options) {
						o.Logger = slog.New(oddHandler{map[string]func(){method: end}})
						if method == "no handler" {
							o.Logger = &slog.Logger{}
						}
					})
					for i := range 5 {
						emit(t, e, occupied(i))
						time.Sleep(time.Second)
					}
					drain(t, e)
					s := e.Stats()
					if s.Delivered != 5 {
						t.Errorf("stats: %+v", s)
					}
					if logs := method == "Enabled" || method == "Handle"; logs && s.Panics == 0 && name == "panic" {
						t.Errorf("no panic counted: %+v", s)
					}
					if err := e.Shutdown(t.Context()); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

func TestAnUnreadableJobThatCannotBeGivenBackIsDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.traits.AtMostOnce = true
		q.onRelease = func(context.Context, []queue.Lease) error { return errors.New("connection refused") }
		var mu sync.Mutex
		var dropped []DroppedInfo
		e := start(t, &endpoint{answer: hangs}, with(q), unbatched, func(o *Options) {
			o.Workers = 1
			o.Trace = &Trace{Dropped: func(i DroppedInfo) {
				mu.Lock()
				defer mu.Unlock()
				dropped = append(dropped, i)
			}}
		})
		emit(t, e, occupied(1))
		time.Sleep(time.Second)
		for i := range 3 {
			lane := fmt.Sprint("lane-", i)
			if err := q.Memory.Enqueue(t.Context(), []queue.Job{{ID: lane, Lane: lane, Data: []byte("unreadable")}}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if s := e.Stats(); s.Panics != 0 || len(dropped) < 2 {
			t.Errorf("stats: %+v, dropped: %+v", s, dropped)
		}
		checkTotals(t, e)
	})
}

func TestAQueueThatPanicsLosesNothing(t *testing.T) {
	t.Parallel()
	for _, inProcess := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q := rig(t, queue.MemoryOptions{})
			q.traits.InProcess = inProcess
			var calls atomic.Int64
			panics := func() {
				if calls.Add(1)%3 == 0 {
					panic("queue")
				}
			}
			q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error { panics(); return q.Memory.Enqueue(ctx, jobs) }
			q.onReceive = func(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
				panics()
				return q.Memory.Receive(ctx, w)
			}
			q.onAck = func(ctx context.Context, l []queue.Lease) error { panics(); return q.Memory.Ack(ctx, l) }
			q.onNack = func(ctx context.Context, n []queue.Nack) error { panics(); return q.Memory.Nack(ctx, n) }
			q.onExtend = func(ctx context.Context, l []queue.Lease) error { panics(); return q.Memory.Extend(ctx, l) }
			q.onRelease = func(ctx context.Context, l []queue.Lease) error { panics(); return q.Memory.Release(ctx, l) }
			var n atomic.Int64
			to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
				if n.Add(1)%2 == 0 {
					return status(500)
				}
				return status(200)
			}}
			e := start(t, to, with(q), unbatched, func(o *Options) { o.Workers = 4 })
			for i := range 30 {
				emit(t, e, occupied(i))
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(30 * time.Minute)
			if s := e.Stats(); s.Delivered != 30 || s.Panics == 0 {
				t.Errorf("stats: %+v", s)
			}
			if got := channels(t, to.got()); len(got) != 30 {
				t.Errorf("%d of 30 events arrived", len(got))
			}
			_ = endsInTime(t, e, false)
		})
	}
}
