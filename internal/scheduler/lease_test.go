package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// endless waits until its attempt is ended, for longer than a lease lasts.
type endless struct {
	t     *Task
	ended chan<- time.Time
}

func (e *endless) Rate() Rate     { return Rate{} }
func (e *endless) Settled(Result) {}

func (e *endless) Run() Result {
	ctx, cancel := e.t.Attempt(time.Now(), 10*time.Minute)
	defer cancel()
	<-ctx.Done()
	e.ended <- time.Now()
	return failure(e.t)
}

func TestAnAttemptIsEndedAtItsLeasesEnd(t *testing.T) {
	t.Parallel()
	for name, extend := range map[string]func(context.Context) error{
		"renewing fails": func(context.Context) error { return errors.New("connection refused") },
		"renewing hangs": hang,
	} {
		for _, failFrom := range []time.Duration{0, 15 * time.Second, 25 * time.Second} {
			t.Run(fmt.Sprint(name, " from ", failFrom), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := rig(t)
					began := time.Now()
					leased := began // by the last extension that worked
					q.onExtend = func(ctx context.Context, l []queue.Lease) error {
						if time.Since(began) >= failFrom {
							return extend(ctx)
						}
						leased = time.Now()
						return q.Memory.Extend(ctx, l)
					}
					ended := make(chan time.Time, 10)
					w := &rogue{world: newWorld(t, q), open: func(task *Task) Job { return &endless{task, ended} }}
					w.start(1)
					w.emit("a")
					at := <-ended
					if d := at.Sub(leased); d > 30*time.Second || d < 29*time.Second {
						t.Errorf("ended %v after the lease began, want 30 s", d)
					}
					w.stop()
				})
			})
		}
	}
}

func TestAnAttemptLongerThanItsLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	for _, failures := range []int{0, 2} { // of three renewals
		synctest.Test(t, func(t *testing.T) {
			q := rig(t)
			n := 0
			q.onExtend = func(ctx context.Context, l []queue.Lease) error {
				if n++; n%3 < failures {
					return errors.New("connection reset")
				}
				return q.Memory.Extend(ctx, l)
			}
			w := newWorld(t, q)
			w.healthy("a")
			w.fallback = func(context.Context, *Task) Result {
				time.Sleep(5 * time.Minute)
				return Result{Evidence: Up}
			}
			w.start(20, 1)
			for range 2 {
				w.emit("a")
			}
			time.Sleep(11 * time.Minute)
			if w.delivered() != 2 || w.count("") != 2 || w.losses() > 0 {
				t.Errorf("%d of 2 delivered, %d attempts, %d leases lost", w.delivered(), w.count(""), w.losses())
			}
			w.stop()
		})
	}
}

func TestShortAttemptsAreNeverRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		var extended atomic.Int64
		q.onExtend = func(ctx context.Context, l []queue.Lease) error {
			extended.Add(int64(len(l)))
			return q.Memory.Extend(ctx, l)
		}
		w := newWorld(t, q)
		for range 20_000 {
			w.emit("a")
		}
		w.start(2, 1)
		time.Sleep(time.Minute)
		if n := extended.Load(); n > 0 || w.delivered() != 20_000 {
			t.Errorf("%d renewals, %d delivered", n, w.delivered())
		}
		w.stop()
	})
}

func TestARenewalSaysNothingOfJobsThatAreSettledMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		q.onExtend = func(ctx context.Context, l []queue.Lease) error {
			time.Sleep(3 * time.Second) // the way there
			return q.Memory.Extend(ctx, l)
		}
		w := newWorld(t, q)
		w.healthy("a")
		w.fallback = func(context.Context, *Task) Result {
			time.Sleep(11 * time.Second)
			return Result{Evidence: Up}
		}
		w.start(20, 1)
		for range 20 {
			w.emit("a")
			time.Sleep(time.Second)
		}
		time.Sleep(5 * time.Minute)
		if w.delivered() != 20 || w.losses() > 0 || w.failures("extend") > 0 {
			t.Errorf("%d of 20 delivered, %d leases lost, %d failures", w.delivered(), w.losses(), w.failures("extend"))
		}
		w.stop()
	})
}

