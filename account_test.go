package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// accountWorld is an emitter whose queue refuses, fails and takes jobs by chance, and goroutines
// that emit events of random sizes for 1 to 10 of its webhooks in all ways.
type accountWorld struct {
	*refuser
	e     *Emitter
	app   App
	slots []*slot // of the webhooks, which keep theirs whatever changes
	took  atomic.Int64
}

// refuser decides what becomes of jobs by chance, until it is told to take all.
type refuser struct {
	mu    sync.Mutex
	rand  *rand.Rand
	calm  bool
	quick bool // refuse nothing that is offered again after a second only
	limit int  // bytes of a job; 0: any
}

func (r *refuser) enqueue(_ context.Context, jobs []queue.Job) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.calm && r.rand.IntN(10) == 0 {
		return errors.New("the queue is away")
	}
	var failed *queue.BatchError
	refused := map[string]bool{}
	for i, j := range jobs {
		if err := r.verdict(len(j.Data)); err != nil || refused[j.Lane] && j.Ordered {
			failed = failed.Fail(i, cmp.Or(err, queue.ErrFull))
			refused[j.Lane] = true
		}
	}
	return failed.Err()
}

func (r *refuser) verdict(size int) error {
	if r.limit > 0 && size > r.limit {
		return queue.ErrTooLarge
	}
	if r.calm {
		return nil
	}
	switch k := r.rand.IntN(12); {
	case k > 2 || k > 0 && r.quick:
		return nil
	case k == 0:
		return queue.ErrFull
	case k == 1:
		return queue.ErrLaneFailing
	}
	return queue.ErrLaneUntried
}

func (r *refuser) setQuick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quick = true
}

func (r *refuser) setCalm() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calm = true
}

// tenWebhooks has an app whose channel "…-n" is wanted by the first n of its ten webhooks.
func tenWebhooks(r *rand.Rand) App {
	var urls []string
	for i := range 10 {
		urls = append(urls, fmt.Sprintf("http://receiver-%d.test/", i))
	}
	a := testApp(urls...)
	for i := range a.Webhooks {
		a.Webhooks[i].ID = fmt.Sprint("w", i)
		a.Webhooks[i].Ordered = r.IntN(3) == 0
		a.Webhooks[i].UserInfoAsString = r.IntN(3) == 0
		a.Webhooks[i].Filter.ChannelPattern = fmt.Sprintf("-(%s)$", numbers(i+1, 10))
	}
	return a
}

func numbers(from, to int) string {
	var list []string
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return strings.Join(list, "|")
}

func newAccountWorld(t *testing.T, seed uint64, change ...func(*Options)) *accountWorld {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	w := &accountWorld{refuser: &refuser{rand: r}, app: tenWebhooks(r)}
	if r.IntN(2) == 0 {
		w.limit = 3000
	}
	q := rig(t, queue.MemoryOptions{})
	q.onEnqueue = w.enqueue
	q.traits.InProcess = r.IntN(2) == 0
	outbox := int64(20_000 + r.IntN(200_000))
	w.e = start(t, &endpoint{}, append([]func(*Options){with(q), apps(w.app), emitOnly, outboxOf(outbox), func(o *Options) {
		o.Batching.Disabled = r.IntN(4) == 0
		o.Batching.Size = 1 + r.IntN(50)
		o.Batching.Bytes = 1000 + r.IntN(20_000)
		if r.IntN(2) == 0 {
			o.Debounce, o.CountInterval = 30*time.Millisecond, 40*time.Millisecond
		}
	}}, change...)...)
	for _, h := range w.e.apps.get("my-app").hooks {
		w.slots = append(w.slots, h.slot)
	}
	return w
}

func (w *accountWorld) event(r *rand.Rand) Event {
	channel := fmt.Sprintf("presence-c%d-%d", r.IntN(5), 1+r.IntN(10))
	switch r.IntN(6) {
	case 0:
		return ChannelVacated("my-app", channel)
	case 1:
		return ChannelOccupied("my-app", channel)
	case 2:
		return SubscriptionCount("my-app", strings.TrimPrefix(channel, "presence-"), 101+r.IntN(100))
	case 3:
		return MemberRemoved("my-app", channel, fmt.Sprint("user", r.IntN(3)))
	}
	return ClientEvent("my-app", channel, ClientMessage{Name: "client-x", Data: `"` + strings.Repeat("x", r.IntN(3000)) + `"`, SocketID: "1.2"})
}

