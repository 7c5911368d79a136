package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// endsInTime ends e by Close or by a Shutdown of five seconds, and checks that neither takes
// longer.
func endsInTime(t *testing.T, e *Emitter, closes bool) error {
	t.Helper()
	began, allowed := time.Now(), 3*time.Second
	var err error
	if closes {
		err = e.Close()
	} else {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err = e.Shutdown(ctx)
		allowed += 5 * time.Second
	}
	if took := time.Since(began); took > allowed {
		t.Errorf("it took %v", took)
	}
	return err
}

func TestEndingReturnsInTimeWhateverBlocks(t *testing.T) {
	t.Parallel()
	for _, where := range []string{
		"Emitted", "Dropped", "Enqueued", "Attempted", "DeadLettered", "LaneChanged", "Handle", "Enabled", "sender",
	} {
		for _, closes := range []bool{false, true} {
			for _, durable := range []bool{false, true} {
				t.Run(fmt.Sprint(where, " closes ", closes, " durable ", durable), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { endBlocked(t, where, closes, durable) })
				})
			}
		}
	}
}

func endBlocked(t *testing.T, where string, closes, durable bool) {
	never := make(chan struct{})
	var blocked atomic.Int64
	at := func(what string) {
		if what == where {
			blocked.Add(1)
			<-never
		}
	}
	q := rig(t, queue.MemoryOptions{})
	q.traits.Durable = durable
	gone := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
	to := &endpoint{answer: func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
		at("sender")
		if strings.Contains(r.URL, "gone") {
			return gone
		}
		return status(500)
	}}
	e := start(t, to, with(q), unbatched, outboxOf(4<<10), apps(testApp("http://down.test/", "http://gone.test/")), func(o *Options) {
		o.Logger = slog.New(oddHandler{map[string]func(){"Handle": func() { at("Handle") }, "Enabled": func() { at("Enabled") }}})
		o.Debounce = time.Second
		o.Trace = &Trace{
			Emitted: func(EmittedInfo) { at("Emitted") }, Enqueued: func(EnqueuedInfo) { at("Enqueued") },
			Attempted: func(AttemptedInfo) { at("Attempted") }, DeadLettered: func(DeadLetteredInfo) { at("DeadLettered") },
			Dropped: func(DroppedInfo) { at("Dropped") }, LaneChanged: func(LaneChangedInfo) { at("LaneChanged") },
		}
	})
	go func() {
		for i := range 200 {
			_ = e.Emit(occupied(i))
			if i > 50 {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	time.Sleep(20 * time.Second)
	if blocked.Load() == 0 {
		t.Fatal("nothing blocks")
	}
	go func() { _ = e.Emit(ChannelVacated("my-app", "vacant")) }() // is held when the end comes
	time.Sleep(500 * time.Millisecond)
	err := endsInTime(t, e, closes)
	if s := e.Stats(); s.Pending > 0 && err == nil {
		t.Errorf("no error, stats: %+v", s)
	}
	checkTotals(t, e)
	close(never)
	time.Sleep(time.Minute)
}

func TestEndingAfterTheQueueWasClosed(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{false, true} {
		for _, closes := range []bool{false, true} {
			t.Run(fmt.Sprint("durable ", durable, " closes ", closes), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := rig(t, queue.MemoryOptions{})
					q.traits.Durable = durable
					e := start(t, &endpoint{answer: takes(10 * time.Millisecond)}, with(q))
					emit(t, e, occupied(1))
					time.Sleep(time.Second)
					emit(t, e, occupied(2))
					_ = q.Close()
					emit(t, e, occupied(3))
					if !closes {
						time.Sleep(time.Second)
					}
					began := time.Now()
					err := endsInTime(t, e, closes)
					if took := time.Since(began); took > 2*time.Second {
						t.Errorf("it took %v: nothing can be handed over any more", took)
					}
					if err == nil || !closes && !errors.Is(err, queue.ErrClosed) {
						t.Errorf("the end of an emitter that could not hand over 2 events: %v", err)
					}
					if s := e.Stats(); s.Pending != 2 || s.Delivered != 1 {
						t.Errorf("stats: %+v", s)
					}
				})
			})
		}
	}
}

func TestEndingAfterTheQueueWasClosedAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := memory(t, queue.MemoryOptions{})
		e := start(t, &endpoint{}, with(m))
		emit(t, e, occupied(1))
		drain(t, e)
		_ = m.Close()
		began := time.Now()
		if err := e.Shutdown(t.Context()); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("Shutdown: %v after %v", err, time.Since(began))
		}
	})
}

func TestStatsDoNotDipWhileEventsMove(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			q := rig(t, queue.MemoryOptions{})
			q.traits.Durable = durable
			var e *Emitter
			var emitted atomic.Int64
			check := func(where string) {
				floor := emitted.Load()
				if s := e.Stats(); s.Matched+s.Adopted != s.Delivered+s.Dead+s.Dropped+s.Pending+s.Queued ||
					s.Delivered+s.Pending+s.Queued < floor || !durable && s.Queued != 0 {
					t.Errorf("%s, %d emitted: %+v", where, floor, s)
				}
			}
			n := 0
			q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
				check("before Enqueue")
				time.Sleep(time.Millisecond)
				if n++; n%3 == 0 {
					return errors.New("connection reset")
				}
				err := q.Memory.Enqueue(ctx, jobs)
				time.Sleep(20 * time.Millisecond) // the jobs are delivered meanwhile
				check("after Enqueue")
				return err
			}
			to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
				check("in an attempt")
				return status(200)
			}}
			e = start(t, to, with(q), unbatched)
			for i := range 200 {
				emit(t, e, occupied(i))
				emitted.Add(1)
				check("after Emit")
				time.Sleep(time.Millisecond)
			}
			drain(t, e)
			check("drained")
		})
	}
}

func TestDrainWaitsForWhatIsEmittedBeforeIt(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		synctest.Test(t, func(t *testing.T) {
			q := rig(t, queue.MemoryOptions{})
			q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
				err := q.Memory.Enqueue(ctx, jobs)
				time.Sleep(time.Duration(round) * time.Millisecond)
				return err
			}
			e := start(t, &endpoint{answer: takes(3 * time.Millisecond)}, with(q), unbatched)
			var emitting sync.WaitGroup
			emitting.Go(func() {
				for i := range 1000 {
					_ = e.Emit(occupied(i))
					time.Sleep(time.Millisecond)
				}
			})
			time.Sleep(100 * time.Millisecond)
			before := e.Stats().Matched
			if err := e.Drain(t.Context()); err != nil {
				t.Error(err)
			}
			if s := e.Stats(); s.Delivered < before {
				t.Errorf("Drain returned with %d of %d delivered", s.Delivered, before)
			}
			emitting.Wait()
		})
	}
}

func TestDrainWaitsForHeldWebhooksUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		up := time.Now().Add(2 * time.Minute)
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			if time.Now().Before(up) {
				return status(500)
			}
			return status(200)
		}}
		e := start(t, to, with(rig(t, queue.MemoryOptions{})), unbatched)
		for i := range 30 {
			emit(t, e, occupied(i))
		}
		time.Sleep(10 * time.Second)
		attempts := len(to.got())
		time.Sleep(2 * time.Second)
		if n := len(to.got()); n != attempts {
			t.Fatalf("the webhook is not held: %d attempts, then %d", attempts, n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := e.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("Drain: %v after %v", err, time.Since(began))
		}
		drain(t, e)
		if s := e.Stats(); s.Delivered != 30 {
			t.Errorf("stats: %+v", s)
		}
	})
}
