package scheduler

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// rate returns how many attempts end in a second, on average over d from now.
func (w *world) rate(d time.Duration) float64 {
	before := w.count("")
	time.Sleep(d)
	return float64(w.count("")-before) / d.Seconds()
}

func checkRate(t *testing.T, got, want float64) {
	t.Helper()
	if got < 0.97*want || got > 1.03*want {
		t.Errorf("%.1f attempts a second, want %.1f within 3 %%", got, want)
	}
}

func TestRule6ALaneAloneSoonHasAllWorkers(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 3, 20, 50} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.fallback = takes(50 * time.Millisecond)
				for range 20 * workers * 8 {
					w.emit("a")
				}
				w.start(workers, 2)
				time.Sleep(2025 * time.Millisecond) // in the middle of attempts
				if n := w.runningNow(""); n != workers {
					t.Errorf("%d attempts at once after 2 s, want %d", n, workers)
				}
				checkRate(t, w.rate(5*time.Second), float64(workers)/0.05)
				w.stop()
			})
		})
	}
}

func TestRule6ALaneAmongOthersHasThreeQuartersOfTheWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.fallback = takes(50 * time.Millisecond)
		w.start(20, 1)
		w.every(time.Second, 30*time.Second, "quiet", "silent")
		time.Sleep(3 * time.Second)
		for range 4000 {
			w.emit("busy")
		}
		time.Sleep(9 * time.Second)
		if n := w.peakOf("busy"); n != 15 {
			t.Errorf("the busy lane had up to %d workers, want 15", n)
		}
		w.stop()
	})
}

func TestRule6TenSlowLanesUseAllWorkers(t *testing.T) {
	t.Parallel()
	for _, latency := range []time.Duration{50 * time.Millisecond, 900 * time.Millisecond, 3 * time.Second} {
		t.Run(latency.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.fallback = takes(latency)
				for range 200 {
					for _, lane := range names("slow", 10) {
						w.emit(lane)
					}
				}
				w.start(20, 1)
				time.Sleep(20 * latency)
				checkRate(t, w.rate(50*latency), 20/latency.Seconds())
				w.stop()
			})
		})
	}
}

func TestRule6ALaneThatBeginsToHangGetsNoMoreWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var hung atomic.Bool
		w.fallback = func(ctx context.Context, task *Task) Result {
			if hung.Load() {
				return hangs(ctx, task)
			}
			return takes(20*time.Millisecond)(ctx, task)
		}
		for range 1000 { // it has all workers
			w.emit("a")
		}
		w.start(20, 1)
		time.Sleep(5 * time.Second)
		hung.Store(true)
		for range 80 { // 8 s, less than a timeout
			w.emit("a")
			time.Sleep(100 * time.Millisecond)
		}
		if n := w.runningNow(""); n > 11 {
			t.Errorf("%d workers are with an endpoint that hangs", n)
		}
		if s := stats(t, w.q); s.Leased > w.runningNow("") {
			t.Errorf("%d jobs are leased and %d run: the others should be released", s.Leased, w.runningNow(""))
		}
		w.stop()
	})
}

func stats(t *testing.T, q queue.Queue) queue.Stats {
	t.Helper()
	s, err := q.(queue.StatsReader).Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRule6FailuresHalveTheConcurrencyOnceALatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLane("a")
		l.concurrency = 16
		var tasks []*Task
		for range 16 {
			task := &Task{lane: l}
			task.inLane.item = task
			l.waiting.pushBack(&task.inLane)
			l.begin(task, time.Now())
			tasks = append(tasks, task)
		}
		time.Sleep(time.Second)
		for _, task := range tasks {
			l.slowDown(task, time.Now())
		}
		if l.concurrency != 8 {
			t.Errorf("the concurrency is %d after 16 attempts failed together, want 8", l.concurrency)
		}
	})
}

func TestALaneWithABacklogDoesNotKeepAnotherWaiting(t *testing.T) {
	t.Parallel()
	for _, latency := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.fallback = takes(latency)
				w.healthy("quiet")
				for range 50_000 {
					w.emit("busy")
				}
				w.start(20, 1)
				time.Sleep(15 * time.Second) // busy has all workers by now
				for range 10 {
					w.emit("quiet")
					time.Sleep(time.Second)
				}
				if list := w.waits("quiet"); list[len(list)-1] > latency {
					t.Errorf("the quiet lane's jobs waited up to %v, longer than an attempt takes", list[len(list)-1])
				}
				w.stop()
			})
		})
	}
}

func TestALaneThatBeginsLaterDoesNotComeFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.fallback = takes(10 * time.Millisecond)
		for range 20_000 {
			w.emit("early")
		}
		w.start(20, 1)
		time.Sleep(3 * time.Second)
		for range 10_000 {
			w.emit("late")
		}
		time.Sleep(time.Second) // both are in full swing
		before, beforeLate := w.count("early"), w.count("late")
		time.Sleep(2 * time.Second)
		n, m := w.count("early")-before, w.count("late")-beforeLate
		if n < (n+m)*4/10 || m < (n+m)*4/10 {
			t.Errorf("%d attempts of the first lane, %d of the one that began later; want halves", n, m)
		}
		w.stop()
	})
}

func TestWorkersDoNotWaitForTheQueuesAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		q.onReceive = func(ctx context.Context, want queue.Want) ([]queue.Lease, error) {
			leases, err := q.Memory.Receive(ctx, want)
			time.Sleep(10 * time.Millisecond) // the way there and back
			return leases, err
		}
		w := newWorld(t, q)
		w.fallback = takes(10 * time.Millisecond)
		for range 10_000 {
			w.emit("a")
		}
		w.start(20, 1)
		time.Sleep(2 * time.Second)
		checkRate(t, w.rate(2*time.Second), 20/0.01)
		w.stop()
	})
}

