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

	"github.com/pushhooks/webhook/queue"
)

func TestEmitSyncReturnsWhenTheQueueHasTheEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		var taken atomic.Int64
		q.onEnqueue = func(_ context.Context, jobs []queue.Job) error {
			time.Sleep(time.Second)
			for _, job := range jobs {
				j, err := parseJob(job.Data)
				if err != nil {
					t.Error(err)
				}
				taken.Add(int64(j.events))
			}
			return nil
		}
		e := start(t, &endpoint{}, with(q), apps(testApp("http://a.test/", "http://b.test/")), emitOnly)
		began := time.Now()
		if err := e.EmitSync(t.Context(), occupied(1), occupied(2)); err != nil {
			t.Fatal(err)
		}
		if n := taken.Load(); n != 4 {
			t.Errorf("the queue had %d of 4 events when EmitSync returned", n)
		}
		if took := time.Since(began); took < time.Second || took > 2*time.Second+60*time.Millisecond {
			t.Errorf("EmitSync took %v, want the batch's window and the calls to the queue", took)
		}
		checkTotals(t, e)
	})
}

func TestEmitSyncSharesBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		e := start(t, &endpoint{}, with(q), emitOnly)
		var running sync.WaitGroup
		began := time.Now()
		for i := range 64 {
			running.Go(func() {
				if err := e.EmitSync(t.Context(), occupied(i)); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
		if took := time.Since(began); took > 60*time.Millisecond {
			t.Errorf("EmitSync took %v, more than a batch's window of 50 ms", took)
		}
		if s, err := q.Stats(t.Context()); err != nil || s.Ready != 1 {
			t.Errorf("64 goroutines made %d batches, want 1 (%v)", s.Ready, err)
		}
	})
}

func TestEmitSyncSaysWhichEventsWereNotTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{MaxBytes: 2000})
		e := start(t, &endpoint{}, with(q), unbatched, emitOnly)
		large := ClientEvent("my-app", "private-x", ClientMessage{Name: "client-x", Data: strings.Repeat("x", 3000), SocketID: "1.1"})
		err := e.EmitSync(t.Context(), occupied(0), large, ChannelOccupied("other-app", "c"))
		var failed *queue.BatchError
		if !errors.As(err, &failed) || len(failed.Failed) != 2 {
			t.Fatalf("EmitSync returned %v, want a BatchError of 2 events", err)
		}
		if want := "webhook: not all of 3 events were handed over: 2 of the batch failed, the first at index 1: "; !strings.HasPrefix(err.Error(), want) {
			t.Errorf("the error is %q, want %q", err, want)
		}
		for i, want := range map[int]error{1: queue.ErrTooLarge, 2: ErrUnknownApp} {
			if !errors.Is(failed.Failed[i], want) {
				t.Errorf("event %d: %v, want %v", i, failed.Failed[i], want)
			}
		}
		checkTotals(t, e)
	})
}

func TestEmitSyncSaysThatAFailingWebhookHadNoRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrLaneFailing)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(100_000), unbatched)
		fill(t, e, "a-")
		err := e.EmitSync(t.Context(), ChannelOccupied("my-app", "ab-1"))
		if !errors.Is(err, ErrOverflow) {
			t.Errorf("EmitSync returned %v although one of two webhooks had no room, want ErrOverflow", err)
		}
		if got := q.of(laneB); len(got) != 1 {
			t.Errorf("the webhook with room got %v", got)
		}
	})
}

func TestEmitSyncEndsWithItsContextAndWithTheEmitter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(e *Emitter, cancel func())
		want error
	}{
		"context": {func(_ *Emitter, cancel func()) { cancel() }, context.Canceled},
		"emitter": {func(e *Emitter, _ func()) { _ = e.Close() }, ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t, queue.MemoryOptions{})
				q.onEnqueue = func(ctx context.Context, _ []queue.Job) error { return hang(ctx) }
				e := start(t, &endpoint{}, with(q), emitOnly)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				got := make(chan error, 1)
				go func() { got <- e.EmitSync(ctx, occupied(1)) }()
				time.Sleep(time.Second)
				select {
				case err := <-got:
					t.Fatalf("EmitSync returned %v before the queue had the event", err)
				default:
				}
				tt.end(e, cancel)
				if err := <-got; !errors.Is(err, tt.want) {
					t.Errorf("EmitSync returned %v, want %v", err, tt.want)
				}
			})
		})
	}
}

func TestEmitSyncOfAnEventForNobodyReturnsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{}, with(queue.None))
		if err := e.EmitSync(t.Context(), occupied(1)); err != nil {
			t.Error(err)
		}
		if err := e.EmitSync(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func ExampleEmitter_EmitSync() {
	em, err := New(Options{Apps: []App{{ID: "my-app", Key: "my-key", Secret: "my-secret"}}})
	if err != nil {
		panic(err)
	}
	defer em.Close()
	fmt.Println(em.EmitSync(context.Background(), ChannelOccupied("my-app", "chat")))
	// Output: <nil>
}