// act does something by chance. It returns ErrClosed when the emitter is.
func (w *accountWorld) act(t *testing.T, r *rand.Rand) error {
	ev := w.event(r)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(300))*time.Millisecond)
	defer cancel()
	var err error
	switch k := r.IntN(40); {
	case k == 0:
		a := w.app
		if r.IntN(2) == 0 {
			a.Webhooks = a.Webhooks[:5]
		}
		return w.e.SetApp(a)
	case k == 1:
		w.e.RemoveApp("my-app")
		return w.e.SetApp(w.app)
	case k == 2:
		h := w.e.apps.hook("my-app", fmt.Sprint("w", r.IntN(10)))
		if h != nil {
			w.e.outbox.setFailing(h, r.IntN(2) == 0)
		}
		return nil
	case k == 3:
		_ = w.e.Flush(ctx)
		return nil
	case k < 15:
		err = w.e.EmitWait(ctx, ev)
	case k < 22:
		err = w.e.EmitSync(ctx, ev, w.event(r))
	default:
		err = w.e.Emit(ev)
	}
	switch {
	case err == nil:
		w.took.Add(1)
	case errors.Is(err, ErrClosed):
		return ErrClosed
	case errors.Is(err, ErrOverflow), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrUnknownApp), errors.Is(err, queue.ErrTooLarge):
	default:
		t.Error(err)
	}
	if used := w.e.outbox.used.Load(); used < 0 {
		t.Errorf("the outbox holds %d bytes", used)
	}
	return nil
}

// check checks that an outbox that was emptied knows that it is empty.
func (w *accountWorld) check(t *testing.T) {
	t.Helper()
	checkTotals(t, w.e)
	o := w.e.outbox
	if used, failing := o.used.Load(), o.failing.Load(); used != 0 || failing != 0 {
		t.Errorf("an empty outbox holds %d bytes, %d of failing webhooks", used, failing)
	}
	untried := int64(0)
	for i, s := range w.slots {
		if held := s.account.Load() >> 1; held != 0 {
			t.Errorf("webhook %d holds %d bytes of an empty outbox", i, held)
		}
		if s.untried.Load() {
			untried++
		}
		if len(s.line) != 0 || s.open != nil && s.open.events > 0 {
			t.Errorf("webhook %d has %d EmitWaits and the batch %+v", i, len(s.line), s.open)
		}
	}
	if n := o.refused.Load(); n != untried {
		t.Errorf("%d webhooks count as refused, %d are", n, untried)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.counts) != 0 || len(o.fresh) != 0 || o.line.length.Load() != 0 || len(o.line.slots) != 0 {
		t.Errorf("an empty outbox has counts %v, %d batches, %d EmitWaits", o.counts, len(o.fresh), o.line.length.Load())
	}
	if s := w.e.Stats(); s.Pending != 0 {
		t.Errorf("%d events are pending: %+v", s.Pending, s)
	}
}

// finish has all goroutines end and the outbox be emptied.
func (w *accountWorld) finish(t *testing.T, running *sync.WaitGroup) {
	t.Helper()
	running.Wait()
	w.setCalm()
	if err := w.e.Drain(drainContext(t)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := w.e.outbox.empty(t.Context()); err != nil {
		t.Error(err)
	}
	w.check(t)
}

// drainContext bounds a Drain of an emitter without workers, which never ends.
func drainContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func (w *accountWorld) emitters(t *testing.T, n, actions int, seed uint64, pause bool) *sync.WaitGroup {
	var running sync.WaitGroup
	for g := range n {
		running.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(100+g)))
			for range actions {
				if err := w.act(t, r); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
				if pause && r.IntN(3) == 0 {
					time.Sleep(time.Duration(r.IntN(30)) * time.Millisecond)
				}
			}
		})
	}
	return &running
}

func TestTheOutboxKeepsItsAccount(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for round := range uint64(30) {
		t.Run(fmt.Sprintf("seed %d", seed+round), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newAccountWorld(t, seed+round)
				w.finish(t, w.emitters(t, 12, 150, seed+round, true))
			})
		})
	}
}

func TestTheOutboxKeepsItsAccountAmongManyProcessors(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for round := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed+round), func(t *testing.T) {
			w := newAccountWorld(t, seed+round)
			w.finish(t, w.emitters(t, 8, 100, seed+round, false))
		})
	}
}

// shutdownRounds is for a test of every day; 300 take a minute.
const shutdownRounds = 30

// Emits of all kinds race with Shutdown. What returned nil is with the queue, or was taken back by
// debouncing or dropped for a webhook, as the totals say.
func TestShutdownLosesNothingThatEmitsOfAllKindsTook(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for round := range uint64(shutdownRounds) {
		w := newAccountWorld(t, seed+round)
		w.setQuick()
		running := w.emitters(t, 6, 1_000_000, seed+round, false)
		for w.took.Load() < 20+int64(round%50) {
			runtime.Gosched()
		}
		w.setCalm()
		if err := w.e.Shutdown(t.Context()); err != nil {
			t.Errorf("seed %d: %v", seed+round, err)
		}
		running.Wait()
		w.check(t)
		if t.Failed() {
			t.Fatalf("seed %d", seed+round)
		}
	}
}