func TestAReceiveUnderWayIsNotRepeatedForEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		var receives atomic.Int64
		q.onReceive = func(ctx context.Context, want queue.Want) ([]queue.Lease, error) {
			receives.Add(1)
			return q.Memory.Receive(ctx, want)
		}
		w := newWorld(t, q)
		w.fallback = takes(50 * time.Millisecond)
		for range 1000 { // it has all workers
			w.emit("a")
		}
		w.start(20, 1)
		time.Sleep(10 * time.Second)
		before := receives.Load()
		for range 20 {
			w.emit("a")
		}
		time.Sleep(10 * time.Second)
		if n := receives.Load() - before; n > 5 {
			t.Errorf("%d Receives for 20 jobs that came together and whose attempts ended one by one", n)
		}
		w.stop()
	})
}

func TestRule9ARateLimitSpacesAttemptsAndOccupiesNoWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.fallback = takes(0)
		w.healthy("limited", "other")
		w.rates["limited"] = Rate{PerSecond: 10, Burst: 5}
		w.start(2, 1)
		for range 105 {
			w.emit("limited")
			w.emit("other")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if n := w.count("other"); n != 105 {
			t.Errorf("%d of 105 attempts of the lane without a limit were made at once", n)
		}
		if n := w.here(); n > 1 {
			t.Errorf("%d jobs of the limited lane wait here, want one: none can begin within 50 ms", n)
		}
		time.Sleep(12 * time.Second)
		var times []time.Time
		for _, e := range w.events() {
			if e.lane == "limited" {
				times = append(times, e.began)
			}
		}
		if len(times) != 105 || times[104].Sub(times[0]) > 10100*time.Millisecond {
			t.Errorf("%d of 105 attempts, 5 at once and 10 a second, in %v", len(times), times[len(times)-1].Sub(times[0]))
		}
		for i := 15; i < len(times); i++ {
			if d := times[i].Sub(times[i-15]); d < 999*time.Millisecond {
				t.Fatalf("attempts %d to %d within %v", i-15, i, d)
			}
		}
		w.stop()
	})
}

func TestRule9ALaneReceivesWhatCanBeginWithin50Milliseconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.fallback = takes(time.Millisecond)
		w.healthy("limited")
		w.rates["limited"] = Rate{PerSecond: 1000, Burst: 1}
		for range 10_000 {
			w.emit("limited")
		}
		w.start(20, 1)
		time.Sleep(2 * time.Second)
		checkRate(t, w.rate(2*time.Second), 1000)
		if s := stats(t, w.q); s.Leased > 52 {
			t.Errorf("%d jobs are leased", s.Leased)
		}
		w.stop()
	})
}

func TestRule9ManyLimitedLanesDoNotFillThePool(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		limited := names("limited", 300)
		w.healthy(append(limited, "other")...)
		for _, lane := range limited {
			w.rates[lane] = Rate{PerSecond: 0.1, Burst: 1}
		}
		w.start(20, 1)
		for range 5 {
			for _, lane := range limited {
				w.emit(lane)
			}
		}
		time.Sleep(time.Second)
		w.every(100*time.Millisecond, time.Minute, "other")
		time.Sleep(time.Minute)
		if list := w.waits("other"); p99(list) > 10*time.Millisecond || len(list) < 500 {
			t.Errorf("p99 of a lane without a limit is %v (%d jobs)", p99(list), len(list))
		}
		if n := w.count("") - w.count("other"); n < 1500 {
			t.Errorf("%d of 1500 limited jobs were attempted", n)
		}
		w.stop()
	})
}

func TestSetRateTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.fallback = takes(0)
		w.healthy("a")
		w.rates["a"] = Rate{PerSecond: 0.001, Burst: 1}
		w.start(2, 1)
		for range 100 {
			w.emit("a")
		}
		time.Sleep(time.Second)
		if n := w.count("a"); n != 1 {
			t.Fatalf("%d attempts, want 1", n)
		}
		w.mu.Lock()
		delete(w.rates, "a")
		w.mu.Unlock()
		w.s.SetRate("a", Rate{})
		time.Sleep(time.Second)
		if n := w.count("a"); n != 100 {
			t.Errorf("%d of 100 attempts after the limit was removed", n)
		}
		w.stop()
	})
}

func TestRatesNearTheirLimitsDoNotSpin(t *testing.T) {
	t.Parallel()
	for _, r := range []Rate{{PerSecond: 1e308}, {PerSecond: 1e-300, Burst: 1}, {PerSecond: 3, Burst: 1 << 62}, {PerSecond: -1}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.rates["a"] = r
			w.start(2, 1)
			for range 5 {
				w.emit("a")
			}
			time.Sleep(2 * time.Second)
			if n := w.count("a"); n < 1 {
				t.Errorf("no attempt with %+v", r)
			}
			w.stop()
		})
	}
}

func TestAnOrderedLaneHasOneJobInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		n := 0
		w.fallback = func(ctx context.Context, task *Task) Result {
			if n++; n%5 == 0 {
				return failure(task)
			}
			return takes(time.Millisecond)(ctx, task)
		}
		w.start(20, 2)
		var ids []string
		for i := range 50 {
			id := fmt.Sprint("job-", i)
			ids = append(ids, id)
			_ = w.q.Enqueue(t.Context(), []queue.Job{{ID: id, Lane: "a", Ordered: true}})
		}
		time.Sleep(5 * time.Minute)
		var got []string
		for _, e := range w.events() {
			if e.result.Action == Ack {
				got = append(got, e.id)
			}
		}
		if !slices.Equal(got, ids) || w.peakOf("a") != 1 {
			t.Errorf("%d at once, in the order %q", w.peakOf("a"), got)
		}
		w.stop()
	})
}
