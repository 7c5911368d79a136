package scheduler

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestRule1UntriedLanesRunOnHalfOfTheWorkers(t *testing.T) {
	t.Parallel()
	for workers, want := range map[int]int{1: 1, 2: 1, 3: 1, 20: 10, 400: 200} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.fallback = hangs
			w.set("healthy", takes(5*time.Millisecond))
			w.healthy("healthy")
			w.start(workers, 2)
			for _, lane := range names("new", 1000) {
				w.emit(lane)
			}
			time.Sleep(2 * time.Second)
			if n := w.runningNow(""); n != want {
				t.Errorf("%d workers: %d attempts of untried lanes, want %d", workers, n, want)
			}
			if workers > 1 {
				id := w.emit("healthy")
				time.Sleep(10 * time.Millisecond)
				if _, ok := w.results()[id]; !ok {
					t.Errorf("%d workers: a healthy lane waits", workers)
				}
			}
			w.stop()
		})
	}
}

func TestRule1TenThousandUntriedLanesAreDeliveredWithoutGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.fallback = takes(50 * time.Millisecond)
		w.start(20, 1)
		for _, lane := range names("new", 10_000) {
			w.emit(lane)
		}
		time.Sleep(60 * time.Second)
		if n := w.delivered(); n != 10_000 {
			t.Errorf("%d of 10,000 delivered within 60 s", n)
		}
		last := w.events()[len(w.events())-1]
		t.Logf("all after %v", last.end.Sub(w.events()[0].began))
		w.stop()
	})
}

func TestRule1FailingLanesRunOnAQuarterOfTheWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		lanes := names("down", 200)
		w.healthy(lanes...)
		w.fallback = hangs
		w.start(40, 1)
		for _, lane := range lanes {
			for range 5 {
				w.emit(lane)
			}
		}
		time.Sleep(5 * time.Minute) // all have hung at least once by now
		for range 100 {
			time.Sleep(time.Second)
			if n := w.runningNow(""); n > 10 {
				t.Fatalf("%d attempts of failing lanes, want at most 10", n)
			}
		}
		w.stop()
	})
}

func TestRule2OneHangMakesAHealthyLaneFailing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.healthy("a")
		w.set("a", hangs)
		w.start(20, 1)
		w.emit("a")
		time.Sleep(10500 * time.Millisecond)
		if got := w.held("a"); got.Health != queue.Failing || !got.HeldUntil.IsZero() || got.Reason != "timeout" {
			t.Errorf("the lane is %+v after a hang, want failing and not held", got)
		}
		w.stop()
	})
}

func TestRule2OneQuickFailureChangesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.healthy("a")
		var n atomic.Int64
		w.set("a", func(ctx context.Context, t *Task) Result {
			if n.Add(1) < 10 {
				return failure(t)
			}
			return takes(time.Millisecond)(ctx, t)
		})
		w.start(20, 1)
		for range 9 {
			w.emit("a")
			time.Sleep(10 * time.Millisecond)
			if got := w.held("a"); got.Health != queue.Healthy {
				t.Fatalf("the lane is %+v after %d quick failures", got, n.Load())
			}
		}
		time.Sleep(5 * time.Minute)
		if w.delivered() != 9 || len(w.seen()) != 0 {
			t.Errorf("%d delivered, changes: %q", w.delivered(), w.seen())
		}
		w.stop()
	})
}

func TestRule2AnUntriedLaneIsFailingFromItsFirstHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.set("a", hangs)
		w.start(20, 1)
		w.emit("a")
		time.Sleep(9 * time.Second)
		if got := w.held("a"); got.Health != queue.Untried {
			t.Errorf("the lane is %+v before its first failure", got)
		}
		time.Sleep(2 * time.Second)
		if got := w.held("a"); got.Health != queue.Failing || got.Holds != 1 {
			t.Errorf("the lane is %+v after a hang, want failing and held", got)
		}
		w.stop()
	})
}

