package webhook

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// refusing is a queue that refuses the jobs of some lanes, and keeps the others.
type refusing struct {
	*riggedQueue
	mu    sync.Mutex
	why   map[string]error // by lane
	calls int
	taken map[string][]string // channels of the events that were taken, by lane
}

func newRefusing(t *testing.T) *refusing {
	q := &refusing{riggedQueue: rig(t, queue.MemoryOptions{}), why: map[string]error{}, taken: map[string][]string{}}
	q.onEnqueue = func(_ context.Context, jobs []queue.Job) error {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.calls++
		var failed *queue.BatchError
		for i, job := range jobs {
			if err := q.why[job.Lane]; err != nil {
				failed = failed.Fail(i, err)
				continue
			}
			j, err := parseJob(job.Data)
			if err != nil {
				t.Error(err)
				continue
			}
			p, err := parsePayload(j.body)
			if err != nil {
				t.Error(err)
			}
			for _, ev := range p.Events {
				q.taken[job.Lane] = append(q.taken[job.Lane], ev.Channel)
			}
		}
		return failed.Err()
	}
	return q
}

// set has the queue refuse a lane's jobs with err, or take them if it is nil.
func (q *refusing) set(lane string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.why[lane] = err
}

// of returns what was taken of a lane.
func (q *refusing) of(lane string) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.taken[lane])
}

// abApp has webhooks a and b, which get the events of channels that begin with their names, and
// both those with "ab".
func abApp() App {
	a := testApp("http://a.test/", "http://b.test/")
	a.Webhooks[0].ID, a.Webhooks[0].Filter.ChannelPrefix = "a", "a"
	a.Webhooks[1].ID, a.Webhooks[1].Filter.ChannelPattern = "b", "^a?b"
	return a
}

const (
	laneA = "my-app/a"
	laneB = "my-app/b"
)

// fill emits for a webhook until it has no room, and returns how many events were taken.
func fill(t *testing.T, e *Emitter, prefix string) int {
	t.Helper()
	for i := range 1_000_000 {
		switch err := e.Emit(ChannelOccupied("my-app", fmt.Sprint(prefix, i))); {
		case errors.Is(err, ErrOverflow):
			return i
		case err != nil:
			t.Fatal(err)
		}
		if i%100 == 0 {
			synctest.Wait()
		}
	}
	t.Fatal("there was always room")
	return 0
}

func emitOnly(o *Options) { o.EmitOnly = true }

func outboxOf(n int64) func(*Options) { return func(o *Options) { o.OutboxBytes = n } }

func TestEmitDropsTheEventOnlyForTheWebhookThatHasNoRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrFull)
		var dropped atomic.Int64
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(100_000), unbatched, func(o *Options) {
			o.Trace = &Trace{Dropped: func(i DroppedInfo) {
				if i.WebhookID == "a" && errors.Is(i.Err, ErrOverflow) {
					dropped.Add(int64(i.Events))
				}
			}}
		})
		n := fill(t, e, "a-")
		if err := e.Emit(ChannelOccupied("my-app", "ab-1")); err != nil {
			t.Errorf("Emit returned %v although one of two webhooks has room", err)
		}
		time.Sleep(time.Second)
		if got := q.of(laneB); !slices.Equal(got, []string{"ab-1"}) {
			t.Errorf("the webhook with room got %v", got)
		}
		checkTotals(t, e)
		s := e.Stats()
		if s.Dropped != 1 || s.Overflowed != 1 || s.Matched != int64(n)+2 || s.Queued != 1 || s.Pending != int64(n) || dropped.Load() != 2 {
			t.Errorf("%d events taken, Trace.Dropped told of %d, stats: %+v", n, dropped.Load(), s)
		}
	})
}

func TestFailingWebhooksShareHalfOfTheOutbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrLaneFailing)
		q.set(laneB, queue.ErrFull)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(200_000), unbatched)
		fill(t, e, "a-")
		used, share := e.outbox.used.Load(), e.outbox.failing.Load()
		if used != share || share > 101_000 || share < 80_000 {
			t.Errorf("a failing webhook holds %d bytes, of which %d count as those of failing ones; half is 100,000", used, share)
		}
		fill(t, e, "b-")
		if used := e.outbox.used.Load(); used < 180_000 || e.outbox.failing.Load() != share {
			t.Errorf("%d bytes are held in all", used)
		}
		// it works again: the process learns it when it offers the lane the next time
		q.set(laneA, nil)
		time.Sleep(11 * time.Second)
		if n := e.outbox.failing.Load(); n != 0 {
			t.Errorf("%d bytes count as those of failing webhooks", n)
		}
		emit(t, e, ChannelOccupied("my-app", "a-again"))
		time.Sleep(time.Second)
		if got := q.of(laneA); got[len(got)-1] != "a-again" {
			t.Errorf("the last event of the webhook that works again is %s", got[len(got)-1])
		}
		checkTotals(t, e)
	})
}

