package webhook

import (
	"context"
	"errors"
	"fmt"
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

func TestCloseCutsAShutdownOffThatStillWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(status(500))}
		e := start(t, to)
		emit(t, e, occupied(1))
		time.Sleep(time.Second)
		result := make(chan error)
		go func() { result <- e.Shutdown(context.Background()) }()
		time.Sleep(time.Second)
		began := time.Now()
		_ = e.Close()
		if took := time.Since(began); took > time.Second {
			t.Errorf("Close returned after %v", took)
		}
		if err := <-result; err == nil {
			t.Error("Shutdown returned nil, although a job was left")
		}
	})
}

func TestShutdownReturnsInTimeWhenTheQueueHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		var hung atomic.Bool
		q.onNack = func(ctx context.Context, n []queue.Nack) error {
			if hung.Load() {
				return hang(ctx)
			}
			return q.Memory.Nack(ctx, n)
		}
		to := &endpoint{answer: takes(100 * time.Millisecond)}
		e := start(t, to, with(q), unbatched)
		for i := range 1000 {
			emit(t, e, occupied(i))
		}
		time.Sleep(2 * time.Second) // by now it receives ahead
		hung.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		began := time.Now()
		_ = e.Shutdown(ctx)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Shutdown with half a second returned after %v", took)
		}
		checkTotals(t, e)
	})
}

func TestFlushWaitsForABatchThatIsJustBeingCut(t *testing.T) {
	t.Parallel()
	e := start(t, &endpoint{})
	emit(t, e, occupied(1))
	s := e.apps.get("my-app").hooks[0].slot
	s.mu.Lock()
	// In real time: a goroutine that waits for a mutex is not idle in the sense of synctest.
	for popped, until := false, time.Now().Add(10*time.Second); !popped; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			s.mu.Unlock()
			t.Fatal("the batch was not taken off the list")
		}
		e.batcher.mu.Lock()
		popped = e.batcher.list.head == nil
		e.batcher.mu.Unlock()
	}
	flushed := make(chan error, 1)
	go func() { flushed <- e.Flush(t.Context()) }()
	select {
	case err := <-flushed:
		t.Errorf("Flush returned %v before the event was handed over", err)
		s.mu.Unlock()
		return
	case <-time.After(100 * time.Millisecond):
	}
	s.mu.Unlock()
	if err := <-flushed; err != nil {
		t.Error(err)
	}
	if n := e.stats.enqueued.Load(); n != 1 {
		t.Errorf("%d events enqueued when Flush returned", n)
	}
}

func TestShutdownOfANodeThatOnlyEmitsSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{}, func(o *Options) { o.EmitOnly = true })
		emit(t, e, occupied(1))
		err := e.Shutdown(t.Context())
		if err == nil || err.Error() != "webhook: shutdown: 1 delivery is left undone; it is lost when this process ends, because the queue is in its memory" {
			t.Errorf("Shutdown returned %v", err)
		}
	})
}

func TestShutdownSaysWhatBecomesOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pending, queued int64
		durable         bool
		want            string
	}{
		{1, 0, false, "1 delivery is left undone; it is lost when this process ends, because the queue is in its memory"},
		{4, 0, false, "4 deliveries are left undone; they are lost when this process ends, because the queue is in its memory"},
		{1, 0, true, "1 delivery is left undone and lost, because the queue has not taken it"},
		{2, 1, true, "2 deliveries are left undone and lost, because the queue has not taken them; 1 other stays in the queue for the next process"},
		{2, 30, true, "2 deliveries are left undone and lost, because the queue has not taken them; 30 others stay in the queue for the next process"},
	} {
		if got := leftUndone(Stats{Pending: tt.pending, Queued: tt.queued}, tt.durable); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

func TestShutdownDrainsAQueueInMemoryBackoffsIncluded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(status(500), status(500), status(500), status(200))}
		e := start(t, to)
		emit(t, e, occupied(1), occupied(2))
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if s := e.Stats(); s.Delivered != 2 || s.Attempts != 4 || s.Pending != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestShutdownLeavesADurableQueueToTheNextProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		e := start(t, &endpoint{answer: answers(status(500))}, with(q), unbatched)
		for i := range 10 {
			emit(t, e, occupied(i))
		}
		time.Sleep(100 * time.Millisecond)
		emit(t, e, occupied(10))
		began := time.Now()
		if err := e.Shutdown(t.Context()); err != nil || time.Since(began) > time.Second {
			t.Errorf("Shutdown returned %v after %v", err, time.Since(began))
		}
		if s := e.Stats(); s.Queued != 11 || s.Pending != 0 {
			t.Errorf("stats: %+v", s)
		}
		checkTotals(t, e)

		next := start(t, &endpoint{}, with(q))
		time.Sleep(15 * time.Second) // the webhook is held after ten failures
		if s := next.Stats(); s.Delivered != 11 || s.Adopted != 11 {
			t.Errorf("the next process's stats: %+v", s)
		}
	})
}

func TestFault38ShutdownWithAThousandJobsInFlight(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{false, true} {
		for _, workers := range []int{20, 2000} {
			t.Run(fmt.Sprint("durable ", durable, ", workers ", workers), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := rig(t, queue.MemoryOptions{})
					q.traits.Durable = durable
					to := &endpoint{answer: hangs}
					list := manyApps("app", 1000) // new webhooks begin with one attempt
					e := start(t, to, with(q), unbatched, apps(list...), func(o *Options) { o.Workers = workers })
					for _, a := range list {
						emit(t, e, ChannelOccupied(a.ID, "c"))
					}
					time.Sleep(100 * time.Millisecond)
					if n := e.Stats().Attempts; workers == 2000 && n != 1000 {
						t.Fatalf("%d attempts in flight", n)
					}
					ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
					defer cancel()
					began := time.Now()
					err := e.Shutdown(ctx)
					if took := time.Since(began); took > 1100*time.Millisecond {
						t.Errorf("Shutdown took %v", took)
					}
					checkTotals(t, e)
					s := e.Stats()
					if durable && (err != nil || s.Queued != 1000) {
						t.Errorf("error %v, stats: %+v", err, s)
					}
					if !durable && (!errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1000") || s.Pending != 1000) {
						t.Errorf("error %v, stats: %+v", err, s)
					}
					if in, _ := q.Stats(context.Background()); in.Leased != 0 || in.Ready+in.Delayed != 1000 {
						t.Errorf("the queue has %+v; every lease should be given back", in)
					}
					if err := e.Emit(ChannelOccupied("app-0", "c")); !errors.Is(err, ErrClosed) {
						t.Errorf("Emit returned %v", err)
					}
				})
			})
		}
	}
}

func TestShutdownAgainReturnsTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{answer: hangs})
		emit(t, e, occupied(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		results := make(chan error, 10)
		for range 10 {
			go func() { results <- e.Shutdown(ctx) }()
		}
		first := <-results
		for range 9 {
			if err := <-results; err != first || err == nil {
				t.Errorf("Shutdown returned %v and %v", first, err)
			}
		}
		if err := e.Close(); err != first {
			t.Errorf("Close returned %v", err)
		}
		if err := e.SetApp(testApp("http://x.test/")); !errors.Is(err, ErrClosed) {
			t.Errorf("SetApp returned %v", err)
		}
	})
}

func TestWhatEmitTookIsDeliveredWhenShutdownReturnsNil(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			to := &endpoint{}
			e := start(t, to, apps(testApp("http://a.test/", "http://b.test/")))
			var took atomic.Int64
			var emitters sync.WaitGroup
			for range 8 {
				emitters.Go(func() {
					for i := 0; ; i++ {
						err := e.Emit(occupied(i))
						if errors.Is(err, ErrClosed) {
							return
						}
						if err == nil {
							took.Add(1)
						}
					}
				})
			}
			for took.Load() < 2000 {
				runtime.Gosched()
			}
			if err := e.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			emitters.Wait()
			if s := e.Stats(); s.Delivered != 2*took.Load() || s.Emitted != took.Load() || s.Pending != 0 {
				t.Errorf("%d events taken, stats: %+v", took.Load(), s)
			}
			checkTotals(t, e)
		})
	}
}

func TestCloseGivesLeasesBackAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		e := start(t, &endpoint{answer: hangs}, with(q), unbatched)
		for i := range 100 {
			emit(t, e, occupied(i))
		}
		time.Sleep(time.Second)
		began := time.Now()
		if err := e.Close(); err != nil {
			t.Errorf("Close returned %v, although the queue has everything", err)
		}
		if took := time.Since(began); took > 600*time.Millisecond {
			t.Errorf("Close took %v", took)
		}
		if in, _ := q.Stats(t.Context()); in.Leased != 0 || in.Ready+in.Delayed != 100 {
			t.Errorf("the queue has %+v", in)
		}
	})
}

func TestFlushReturnsWhenTheQueueHasWhatWasEmittedBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		open := gate(q)
		e := start(t, &endpoint{}, with(q), func(o *Options) { o.EmitOnly = true; o.Batching.Duration = time.Minute })
		emit(t, e, occupied(1), occupied(2))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush returned %v while the queue hung", err)
		}
		flushed := make(chan error)
		go func() { flushed <- e.Flush(t.Context()) }()
		synctest.Wait()
		emit(t, e, occupied(3)) // nobody waits for this one
		began := time.Now()
		open()
		if err := <-flushed; err != nil || time.Since(began) > time.Second {
			t.Errorf("Flush returned %v after %v", err, time.Since(began))
		}
		if s := e.Stats(); s.Queued != 2 || s.Pending != 1 {
			t.Errorf("stats: %+v", s)
		}
		if err := e.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		if s := e.Stats(); s.Queued != 3 || s.Pending != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestAnEmitterWithQueueNoneDoesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, with(queue.None))
		emit(t, e, occupied(1))
		if e.Wants("my-app", TypeChannelOccupied, "c") {
			t.Error("Wants says yes")
		}
		if err := errors.Join(e.Flush(t.Context()), e.Drain(t.Context()), e.Shutdown(t.Context())); err != nil {
			t.Error(err)
		}
		if s := e.Stats(); len(to.got()) != 0 || s != (Stats{}) {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestShutdownDoesNotWaitForASenderThatIgnoresItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			time.Sleep(time.Hour)
			return status(200)
		}}
		e := start(t, to)
		emit(t, e, occupied(1))
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		began := time.Now()
		err := e.Shutdown(ctx)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
			t.Errorf("Shutdown with half a second returned %v after %v", err, took)
		}
		time.Sleep(2 * time.Hour) // what the sender comes to then harms nobody
		checkTotals(t, e)
	})
}

func TestDrainCountsWhatIsBeingHandedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		var slow atomic.Bool
		q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
			err := q.Memory.Enqueue(ctx, jobs)
			if slow.Load() {
				time.Sleep(time.Second) // the answer's way back
			}
			return err
		}
		to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			if strings.Contains(string(r.Body), "channel-1") {
				return takes(5*time.Second)(ctx, r)
			}
			return status(200)
		}}
		a := testApp("http://a.test/", "http://b.test/")
		a.Webhooks[0].Filter.ChannelSuffix, a.Webhooks[1].Filter.ChannelSuffix = "1", "2"
		e := start(t, to, with(q), unbatched, apps(a))
		emit(t, e, occupied(1))
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		time.AfterFunc(time.Second, func() {
			slow.Store(true)
			_ = e.Emit(occupied(2)) // delivered before Enqueue has returned
		})
		drain(t, e)
		if took := time.Since(began); took < 4900*time.Millisecond {
			t.Errorf("Drain returned after %v, while an attempt was under way: %+v", took, e.Stats())
		}
	})
}