func TestRule3AHoldBegins(t *testing.T) {
	t.Parallel()
	hang := "H"
	for _, tt := range []struct {
		name    string
		healthy bool
		pattern string        // of attempts: S succeeds, F fails at once, H hangs
		pause   time.Duration // between jobs
		after   int           // attempts until the hold; 0: never
	}{
		{"after three hangs of a healthy lane", true, "SHHHHHH", 12 * time.Second, 4},
		{"after one hang of an untried lane", false, hang, 12 * time.Second, 1},
		{"after ten failures in a row", true, "SFFFFFFFFFFFFFFFFFFF", time.Second, 11},
		{"after ten failures in a row of an untried lane", false, "F", time.Second, 10},
		{"at 60 percent of a minute's attempts", true, "SFFSF", time.Second, 20},
		{"not at half", true, "FS", time.Second, 0},
		{"not at 60 percent of fewer than 20 in a minute", true, "FFFSS", 4 * time.Second, 0},
		{"not after nine in a row", true, "FFFFFFFFFSSSSSSSSSSSSSSS", time.Second, 0},
		{"not after hangs with successes between", true, "HHSSS", 12 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				if tt.healthy {
					w.healthy("a")
				}
				var n atomic.Int64
				w.set("a", func(ctx context.Context, task *Task) Result {
					kind := tt.pattern[int(n.Add(1)-1)%len(tt.pattern)]
					r := Result{Action: DeadLetter, Evidence: Down}
					switch kind {
					case 'S':
						r = Result{Action: Ack, Evidence: Up}
					case 'H':
						hangs(ctx, task)
					}
					return r
				})
				w.start(20, 1)
				got := 0
				for range 60 {
					w.emit("a")
					time.Sleep(tt.pause)
					if w.held("a").Holds > 0 {
						got = w.count("a")
						break
					}
				}
				if got != tt.after {
					t.Errorf("held after %d attempts, want %d", got, tt.after)
				}
				w.stop()
			})
		})
	}
}

func TestRule3HoldsDoubleUpToTwoMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.set("a", refuses)
		w.start(20, 1)
		for range 50 {
			w.emit("a")
		}
		time.Sleep(15 * time.Minute)
		events := w.events()
		var gaps []time.Duration
		for i, e := range events {
			if i > 0 && e.began.Sub(events[i-1].began) > 5*time.Second {
				gaps = append(gaps, e.began.Sub(events[i-1].began))
			}
		}
		if len(events)-len(gaps) > 20 {
			t.Errorf("%d attempts and %d holds, want one probe a hold", len(events), len(gaps))
		}
		for i, gap := range gaps {
			most := min(10*time.Second<<i, 2*time.Minute)
			if gap > most || gap < most*3/4 {
				t.Errorf("hold %d took %v, want %v less up to a quarter", i, gap, most)
			}
		}
		if len(gaps) < 8 {
			t.Errorf("holds: %v", gaps)
		}
		w.stop()
	})
}

func TestRule3AProbeThatSucceedsOpensTheLaneGently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		began := time.Now()
		w.set("a", func(ctx context.Context, task *Task) Result {
			if time.Since(began) < 65*time.Second {
				return failure(task)
			}
			return takes(50*time.Millisecond)(ctx, task)
		})
		w.start(20, 1)
		for range 2000 {
			w.emit("a")
		}
		time.Sleep(65 * time.Second)
		w.mu.Lock()
		clear(w.peak)
		w.mu.Unlock()
		before := w.count("a")
		for w.count("a") == before {
			time.Sleep(10 * time.Millisecond)
		}
		if n := w.peakOf("a"); n > 2 {
			t.Errorf("%d attempts at once when the probe had ended", n)
		}
		time.Sleep(time.Minute)
		if n := w.delivered(); n != 2000 || w.peakOf("a") != 20 {
			t.Errorf("%d of 2000 delivered, at most %d at once", n, w.peakOf("a"))
		}
		w.stop()
	})
}

func TestRule4RetryAfterHoldsTheLane(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{30 * time.Second: 30 * time.Second, time.Hour: 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.healthy("a")
			var n atomic.Int64
			w.set("a", func(_ context.Context, task *Task) Result {
				if n.Add(1) > 1 {
					return Result{Action: Ack, Evidence: Up}
				}
				r := failure(task)
				r.Hold = asked
				return r
			})
			w.start(20, 1)
			for range 10 {
				w.emit("a")
				time.Sleep(time.Millisecond)
			}
			time.Sleep(want + time.Second)
			events := w.events()
			if len(events) < 10 {
				t.Fatalf("%d attempts", len(events))
			}
			if d := events[1].began.Sub(events[0].began); d != want {
				t.Errorf("the lane was held for %v, want %v", d, want)
			}
			w.stop()
		})
	}
}

func TestRule5AnAnswerAboutTheJobEndsAHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		began := time.Now()
		w.set("a", func(_ context.Context, task *Task) Result {
			if time.Since(began) < 5*time.Second {
				return failure(task)
			}
			return Result{Action: DeadLetter, Evidence: Up, Reason: "gone"}
		})
		w.start(20, 1)
		for range 50 {
			w.emit("a")
		}
		time.Sleep(11 * time.Second)
		if got := w.held("a"); got.Health != queue.Untried || got.Holds != 0 {
			t.Errorf("the lane is %+v after an answer, want untried", got)
		}
		if n := len(w.results()); n != 50 {
			t.Errorf("%d of 50 jobs are settled", n)
		}
		w.stop()
	})
}