func TestAWebhookThatWorksAgainIsOfferedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrLaneFailing)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, unbatched)
		emit(t, e, ChannelOccupied("my-app", "a1"), ChannelOccupied("my-app", "a2"))
		time.Sleep(30*time.Second + 7*time.Millisecond) // by now it is offered every 8 s
		q.set(laneA, nil)
		e.outbox.setFailing(e.apps.hook("my-app", "a"), false) // as the scheduler tells
		time.Sleep(10 * time.Millisecond)
		if got := q.of(laneA); !slices.Equal(got, []string{"a1", "a2"}) {
			t.Errorf("taken at once: %v", got)
		}
	})
}

func TestTheOutboxComesBackToZero(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(100_000))
		reasons := []error{nil, queue.ErrFull, queue.ErrLaneFailing}
		var emitters sync.WaitGroup
		for g := range 4 {
			emitters.Go(func() {
				for i := range 2000 {
					_ = e.Emit(ChannelOccupied("my-app", fmt.Sprint([]string{"a", "b", "ab"}[i%3], g, "-", i)))
					if i%10 == g {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		for i := range 200 {
			q.set([]string{laneA, laneB}[i%2], reasons[i%len(reasons)])
			time.Sleep(2 * time.Millisecond)
		}
		emitters.Wait()
		q.set(laneA, nil)
		q.set(laneB, nil)
		if err := e.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if used, failing := e.outbox.used.Load(), e.outbox.failing.Load(); used != 0 || failing != 0 {
			t.Errorf("%d bytes are held, %d of failing webhooks", used, failing)
		}
		checkTotals(t, e)
	})
}

func TestEmitWaitWaitsForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrFull)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(100_000), unbatched)
		n := fill(t, e, "a-")
		began := time.Now()
		time.AfterFunc(time.Minute, func() { q.set(laneA, nil) })
		if err := e.EmitWait(t.Context(), ChannelOccupied("my-app", "ab-1")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < time.Minute || took > time.Minute+2*time.Second {
			t.Errorf("EmitWait returned after %v", took)
		}
		if err := e.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a, b := q.of(laneA), q.of(laneB); len(a) != n+1 || len(b) != 1 {
			t.Errorf("%d and %d events were taken, want %d and 1", len(a), len(b), n+1)
		}
		checkTotals(t, e)
	})
}

func TestEmitWaitTakesEventsInTheOrderOfArrival(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrFull)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(20_000), unbatched)
		n := fill(t, e, "a-")
		const waiters = 300
		var waiting sync.WaitGroup
		var want []string
		for i := range waiters {
			name := fmt.Sprintf("a-waits-%d", i)
			want = append(want, name)
			waiting.Go(func() {
				if err := e.EmitWait(t.Context(), ChannelOccupied("my-app", name)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		// What waits for one webhook holds up no other.
		for i := range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if err := e.EmitWait(ctx, ChannelOccupied("my-app", fmt.Sprint("b", i))); err != nil {
				t.Errorf("EmitWait for the other webhook: %v", err)
			}
			cancel()
		}
		q.set(laneA, nil)
		waiting.Wait()
		if err := e.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := q.of(laneA)[n:]; !slices.Equal(got, want) {
			t.Errorf("the events came in the order %v", got)
		}
		if len(e.outbox.line.slots) != 0 {
			t.Error("somebody is still in line")
		}
	})
}

// What an open batch has room for takes nothing from those that wait, so it need not wait itself.
func TestEmitWaitDoesNotWaitForRoomThatItsBatchHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{}, apps(abApp()), emitOnly, outboxOf(100_000))
		for i := range 10 { // after which the batch's buffer has doubled
			emit(t, e, ChannelOccupied("my-app", fmt.Sprint("b-", i)))
		}
		a := e.apps.hook("my-app", "a").slot
		rest := e.outbox.limit - e.outbox.used.Load()
		e.outbox.charge(a, rest)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var waits sync.WaitGroup
		waits.Go(func() {
			if err := e.EmitWait(ctx, ChannelOccupied("my-app", "a-0")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("EmitWait in a full outbox: %v", err)
			}
		})
		synctest.Wait()
		if err := e.EmitWait(ctx, ChannelOccupied("my-app", "b-10")); err != nil {
			t.Errorf("EmitWait for an event that fits: %v", err)
		}
		waits.Wait()
		e.outbox.charge(a, -rest)
		checkTotals(t, e)
	})
}

func TestEmitWaitForTwoWebhooksOvertakesAtNeither(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrFull)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(20_000), unbatched)
		n := fill(t, e, "a-")
		var waiting sync.WaitGroup
		var want []string
		for i := range 100 {
			name := fmt.Sprintf("%s-waits-%d", []string{"a", "a", "ab"}[i%3], i)
			want = append(want, name)
			waiting.Go(func() {
				if err := e.EmitWait(t.Context(), ChannelOccupied("my-app", name)); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		q.set(laneA, nil)
		waiting.Wait()
		if err := e.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := q.of(laneA)[n:]; !slices.Equal(got, want) {
			t.Errorf("the events came in the order %v", got)
		}
	})
}

