package scheduler

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// callCounter counts the calls of a queue and the jobs that came back unused.
type callCounter struct {
	*queue.Memory
	traits             queue.Traits
	calls              atomic.Int64 // Receive, Release and Nack
	released, putOff   atomic.Int64 // jobs
	received, receives atomic.Int64
}

func (q *callCounter) Traits() queue.Traits { return q.traits }

func (q *callCounter) Receive(ctx context.Context, want queue.Want) ([]queue.Lease, error) {
	time.Sleep(time.Millisecond) // a storm must not stop the test's clock
	l, err := q.Memory.Receive(ctx, want)
	q.calls.Add(1)
	q.receives.Add(1)
	q.received.Add(int64(len(l)))
	return l, err
}

func (q *callCounter) Release(ctx context.Context, l []queue.Lease) error {
	q.calls.Add(1)
	q.released.Add(int64(len(l)))
	return q.Memory.Release(ctx, l)
}

func (q *callCounter) Nack(ctx context.Context, n []queue.Nack) error {
	q.calls.Add(1)
	for i := range n {
		if !n[i].Counted {
			q.putOff.Add(1)
		}
	}
	return q.Memory.Nack(ctx, n)
}

// surplusWorld has many lanes with a backlog that can begin nothing, ten quiet ones and a busy one.
type surplusWorld struct {
	*world
	q     *callCounter
	lanes []string
	quiet []string
}

func newSurplus(t *testing.T, lanes, backlog int) *surplusWorld {
	t.Helper()
	m := memory(t)
	q := &callCounter{Memory: m, traits: m.Traits()}
	w := &surplusWorld{world: newWorld(t, q), q: q, lanes: names("full", lanes), quiet: names("quiet", 10)}
	w.healthy(append(append([]string{"busy"}, w.quiet...), w.lanes...)...)
	for range backlog {
		for _, l := range w.lanes {
			w.emit(l)
		}
	}
	return w
}

// observe runs for the time, with an event a second for each quiet lane and 200 for the busy one,
// and returns how many attempts were made and how many jobs came back.
func (w *surplusWorld) observe(d time.Duration) (attempts, calls, back int64) {
	before, calls, back := int64(w.count("")), w.q.calls.Load(), w.q.released.Load()+w.q.putOff.Load()
	for _, l := range w.quiet {
		w.every(time.Second, d, l)
	}
	w.every(5*time.Millisecond, d, "busy")
	time.Sleep(d)
	return int64(w.count("")) - before, w.q.calls.Load() - calls, w.q.released.Load() + w.q.putOff.Load() - back
}

// check checks that healthy lanes do not suffer, that the queue is not asked much more often than
// attempts are made, and how many jobs were received for nothing.
func (w *surplusWorld) check(attempts, calls, back, limit int64) {
	w.tb.Helper()
	wait := p99(w.waits(w.quiet...))
	w.tb.Logf("%d attempts, %d calls, %d jobs came back; quiet lanes wait up to %v", attempts, calls, back, wait)
	if calls > 2*attempts {
		w.tb.Errorf("%d calls of the queue for %d attempts", calls, attempts)
	}
	if back > limit {
		w.tb.Errorf("%d jobs were received for nothing, at most %d should be", back, limit)
	}
	if wait > 1500*time.Millisecond {
		w.tb.Errorf("events of a healthy lane wait up to %v", wait)
	}
}

func TestRule9ManyLimitedLanesWithABacklogCauseNoStorm(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rate    float64
		backlog int
		workers int
		shared  bool
	}{{0.05, 10, 20, true}, {0.05, 10, 3000, true}, {1, 90, 3000, true}, {0.05, 10, 3000, false}} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newSurplus(t, 1500, test.backlog)
				w.q.traits.SharedLanes = test.shared
				for _, l := range w.lanes {
					w.rates[l] = Rate{PerSecond: test.rate, Burst: 1}
				}
				w.fallback = takes(time.Millisecond)
				w.start(test.workers, 3)
				time.Sleep(5 * time.Second) // the tokens of the beginning
				before := w.byLane()
				const span = time.Minute
				attempts, calls, back := w.observe(span)
				limit := 4 * attempts
				if !test.shared { // the pause alone bounds it
					limit = int64(span / surplusPause)
				}
				w.check(attempts, calls, back, limit)
				after := w.byLane()
				want := test.rate * span.Seconds()
				for _, l := range w.lanes {
					if n := float64(after[l] - before[l]); math.Abs(n-want) > max(1, want/10) {
						t.Fatalf("%v attempts of a lane, whose rate allows %v", n, want)
					}
				}
				w.stop()
			})
		})
	}
}

// byLane counts the attempts of each lane.
func (w *world) byLane() map[string]int {
	n := map[string]int{}
	for _, e := range w.events() {
		n[e.lane]++
	}
	return n
}

func TestRule6ManyLanesAtTheirLimitCauseNoStorm(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprint("ordered ", ordered), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newSurplus(t, 1500, 0)
				for i := range 10 {
					for _, l := range w.lanes {
						w.set(l, hangs)
						job := queue.Job{ID: fmt.Sprint(l, ":", i), Lane: l, Ordered: ordered}
						if err := w.q.Enqueue(t.Context(), []queue.Job{job}); err != nil {
							t.Fatal(err)
						}
					}
				}
				w.start(5000, 3)
				time.Sleep(time.Second)
				const span = 8 * time.Second // less than a timeout: all of them hang
				attempts, calls, back := w.observe(span)
				w.check(attempts, calls, back, 2*int64(10*len(w.lanes)))
				w.stop()
			})
		})
	}
}