func TestRule5NoneSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.healthy("a")
		w.set("a", func(context.Context, *Task) Result {
			return Result{Action: Retry, Delay: time.Second}
		})
		w.start(20, 1)
		for range 50 {
			w.emit("a")
		}
		time.Sleep(10 * time.Second)
		if got := w.held("a"); got.Health != queue.Healthy || len(w.seen()) > 0 {
			t.Errorf("the lane is %+v, changes: %q", got, w.seen())
		}
		if n := w.count("a"); n < 400 {
			t.Errorf("%d attempts, want one a job and second", n)
		}
		w.stop()
	})
}

func TestRule5TheTimeOfUnsentAttemptsCounts(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]int{0: 0, 5 * time.Second: 1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.set("a", func(ctx context.Context, task *Task) Result {
				time.Sleep(took)
				return unsent(ctx, task)
			})
			w.start(20, 1)
			w.emit("a")
			time.Sleep(13 * time.Second)
			if got := w.held("a"); got.Holds != want {
				t.Errorf("attempts of %v: %d holds, want %d", took, got.Holds, want)
			}
			w.stop()
		})
	}
}

func TestOneJobThatAlwaysTimesOutHoldsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.healthy("a")
		const poison = "a-1" // the first job
		w.set("a", func(ctx context.Context, task *Task) Result {
			if task.Lease.ID == poison {
				return hangs(ctx, task)
			}
			return takes(20*time.Millisecond)(ctx, task)
		})
		w.start(20, 1)
		w.emit("a")
		for range 600 {
			time.Sleep(500 * time.Millisecond)
			w.emit("a")
		}
		for _, c := range w.seen() {
			if strings.Contains(c, "held") {
				t.Errorf("changes: %q", w.seen())
				break
			}
		}
		time.Sleep(15 * time.Second)
		if n := w.delivered(); n < 599 {
			t.Errorf("%d of 600 jobs delivered", n)
		}
		t.Logf("changes: %q, p99 %v", w.seen(), p99(w.waits("a")))
		w.stop()
	})
}

func TestRule3FailuresThatALaterLeaseHasOvertakenHoldNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.fallback = takes(20 * time.Millisecond)
		w.healthy("a")
		for range 500 {
			w.emit("a")
		}
		w.start(20, 1)
		time.Sleep(10 * time.Second) // it may have several attempts at once
		var n atomic.Int64
		w.set("a", func(ctx context.Context, task *Task) Result {
			if n.Add(1) <= 5 {
				return hangs(ctx, task)
			}
			return takes(50*time.Millisecond)(ctx, task)
		})
		for range 20 {
			w.emit("a")
		}
		// five have hung, after others that were leased later succeeded
		time.Sleep(10500 * time.Millisecond)
		if n := w.runningNow("a"); n > 0 {
			t.Fatalf("%d attempts still run", n)
		}
		id := w.emit("a")
		time.Sleep(100 * time.Millisecond)
		if _, ok := w.results()[id]; !ok || len(w.seen()) > 0 {
			t.Errorf("the lane is held for this process, changes: %q", w.seen())
		}
		w.stop()
	})
}

func TestRule3JobsThatArriveAfterAHoldBeganAreReleased(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		q.onReceive = func(ctx context.Context, want queue.Want) ([]queue.Lease, error) {
			leases, err := q.Memory.Receive(ctx, want)
			time.Sleep(300 * time.Millisecond) // the way back
			return leases, err
		}
		w := newWorld(t, q)
		w.healthy("a")
		w.fallback = func(_ context.Context, task *Task) Result {
			time.Sleep(time.Second)
			r := failure(task)
			r.Hold = 30 * time.Second
			return r
		}
		w.start(4, 1)
		w.emit("a")
		time.Sleep(1200 * time.Millisecond)
		w.emit("a") // it is leased 100 ms before the hold begins, and arrives 200 ms after
		time.Sleep(time.Second)
		if s := stats(t, w.q); s.Leased > 0 || w.here() > 0 {
			t.Errorf("%d jobs are leased, %d are here", s.Leased, w.here())
		}
		time.Sleep(25 * time.Second)
		if n := w.count("a"); n != 1 {
			t.Errorf("%d attempts while the lane is held", n)
		}
		w.stop()
	})
}