// How far the outbox exceeds its bound does not grow with the goroutines that emit.
func TestTheOutboxKeepsItsBoundWithManyEmittingGoroutines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		wait bool
		size int
	}{{"Emit", false, 9000}, {"EmitWait", true, 20}} {
		t.Run(test.name, func(t *testing.T) {
			const limit, goroutines, webhooks = 8 << 20, 1000, 10
			var all []App
			for i := range 1000 {
				var urls []string
				for j := range webhooks {
					urls = append(urls, fmt.Sprintf("http://receiver-%d.test/", j))
				}
				a := testApp(urls...)
				a.ID = fmt.Sprint("app", i)
				all = append(all, a)
			}
			e := start(t, &endpoint{}, with(fullQueue{discard{queue.None}}), apps(all...), emitOnly, outboxOf(limit))
			ctx, cancel := context.WithCancel(t.Context())
			var running sync.WaitGroup
			var peak atomic.Int64
			for g := range goroutines {
				running.Go(func() {
					app := fmt.Sprint("app", g%len(all))
					if !test.wait {
						app = fmt.Sprint("app", g%3)
					}
					ev := ClientEvent(app, "presence-x", ClientMessage{Name: "client-x", Data: `"` + strings.Repeat("x", test.size) + `"`})
					for range 30 {
						var err error
						if test.wait {
							err = e.EmitWait(ctx, ev)
						} else {
							err = e.Emit(ev)
						}
						if err != nil {
							return
						}
						for used := e.outbox.used.Load(); ; {
							p := peak.Load()
							if p >= used || peak.CompareAndSwap(p, used) {
								break
							}
						}
					}
				})
			}
			if test.wait {
				time.Sleep(2 * time.Second)
			}
			if !test.wait {
				running.Wait()
			}
			peak.Store(max(peak.Load(), e.outbox.used.Load()))
			cancel()
			running.Wait()
			t.Logf("%.3f of the bound", float64(peak.Load())/limit)
			if over := peak.Load() - limit; over > limit/20 {
				t.Errorf("the outbox held %d bytes more than its bound of %d", over, limit)
			}
		})
	}
}

func TestATraceFunctionThatEndsTheGoroutineLeavesNoRoomReserved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		q.set(laneA, queue.ErrFull)
		end := false
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(100_000), unbatched, func(o *Options) {
			o.Debounce = time.Minute
			o.Trace = &Trace{Dropped: func(DroppedInfo) {
				if end {
					runtime.Goexit()
				}
			}}
		})
		fill(t, e, "a-")
		end = true
		before := e.outbox.used.Load()
		var emitting sync.WaitGroup
		emitting.Go(func() { _ = e.Emit(ChannelVacated("my-app", "ab-1")) })
		emitting.Wait()
		if after := e.outbox.used.Load(); after != before {
			t.Errorf("an Emit whose goroutine has ended holds %d bytes", after-before)
		}
		checkTotals(t, e)
	})
}

// An event that was taken counts as emitted, also if a Trace function ends the goroutine of its
// Emit; one that was not does not.
func TestATraceFunctionThatEndsTheGoroutineLeavesTheCountsRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, outboxOf(100_000), unbatched, func(o *Options) {
			o.CountInterval = time.Minute
			o.Trace = &Trace{Emitted: func(EmittedInfo) { runtime.Goexit() }, Dropped: func(DroppedInfo) { runtime.Goexit() }}
		})
		ended := func(f func() error) {
			var emitting sync.WaitGroup
			emitting.Go(func() { t.Errorf("it returned %v", f()) })
			emitting.Wait()
		}
		ended(func() error { return e.Emit(ChannelOccupied("my-app", "ab")) })
		ended(func() error { return e.EmitWait(t.Context(), ChannelOccupied("my-app", "a")) })
		ended(func() error { return e.EmitSync(t.Context(), ChannelOccupied("my-app", "b")) })
		ended(func() error { return e.Emit(SubscriptionCount("my-app", "ab", 1000)) })
		if s := e.Stats(); s.Emitted != 4 || s.Matched != 6 {
			t.Errorf("after four Emits: %+v", s)
		}
		q.set(laneA, queue.ErrFull)
		n := int64(4)
		for e.Stats().Overflowed == 0 {
			ended(func() error { return e.Emit(ChannelOccupied("my-app", "a-1")) })
			n++
			time.Sleep(time.Second)
		}
		if s := e.Stats(); s.Emitted != n-1 {
			t.Errorf("%d events were taken and one refused: %+v", n-1, s)
		}
		// dropped for one webhook
		ended(func() error { return e.Emit(ChannelOccupied("my-app", "ab")) })
		if s := e.Stats(); s.Emitted != n || s.Dropped != 1 {
			t.Errorf("%d events were taken, one of them for one webhook: %+v", n, s)
		}
		checkTotals(t, e)
	})
}

func TestEmitSyncWaitsForACountThatIsSentAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newRefusing(t)
		e := start(t, &endpoint{}, with(q), apps(abApp()), emitOnly, func(o *Options) { o.CountInterval = time.Minute })
		if err := e.EmitSync(t.Context(), SubscriptionCount("my-app", "a-1", 1000)); err != nil {
			t.Error(err)
		}
		if got := q.of(laneA); len(got) != 1 {
			t.Errorf("EmitSync returned nil when the queue had %v", got)
		}
	})
}