func TestALateAckIsRefusedAndTheJobRunsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		q.onExtend = func(context.Context, []queue.Lease) error { return errors.New("connection refused") }
		w := newWorld(t, q)
		var first atomic.Bool
		w.fallback = func(context.Context, *Task) Result {
			if first.CompareAndSwap(false, true) {
				time.Sleep(40 * time.Second) // it does not heed its context
			}
			return Result{Evidence: Up}
		}
		w.start(20, 1)
		w.emit("a")
		time.Sleep(2 * time.Minute)
		if w.count("") != 2 || w.delivered() != 1 || w.losses() != 1 {
			t.Errorf("%d attempts, %d delivered, %d leases lost", w.count(""), w.delivered(), w.losses())
		}
		w.stop()
	})
}

func TestASettlementThatFailsIsRepeated(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} { // what is lost: the call, or its answer
		synctest.Test(t, func(t *testing.T) {
			q := rig(t)
			failures := 0
			q.onAck = func(ctx context.Context, l []queue.Lease) error {
				if failures++; failures > 3 {
					return q.Memory.Ack(ctx, l)
				}
				if lost {
					_ = q.Memory.Ack(ctx, l)
				}
				return errors.New("connection reset")
			}
			w := newWorld(t, q)
			w.start(20, 1)
			w.emit("a")
			time.Sleep(time.Minute)
			if w.delivered() != 1 || w.count("") != 1 || w.losses() > 0 {
				t.Errorf("%d delivered, %d attempts, %d leases lost", w.delivered(), w.count(""), w.losses())
			}
			w.stop()
		})
	}
}

func TestDeliveredJobsThatAreUnsettledAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		var down atomic.Bool
		q.onAck = func(ctx context.Context, l []queue.Lease) error {
			if down.Load() {
				return errors.New("connection refused")
			}
			return q.Memory.Ack(ctx, l)
		}
		w := newWorld(t, q)
		w.fallback = takes(10 * time.Millisecond)
		for range 2000 {
			w.emit("a")
		}
		w.start(20, 1)
		time.Sleep(505 * time.Millisecond)
		down.Store(true)
		settled := w.delivered()
		time.Sleep(10 * time.Second)
		if n := w.count("") - settled; n > 20+20*acksPerWorker || n < 2 {
			t.Errorf("%d delivered jobs are unsettled, at most 100 may be", n)
		}
		down.Store(false)
		time.Sleep(time.Minute)
		if w.delivered() != 2000 || w.count("") != 2000 {
			t.Errorf("%d delivered, %d attempts", w.delivered(), w.count(""))
		}
		w.stop()
	})
}

func TestASettlementThatNeverSucceedsCostsNoWorkerForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		q.onDead = func(context.Context, queue.Lease, string) error { return errors.New("access denied") }
		w := newWorld(t, q)
		w.fallback = func(context.Context, *Task) Result { return Result{Action: DeadLetter, Evidence: Up, Reason: "gone"} }
		w.set("fine", takes(time.Millisecond))
		w.start(20, 1)
		for _, lane := range names("gone", 30) {
			w.emit(lane)
		}
		time.Sleep(time.Second)
		w.emit("fine")
		time.Sleep(5 * time.Minute)
		if w.delivered() != 1 {
			t.Error("the lane that works got nothing")
		}
		w.stop()
	})
}

func TestAWorkerDoesNotWaitForItsAck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		q.onAck = func(ctx context.Context, l []queue.Lease) error {
			time.Sleep(15 * time.Millisecond)
			return q.Memory.Ack(ctx, l)
		}
		w := newWorld(t, q)
		w.fallback = takes(10 * time.Millisecond)
		for range 5000 {
			w.emit("a")
		}
		w.start(20, 1)
		time.Sleep(time.Second) // for the lane to have all workers
		before := w.count("")
		time.Sleep(time.Second / 2)
		if n := w.count("") - before; n < 900 || n > 1100 {
			t.Errorf("%d attempts in half a second, want the 1000 of workers that do not wait", n)
		}
		w.s.Stop(t.Context())
		w.stop()
		if w.delivered() != w.count("") {
			t.Errorf("%d attempts, and %d acks when the scheduler has stopped", w.count(""), w.delivered())
		}
	})
}

