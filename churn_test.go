package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// Apps come, go and change their secrets all the time while events are emitted. Every event is
// delivered, dead or refused, with a signature that one of the secrets verifies.
func TestAppsThatChangeAllTheTimeLoseNothing(t *testing.T) {
	t.Parallel()
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprint("in process ", !durable), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { churn(t, durable) })
		})
	}
}

func churn(t *testing.T, durable bool) {
	const secrets = 10
	secret := func(i int) Secret { return Secret(fmt.Sprint("secret-", i%secrets)) }
	app := func(i int) App {
		a := testApp("http://a.test/", "http://b.test/")
		a.Secret = secret(i)
		for k := 1; k < secrets; k++ { // the name of the current key again
			a.PreviousKeys = append(a.PreviousKeys, Key{a.Key, secret(i + k)})
		}
		a.Webhooks[0].Ordered = true
		a.Webhooks[1].RateLimit = RateLimit{PerSecond: float64(500 + i%3)}
		return a
	}
	q := rig(t, queue.MemoryOptions{})
	q.traits.InProcess = !durable
	var unsigned, n atomic.Int64
	to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
		if n.Add(1)%10 == 0 {
			return status(500)
		}
		ok := false
		for i := 0; i < secrets && !ok; i++ {
			_, err := Verify(r.Body, r.Header, Key{"my-key", secret(i)})
			ok = err == nil
		}
		if !ok && r.AppID == "my-app" {
			unsigned.Add(1)
		}
		return takes(time.Millisecond)(ctx, r)
	}}
	e := start(t, to, with(q), apps(app(0)), func(o *Options) { o.Debounce = 50 * time.Millisecond })
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for i := 1; ; i++ {
			if err := e.SetApp(app(i)); err != nil {
				t.Error(err)
				return
			}
			other := testApp("http://c.test/")
			other.ID = "other"
			_ = e.SetApp(other)
			select {
			case <-time.After(10 * time.Millisecond):
			case <-stop:
				return
			}
			e.RemoveApp("other")
		}
	})
	var emitted atomic.Int64
	for range 3 {
		running.Go(func() {
			for i := range 2000 {
				if e.Emit(occupied(i)) == nil {
					emitted.Add(2)
				}
				_ = e.Emit(ChannelVacated("other", fmt.Sprint("c", i)))
				time.Sleep(time.Millisecond)
			}
		})
	}
	time.Sleep(5 * time.Second)
	close(stop)
	running.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if err := e.Drain(ctx); err != nil {
		t.Errorf("Drain: %v; %+v", err, e.Stats())
	}
	s := e.Stats()
	if unsigned.Load() > 0 || s.Matched < emitted.Load() {
		t.Errorf("%d requests with no known signature, %d of the app that stayed emitted; %+v", unsigned.Load(), emitted.Load(), s)
	}
	for _, d := range deadLetters(t, e) {
		if d.Lane[:3] == "my-" {
			t.Errorf("dead letter of the app that stayed: %s", d.Reason)
			break
		}
	}
	checkTotals(t, e)
}

func TestShutdownFromWhereverItIsCalled(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, durable := range []bool{false, true} {
		for _, where := range []string{"sender", "Emitted", "Enqueued", "Attempted", "LaneChanged", "DeadLettered", "Dropped", "at once", "many"} {
			t.Run(fmt.Sprint(where, " durable ", durable), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := rig(t, queue.MemoryOptions{})
					q.traits.Durable = durable
					var e atomic.Pointer[Emitter]
					var calls atomic.Int64
					at := func(what string) {
						if em := e.Load(); what == where && em != nil && calls.Add(1) == 1 {
							ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
							defer cancel()
							_ = em.Shutdown(ctx)
						}
					}
					var n atomic.Int64
					to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
						at("sender")
						if n.Add(1) < 15 {
							return status(500)
						}
						return dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
					}}
					em := start(t, to, with(q), unbatched, outboxOf(8<<10), func(o *Options) {
						o.Trace = &Trace{
							Emitted: func(EmittedInfo) { at("Emitted") }, Enqueued: func(EnqueuedInfo) { at("Enqueued") },
							Attempted: func(AttemptedInfo) { at("Attempted") }, DeadLettered: func(DeadLetteredInfo) { at("DeadLettered") },
							Dropped: func(DroppedInfo) { at("Dropped") }, LaneChanged: func(LaneChangedInfo) { at("LaneChanged") },
						}
					})
					e.Store(em)
					switch where {
					case "at once":
						_ = em.Shutdown(ended)
					case "many":
						for range 50 {
							go func() { _ = em.Close() }()
							go func() { _ = em.Shutdown(ended) }()
						}
					}
					for i := range 200 {
						_ = em.Emit(occupied(i))
						if i > 100 {
							time.Sleep(200 * time.Millisecond)
						}
					}
					_ = endsInTime(t, em, false)
					checkTotals(t, em)
					if err := em.Emit(occupied(1)); !errors.Is(err, ErrClosed) {
						t.Errorf("Emit returned %v", err)
					}
					if err := em.EmitWait(t.Context(), occupied(1)); !errors.Is(err, ErrClosed) {
						t.Errorf("EmitWait returned %v", err)
					}
					if err := em.EmitSync(t.Context(), occupied(1)); !errors.Is(err, ErrClosed) {
						t.Errorf("EmitSync returned %v", err)
					}
				})
			})
		}
	}
}

func TestEmitSyncOfNoneManyAndOddEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{}, with(rig(t, queue.MemoryOptions{})), func(o *Options) { o.Workers = 100 })
		if err := e.EmitSync(t.Context()); err != nil {
			t.Errorf("no event: %v", err)
		}
		many := make([]Event, 100_000)
		for i := range many {
			many[i] = occupied(i % 3)
		}
		many[7] = ChannelOccupied("nobody", "c")
		many[99_999] = Event{}
		err := e.EmitSync(t.Context(), many...)
		var batch *queue.BatchError
		if !errors.As(err, &batch) || len(batch.Failed) != 2 || !errors.Is(batch.Failed[7], ErrUnknownApp) || batch.Failed[99_999] == nil {
			t.Errorf("100,000 events: %v", err)
		}
		drain(t, e)
		if s := e.Stats(); s.Delivered != 99_998 {
			t.Errorf("%+v", s)
		}
		closed := make(chan error, 1)
		q := rig(t, queue.MemoryOptions{})
		q.onEnqueue = func(ctx context.Context, _ []queue.Job) error { return hang(ctx) }
		b := start(t, &endpoint{}, with(q), outboxOf(8<<10))
		go func() { closed <- b.EmitSync(context.Background(), many[:1000]...) }()
		time.Sleep(time.Second)
		_ = b.Close()
		if err := <-closed; !errors.Is(err, ErrClosed) {
			t.Errorf("EmitSync under Close: %v", err)
		}
		checkTotals(t, b)
	})
}

// Options at and beyond their bounds are refused, or work.
func TestOptionsAtTheirBoundsWorkOrAreRefused(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	durations := []time.Duration{math.MinInt64, -1, 1, time.Microsecond, math.MaxInt64, math.MaxInt64 - 1, maxRetryTime, 2 * maxRetryTime}
	ints := []int{math.MinInt, -2, -1, 1, 2, math.MaxInt, math.MaxInt32}
	var sets []func(*Options)
	for _, d := range durations {
		sets = append(sets,
			func(o *Options) { o.Batching.Duration = d }, func(o *Options) { o.Debounce = d }, func(o *Options) { o.CountInterval = d },
			func(o *Options) { o.RequestTimeout = d }, func(o *Options) { o.Retry.MaxElapsed = d }, func(o *Options) { o.Retry.MaxAge = d },
			func(o *Options) { o.Retry.InitialBackoff = d }, func(o *Options) { o.Retry.MaxBackoff = d },
			func(o *Options) {
				o.Retry.InitialBackoff, o.Retry.MaxBackoff, o.Retry.MaxElapsed, o.Retry.MaxAge = d, d, d, d
			},
			func(o *Options) { o.Apps[0].Webhooks[0].RequestTimeout = d },
		)
	}
	for _, n := range ints {
		sets = append(sets,
			func(o *Options) { o.Batching.Size = n }, func(o *Options) { o.Batching.Bytes = n }, func(o *Options) { o.OutboxBytes = int64(n) },
			func(o *Options) { o.EnqueueJobs = n }, func(o *Options) { o.Retry.MaxAttempts = n },
			func(o *Options) { o.Apps[0].Webhooks[0].RateLimit = RateLimit{PerSecond: 1, Burst: n} },
		)
		if n < math.MaxInt32 {
			sets = append(sets, func(o *Options) { o.Workers = n }, func(o *Options) { o.Pollers = n })
		}
	}
	for _, f := range []float64{nan, inf, -inf, -1, math.SmallestNonzeroFloat64, math.MaxFloat64, 1e6, 999_999} {
		sets = append(sets, func(o *Options) { o.Apps[0].Webhooks[0].RateLimit = RateLimit{PerSecond: f, Burst: 1} })
	}
	refused := 0
	for i, set := range sets {
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int64
			o := Options{Apps: []App{testApp("http://a.test/")}, Logger: slog.New(slog.DiscardHandler), HTTP: dispatch.SenderFunc(func(context.Context, *dispatch.Request) dispatch.Outcome {
				if n.Add(1) == 1 {
					return status(500)
				}
				return status(200)
			})}
			set(&o)
			e, err := New(o)
			if err != nil {
				refused++
				return
			}
			for k := range 3 {
				if err := e.Emit(occupied(k)); err != nil && !errors.Is(err, ErrOverflow) {
					t.Errorf("%d: Emit: %v", i, err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			_ = e.Shutdown(ctx)
			checkTotals(t, e)
		})
	}
	t.Logf("%d of %d refused", refused, len(sets))
}