func TestEmitWaitDropsAnEventOfAFailingWebhookWhoseShareIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrLaneFailing)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(100_000), unbatched)
		fill(t, e, "a-")
		began := time.Now()
		for _, channel := range []string{"a-x", "ab-x"} {
			if err := e.EmitWait(t.Context(), ChannelOccupied("my-app", channel)); err != nil {
				t.Errorf("%s: %v", channel, err)
			}
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("EmitWait waited for %v", took)
		}
		if s := e.Stats(); s.Dropped != 2 {
			t.Errorf("stats: %+v", s)
		}
		time.Sleep(time.Second)
		if got := q.of(laneB); !slices.Equal(got, []string{"ab-x"}) {
			t.Errorf("the webhook that works got %v", got)
		}
		checkTotals(t, e)
	})
}

func TestEmitWaitGoesOnWhenItsWebhookBeginsToFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrFull)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(100_000), unbatched)
		fill(t, e, "a-")
		time.AfterFunc(time.Minute, func() { q.set(laneA, queue.ErrLaneFailing) })
		began := time.Now()
		if err := e.EmitWait(t.Context(), ChannelOccupied("my-app", "ab-x")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < time.Minute || took > time.Minute+2*time.Second {
			t.Errorf("EmitWait returned after %v", took)
		}
		if s := e.Stats(); s.Dropped != 1 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestEmitWaitEndsWithItsContextAndWithTheEmitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrFull)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(20_000), unbatched)
		n := fill(t, e, "a-")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.EmitWait(ctx, ChannelOccupied("my-app", "ab-gone")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("EmitWait returned %v", err)
		}
		result := make(chan error, 1)
		go func() { result <- e.EmitWait(context.Background(), ChannelOccupied("my-app", "ab-closed")) }()
		synctest.Wait()
		_ = e.Close()
		if err := <-result; !errors.Is(err, ErrClosed) {
			t.Errorf("EmitWait returned %v after Close", err)
		}
		if err := e.EmitWait(t.Context(), ChannelOccupied("my-app", "b")); !errors.Is(err, ErrClosed) {
			t.Errorf("EmitWait returned %v after Close", err)
		}
		if s := e.Stats(); s.Matched != int64(n) || len(q.of(laneB)) != 0 {
			t.Errorf("stats: %+v, taken %v", s, q.of(laneB))
		}
		checkTotals(t, e)
	})
}

func TestEmitWaitRefusesWhatCanNeverFit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{}, with(newRefusing(t)), apps(abApp()), emitOnly, outboxOf(5000))
		large := ChannelOccupied("my-app", "ab-"+strings.Repeat("x", 3000))
		if err := e.EmitWait(t.Context(), large); !errors.Is(err, ErrOverflow) {
			t.Errorf("EmitWait returned %v for an event that fits one webhook and not two", err)
		}
		if s := e.Stats(); s.Overflowed != 1 || s.Matched != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestEmitWaitMayBeHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, func(o *Options) { o.Debounce = 3 * time.Second })
		wait := func(ev Event) {
			if err := e.EmitWait(t.Context(), ev); err != nil {
				t.Error(err)
			}
		}
		wait(ChannelVacated("my-app", "a1"))
		wait(ChannelVacated("my-app", "a2"))
		wait(ChannelOccupied("my-app", "a1")) // takes the first back
		time.Sleep(4 * time.Second)
		if got := q.of(laneA); !slices.Equal(got, []string{"a2"}) {
			t.Errorf("sent: %v", got)
		}
		if used := e.outbox.used.Load(); used != 0 {
			t.Errorf("%d bytes are held", used)
		}
		checkTotals(t, e)
	})
}

// A Trace function may end the goroutine of an Emit whose event is about to be held back. Then
// no batch has the event, so its room must be given back.
func TestATraceFunctionThatEndsAGoroutineLeavesNoRoomReserved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrLaneFailing)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, unbatched, outboxOf(10_000), func(o *Options) {
			o.Debounce = 3 * time.Second
			o.Trace = &Trace{Dropped: func(DroppedInfo) { runtime.Goexit() }}
		})
		for i := range 100 {
			go func() { _ = e.Emit(ChannelOccupied("my-app", fmt.Sprint("a", i))) }()
			time.Sleep(time.Second)
		}
		if e.Stats().Overflowed == 0 {
			t.Fatal("the failing webhook has room")
		}
		go func() { _ = e.Emit(ChannelVacated("my-app", "ab")) }() // dropped for one webhook
		time.Sleep(10 * time.Second)
		// dropped for all
		go func() { _ = e.EmitWait(t.Context(), ChannelVacated("my-app", "a")) }()
		time.Sleep(10 * time.Second)
		if n := e.Stats().Dropped; n != 2 {
			t.Fatalf("%d events were dropped", n)
		}
		q.set(laneA, nil)
		time.Sleep(time.Minute)
		if s, used := e.Stats(), e.outbox.used.Load(); used != 0 || s.Pending != 0 {
			t.Errorf("%d bytes are held, stats: %+v", used, s)
		}
		checkTotals(t, e)
	})
}