func TestAnOrderedLanesNextJobWaitsForTheAck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		var unacked, most atomic.Int64
		q.onAck = func(ctx context.Context, l []queue.Lease) error {
			time.Sleep(40 * time.Millisecond)
			unacked.Add(-int64(len(l)))
			return q.Memory.Ack(ctx, l)
		}
		w := newWorld(t, q)
		w.fallback = func(context.Context, *Task) Result {
			most.Store(max(most.Load(), unacked.Add(1)))
			return Result{Evidence: Up}
		}
		for i := range 20 {
			job := queue.Job{ID: fmt.Sprint(i), Lane: "a", Ordered: true}
			if err := q.Enqueue(t.Context(), []queue.Job{job}); err != nil {
				t.Fatal(err)
			}
		}
		w.start(20, 1)
		time.Sleep(time.Minute)
		if most.Load() != 1 || w.delivered() != 20 {
			t.Errorf("%d jobs of the lane were unsettled at once; %d were delivered", most.Load(), w.delivered())
		}
		w.stop()
	})
}

func TestAcksThatGatherShareACall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		var calls atomic.Int64
		q.onAck = func(ctx context.Context, l []queue.Lease) error {
			calls.Add(1)
			time.Sleep(10 * time.Millisecond)
			return q.Memory.Ack(ctx, l)
		}
		w := newWorld(t, q)
		w.fallback = takes(time.Millisecond)
		for range 2000 {
			w.emit("a")
		}
		w.start(100, 1)
		time.Sleep(10 * time.Second)
		if n := calls.Load(); n > 300 || w.delivered() != 2000 {
			t.Errorf("%d calls for 2000 acks, %d delivered", n, w.delivered())
		}
		w.stop()
	})
}

// once makes q deliver at most once.
func once(q *riggedQueue) *riggedQueue {
	q.traits.AtMostOnce = true
	return q
}

func TestAnAtMostOnceQueuePrefetchesOneJobAWorker(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 2, 10} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, once(rig(t)))
			w.fallback = takes(10 * time.Millisecond)
			w.start(20, 1)
			for range 10_000 / lanes {
				for _, lane := range names("lane", lanes) {
					w.emit(lane)
				}
			}
			peak := 0
			for range 300 {
				time.Sleep(10 * time.Millisecond)
				peak = max(peak, w.here())
			}
			if peak > 60 || peak < 20 {
				t.Errorf("%d jobs here with 20 workers, want at most 20 that run and 40 that wait", peak)
			}
			w.stop()
		})
	}
}

func TestAnAtMostOnceQueueHearsOfTheFirstAckAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := once(rig(t))
		var acks, drops atomic.Int64
		q.onAck = func(ctx context.Context, l []queue.Lease) error {
			acks.Add(int64(len(l)))
			return q.Memory.Ack(ctx, l)
		}
		q.onNack = func(ctx context.Context, n []queue.Nack) error {
			drops.Add(int64(len(n)))
			return nil
		}
		w := newWorld(t, q)
		w.set("bad", refuses)
		w.start(1, 1)
		for range 20 {
			w.emit("good")
			time.Sleep(time.Second)
		}
		w.emit("bad")
		time.Sleep(time.Second)
		if n := acks.Load(); n != 1 || w.delivered() != 20 {
			t.Errorf("%d acks, %d delivered", n, w.delivered())
		}
		if r := w.results()["bad-21"]; drops.Load() != 1 || r.Action != Drop || r.Reason != "timeout" {
			t.Errorf("a failed attempt ended as %+v after %d Nacks, want a Drop", r, drops.Load())
		}
		w.stop()
	})
}

func TestWhatAnAtMostOnceQueueDoesNotTakeBackIsDropped(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errors.New("connection refused"), queue.ErrLeaseLost, queue.ErrClosed} {
		synctest.Test(t, func(t *testing.T) {
			q := once(rig(t))
			q.onRelease = func(context.Context, []queue.Lease) error { return err }
			w := newWorld(t, q)
			w.fallback = takes(20 * time.Millisecond)
			for range 1000 {
				w.emit("a")
			}
			w.start(20, 1)
			time.Sleep(2 * time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			w.s.Stop(ctx)
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("Stop took %v", took)
			}
			dropped := 0
			for _, r := range w.results() {
				if r.Action == Drop && r.Reason != "" {
					dropped++
				}
			}
			if dropped == 0 {
				t.Error("nothing was dropped")
			}
			if s := stats(t, q); s.Ready+w.delivered()+dropped != 1000 {
				t.Errorf("%d ready, %d delivered, %d dropped of 1000", s.Ready, w.delivered(), dropped)
			}
		})
	}
}
