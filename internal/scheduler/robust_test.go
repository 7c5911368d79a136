package scheduler

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// rogue is a world whose handler does what it should not.
type rogue struct {
	*world
	open    func(t *Task) Job
	changed func()
	failed  func()
}

func (r *rogue) Open(t *Task) Job {
	if r.open != nil {
		return r.open(t)
	}
	return r.world.Open(t)
}

func (r *rogue) LaneChanged(lane string, from, to LaneState) {
	r.world.LaneChanged(lane, from, to)
	if r.changed != nil {
		r.changed()
	}
}

func (r *rogue) QueueFailed(operation string, n int, err error) {
	r.world.QueueFailed(operation, n, err)
	if r.failed != nil {
		r.failed()
	}
}

func (r *rogue) start(workers int) {
	r.s = New(r.q, workers, 1, r)
	r.s.Start()
	r.tb.Cleanup(r.stop)
}

func TestAPanicCostsItsAttemptAlone(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){"panic": func() { panic("rogue") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				var n atomic.Int64
				w.fallback = func(ctx context.Context, task *Task) Result {
					if n.Add(1) <= 40 {
						end()
					}
					return takes(time.Millisecond)(ctx, task)
				}
				w.start(4, 1)
				for range 20 {
					w.emit("a")
				}
				time.Sleep(5 * time.Minute)
				if w.delivered() != 20 || w.panicked() != 40 {
					t.Errorf("%d of 20 delivered, %d of 40 panics told", w.delivered(), w.panicked())
				}
				for _, e := range w.events() {
					if e.result.Action == Ack && e.end.IsZero() {
						t.Error("no end")
					}
				}
				w.stop()
			})
		})
	}
}

func TestCallbacksThatPanicHarmNothing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){"panic": func() { panic("rogue") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t)
				fails := func() error {
					if rand.Intn(3) == 0 {
						return errors.New("connection reset")
					}
					return nil
				}
				q.onReceive = func(ctx context.Context, want queue.Want) ([]queue.Lease, error) {
					if err := fails(); err != nil {
						return nil, err
					}
					return q.Memory.Receive(ctx, want)
				}
				q.onNack = func(ctx context.Context, nacks []queue.Nack) error {
					if err := fails(); err != nil {
						return err
					}
					return q.Memory.Nack(ctx, nacks)
				}
				w := &rogue{world: newWorld(t, q), changed: end, failed: end}
				var opened atomic.Int64
				w.open = func(task *Task) Job {
					if opened.Add(1)%5 == 0 {
						end()
					}
					return w.world.Open(task)
				}
				began := time.Now()
				w.fallback = func(ctx context.Context, task *Task) Result {
					if time.Since(began) < 30*time.Second {
						return failure(task)
					}
					return takes(time.Millisecond)(ctx, task)
				}
				w.start(4)
				for i := range 100 {
					w.emit(fmt.Sprint("lane", i%10))
				}
				time.Sleep(30 * time.Minute)
				if n := w.delivered(); n != 100 {
					t.Errorf("%d of 100 delivered", n)
				}
				if !w.s.Idle() {
					t.Error("tasks are left behind")
				}
				w.stop()
			})
		})
	}
}

func TestUnknownResultsAreRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.healthy("a")
		n := 0
		w.set("a", func(context.Context, *Task) Result {
			if n++; n < 5 {
				return Result{Action: 200, Evidence: 200, Counted: true, Delay: -time.Hour, Hold: -1}
			}
			return Result{Evidence: Up}
		})
		w.start(1, 1)
		w.emit("a")
		time.Sleep(time.Minute)
		if w.delivered() != 1 || len(w.seen()) > 0 {
			t.Errorf("%d delivered, changes: %q", w.delivered(), w.seen())
		}
		w.stop()
	})
}

func TestStopReturnsInTimeWhateverBlocks(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Run", "LaneChanged", "Release", "Nack", "Receive", "Extend"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				block := make(chan struct{})
				q := rig(t)
				w := &rogue{world: newWorld(t, q)}
				w.fallback = refuses
				switch name {
				case "Run":
					w.fallback = func(context.Context, *Task) Result { <-block; return Result{} }
				case "LaneChanged":
					w.changed = func() { <-block }
				case "Release":
					w.fallback = hangs
					q.onRelease = func(context.Context, []queue.Lease) error { <-block; return nil }
				case "Nack":
					q.onNack = func(context.Context, []queue.Nack) error { <-block; return nil }
				case "Receive":
					q.onReceive = func(context.Context, queue.Want) ([]queue.Lease, error) { <-block; return nil, nil }
				case "Extend":
					w.fallback = hangs
					q.onExtend = func(context.Context, []queue.Lease) error { <-block; return nil }
				}
				w.start(4)
				for range 100 {
					w.emit("a")
				}
				time.Sleep(15 * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				began := time.Now()
				if name == "Release" { // Stop itself calls it
					go func() { time.Sleep(3 * time.Second); close(block) }()
				}
				w.s.Stop(ctx)
				if took := time.Since(began); took > 2*time.Second && name != "Release" {
					t.Errorf("Stop with half a second returned after %v", took)
				}
				if name != "Release" {
					close(block)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestStopGivesEverythingBack(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{4, 200} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.fallback = hangs
			w.healthy(names("lane", 500)...)
			w.start(workers, 2)
			for _, lane := range names("lane", 500) {
				w.emit(lane)
			}
			time.Sleep(500 * time.Millisecond)
			if s := stats(t, w.q); s.Leased < workers {
				t.Fatalf("%d jobs leased", s.Leased)
			}
			began := time.Now()
			w.stop()
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("Stop took %v", took)
			}
			if s := stats(t, w.q); s.Leased != 0 || s.Ready+s.Delayed != 500 {
				t.Errorf("the queue has %+v", s)
			}
			for _, c := range w.seen() {
				t.Errorf("an aborted attempt changed a lane: %s", c)
			}
		})
	}
}

func TestStopWaitsForWhatRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.healthy("a")
		w.fallback = takes(3 * time.Second)
		w.start(4, 1)
		w.emit("a")
		time.Sleep(time.Second)
		w.s.Stop(t.Context())
		if w.delivered() != 1 || !w.s.Idle() {
			t.Errorf("%d delivered", w.delivered())
		}
	})
}

func TestAClosedQueueEndsNothingLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.healthy("a")
		w.fallback = takes(time.Second)
		w.start(4, 1)
		for range 10 {
			w.emit("a")
		}
		time.Sleep(500 * time.Millisecond)
		_ = w.q.Close()
		time.Sleep(time.Second)
		began := time.Now()
		w.s.Stop(t.Context())
		if took := time.Since(began); took > time.Second {
			t.Errorf("Stop took %v", took)
		}
	})
}

// TestEveryJobIsSettled has random lanes, workers and pollers: wherever nobody looks again for what
// may begin, the time runs out.
func TestEveryJobIsSettled(t *testing.T) {
	t.Parallel()
	for seed := range int64(100) {
		synctest.Test(t, func(t *testing.T) { settleAll(t, rand.New(rand.NewSource(seed)), seed) })
	}
}

func settleAll(t *testing.T, r *rand.Rand, seed int64) {
	w := newWorld(t, rig(t))
	began := time.Now()
	lanes := names("lane", 1+r.Intn(12))
	ordered := map[string]bool{}
	for _, lane := range lanes {
		latency := time.Duration(1+r.Intn(200)) * time.Millisecond
		until, hang := time.Duration(0), r.Intn(2) == 0
		switch r.Intn(5) {
		case 0:
			w.rates[lane] = Rate{PerSecond: float64(2 + r.Intn(20)), Burst: 1 + r.Intn(5)}
		case 1:
			ordered[lane] = true
			latency /= 10
		case 2:
			until = time.Duration(r.Intn(20)) * time.Second
		case 3:
			w.healthy(lane)
		}
		w.set(lane, func(ctx context.Context, task *Task) Result {
			switch {
			case time.Since(began) >= until:
				return takes(latency)(ctx, task)
			case hang:
				return hangs(ctx, task)
			}
			return failure(task)
		})
	}
	w.start(1+r.Intn(10), 1+r.Intn(3))
	for i := range 200 {
		lane := lanes[r.Intn(len(lanes))]
		id := fmt.Sprint(lane, "-", i)
		_ = w.q.Enqueue(t.Context(), []queue.Job{{ID: id, Lane: lane, Ordered: ordered[lane]}})
		time.Sleep(time.Duration(r.Intn(30)) * time.Millisecond)
	}
	for range 3600 {
		if w.delivered() == 200 {
			break
		}
		time.Sleep(time.Second)
	}
	if n := w.delivered(); n != 200 {
		t.Errorf("seed %d: %d of 200 delivered", seed, n)
	}
	synctest.Wait()
	checkCounts(t, w.s)
	w.stop()
	if s := stats(t, w.q); s.Leased > 0 {
		t.Errorf("seed %d: %d jobs leased after Stop", seed, s.Leased)
	}
	checkCounts(t, w.s)
}

// checkCounts compares the scheduler's counters with what its lanes hold.
func checkCounts(t *testing.T, s *Scheduler) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var waiting, running int
	var classes [healths]class
	for _, l := range s.lanes {
		waiting += l.waiting.len
		running += l.running
		c := &classes[l.health]
		c.waiting += l.waiting.len
		c.running += l.running
		c.ready += l.ready
	}
	if waiting != s.waiting || running != s.running || waiting+running != s.tasks.len {
		t.Errorf("lanes have %d tasks waiting and %d running, the scheduler %d and %d of %d", waiting, running, s.waiting, s.running, s.tasks.len)
	}
	for i := range classes {
		a, b := &classes[i], &s.classes[i]
		if a.waiting != b.waiting || a.running != b.running || a.ready != b.ready {
			t.Errorf("%v lanes have %+v, the scheduler %+v", queue.Health(i), a, b)
		}
	}
	if s.stopped && (s.reserved != 0 || s.receiving != 0) {
		t.Errorf("%d tasks reserved by %d Receives after Stop", s.reserved, s.receiving)
	}
}

func TestRecordsOfLanesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.fallback = takes(0)
		w.start(20, 1)
		for i := range 20_000 {
			w.emit(fmt.Sprint("lane", i))
			if i%100 == 0 {
				time.Sleep(time.Second)
			}
		}
		time.Sleep(10 * time.Second)
		if n := w.records(); n > maxPlain || w.delivered() != 20_000 {
			t.Errorf("%d records of lanes without tasks, %d delivered", n, w.delivered())
		}
		w.stop()
	})
}

func TestFailuresAreRememberedWhileALaneIsIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.healthy("a")
		w.set("a", func(_ context.Context, _ *Task) Result {
			return Result{Action: DeadLetter, Evidence: Down, Reason: "status 500"}
		})
		w.start(20, 1)
		for range 10 {
			w.emit("a")
			for i := range 50 {
				w.emit(fmt.Sprint("other", i))
			}
			time.Sleep(10 * time.Second)
		}
		if got := w.held("a"); got.Holds != 1 {
			t.Errorf("the lane is %+v after ten failures in a row", got)
		}
		if !strings.Contains(strings.Join(w.seen(), "\n"), "a: healthy to failing held") {
			t.Errorf("changes: %q", w.seen())
		}
		w.stop()
	})
}
