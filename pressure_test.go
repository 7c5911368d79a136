package webhook

import (
	"context"
	"fmt"
	"math/rand"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

func TestWebhooksThatHangTogetherDoNotFillThePool(t *testing.T) {
	t.Parallel()
	for _, hanging := range []int{3, 8} {
		t.Run(fmt.Sprint(hanging), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var down atomic.Bool
				delivered := map[string]time.Time{}
				to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
					if down.Load() && r.URL != "http://healthy.test/" {
						return hangs(ctx, r)
					}
					return takes(5*time.Millisecond)(ctx, r)
				}}
				a := testApp("http://healthy.test/")
				a.Webhooks[0].EventTypes = []EventType{TypeChannelVacated}
				for i := range hanging {
					a.Webhooks = append(a.Webhooks, Webhook{URL: fmt.Sprintf("http://hangs-%d.test/", i), EventTypes: []EventType{TypeChannelOccupied}})
				}
				e := start(t, to, unbatched, apps(a))
				for i := range 20_000 / hanging {
					emit(t, e, occupied(i))
				}
				time.Sleep(time.Second)
				down.Store(true)
				sent := map[string]time.Time{}
				for i := range 600 {
					name := fmt.Sprint("healthy-", i)
					sent[name] = time.Now()
					emit(t, e, ChannelVacated("my-app", name))
					time.Sleep(100 * time.Millisecond)
				}
				for _, got := range to.got() {
					if got.URL == "http://healthy.test/" {
						for name := range channels(t, []attempt{got}) {
							delivered[name] = got.at
						}
					}
				}
				for name, at := range sent {
					// a timeout may hold all workers once
					if got, ok := delivered[name]; !ok || got.Sub(at) > 11*time.Second {
						t.Fatalf("%s arrived %v after its Emit (%v), %d of %d arrived", name, got.Sub(at), ok, len(delivered), len(sent))
					}
				}
				_ = e.Close()
			})
		})
	}
}

func TestAnAtMostOnceQueueGivesFewJobsAhead(t *testing.T) {
	t.Parallel()
	for _, webhooks := range []int{1, 2, 10} {
		t.Run(fmt.Sprint(webhooks), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t, queue.MemoryOptions{})
				q.traits.AtMostOnce = true
				var waiting, most atomic.Int64
				q.onReceive = func(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
					leases, err := q.Memory.Receive(ctx, w)
					most.Store(max(most.Load(), waiting.Add(int64(len(leases)))))
					return leases, err
				}
				q.onRelease = func(ctx context.Context, leases []queue.Lease) error {
					waiting.Add(-int64(len(leases)))
					return q.Memory.Release(ctx, leases)
				}
				var urls []string
				for i := range webhooks {
					urls = append(urls, fmt.Sprintf("http://%d.test/", i))
				}
				to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
					waiting.Add(-1)
					return takes(10*time.Millisecond)(ctx, r)
				}}
				e := start(t, to, unbatched, with(q), apps(testApp(urls...)))
				for i := range 10_000 / webhooks {
					emit(t, e, occupied(i))
				}
				time.Sleep(3 * time.Second)
				if n := most.Load(); n > 3*20 {
					t.Errorf("%d jobs received and not begun with 20 workers, want 60 at most", n)
				}
				_ = e.Close()
			})
		})
	}
}

// TestEveryJobIsSettled has random webhooks, workers and receivers: wherever nobody looks again for
// what may be delivered, the time runs out.
func TestEveryJobIsSettled(t *testing.T) {
	t.Parallel()
	for seed := range int64(80) {
		synctest.Test(t, func(t *testing.T) { settleAll(t, rand.New(rand.NewSource(seed)), seed) })
	}
}

func settleAll(t *testing.T, r *rand.Rand, seed int64) {
	q := rig(t, queue.MemoryOptions{})
	a := testApp()
	began := time.Now()
	answers := map[string]func(context.Context, *dispatch.Request) dispatch.Outcome{}
	for i := range 1 + r.Intn(8) {
		w := Webhook{URL: fmt.Sprintf("http://w%d.test/", i), EventTypes: []EventType{TypeChannelOccupied}}
		takesSo := time.Duration(1+r.Intn(200)) * time.Millisecond
		until := time.Duration(0)
		switch r.Intn(4) {
		case 0:
			w.RateLimit = RateLimit{PerSecond: float64(2 + r.Intn(20)), Burst: 1 + r.Intn(5)}
		case 1:
			w.Ordered = true
			takesSo /= 10
		case 2:
			until = time.Duration(r.Intn(20)) * time.Second
		}
		answers[w.URL] = func(ctx context.Context, rq *dispatch.Request) dispatch.Outcome {
			if time.Since(began) < until {
				return status(500)
			}
			return takes(takesSo)(ctx, rq)
		}
		a.Webhooks = append(a.Webhooks, w)
	}
	e := start(t, &endpoint{answer: byURL(answers)}, unbatched, with(q), apps(a), func(o *Options) {
		o.Workers, o.Pollers = 1+r.Intn(10), 1+r.Intn(3)
	})
	for i := range 100 {
		emit(t, e, occupied(i))
		time.Sleep(time.Duration(r.Intn(30)) * time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if err := e.Drain(ctx); err != nil {
		t.Errorf("seed %d: %v: %+v", seed, err, e.Stats())
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if s, err := q.Memory.Stats(t.Context()); err != nil || s.Leased > 0 {
		t.Errorf("seed %d: %d jobs leased after Close, %v", seed, s.Leased, err)
	}
}

func TestATokenThatCameWhileAJobWaitedForAWorkerIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var limited atomic.Int64
		to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			switch {
			case r.URL != "http://limited.test/":
				return takes(1500*time.Millisecond)(ctx, r)
			case limited.Add(1) > 1:
				return takes(8*time.Second)(ctx, r)
			}
			return status(200)
		}}
		a := testApp("http://limited.test/", "http://a.test/", "http://b.test/", "http://c.test/", "http://d.test/")
		for i := range a.Webhooks {
			a.Webhooks[i].Filter = Filter{ChannelPrefix: fmt.Sprint("c", i)}
		}
		a.Webhooks[0].RateLimit = RateLimit{PerSecond: 1, Burst: 2}
		e := start(t, to, unbatched, apps(a), func(o *Options) { o.Workers = 4 })
		all := func() {
			for i := 1; i <= 4; i++ {
				emit(t, e, ChannelOccupied("my-app", fmt.Sprint("c", i)))
				synctest.Wait()
			}
		}
		all()
		time.Sleep(20 * time.Second) // all four are proven
		emit(t, e, ChannelOccupied("my-app", "c0-1"))
		time.Sleep(100 * time.Millisecond)
		all() // and have all workers
		time.Sleep(100 * time.Millisecond)
		emit(t, e, ChannelOccupied("my-app", "c0-2"))
		synctest.Wait()
		emit(t, e, ChannelOccupied("my-app", "c0-3"))
		time.Sleep(30 * time.Second)
		got := to.got()
		last, before := got[len(got)-1], got[len(got)-2]
		if d := last.at.Sub(before.at); last.URL != "http://limited.test/" || d > time.Second {
			t.Errorf("the second job began %v after the first, with a token and workers free", d)
		}
	})
}

func TestABurstForNewWebhooksThatHangStopsNoReceiver(t *testing.T) {
	t.Parallel()
	for _, receivers := range []int{1, 2, 8} {
		for _, once := range []bool{false, true} {
			t.Run(fmt.Sprint(receivers, once), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { burst(t, receivers, once) })
			})
		}
	}
}

func burst(t *testing.T, receivers int, once bool) {
	q := rig(t, queue.MemoryOptions{})
	q.traits.AtMostOnce = once
	var good atomic.Int64
	answers := map[string]func(context.Context, *dispatch.Request) dispatch.Outcome{
		"http://good.test/": func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			defer good.Add(1)
			return takes(50*time.Millisecond)(ctx, r)
		},
	}
	list := []App{testApp("http://good.test/")}
	for i := range 200 {
		url := fmt.Sprintf("http://hangs-%d.test/", i)
		a := testApp(url)
		a.ID, a.Key = fmt.Sprint("hangs-", i), fmt.Sprint("key-", i)
		answers[url] = hangs
		list = append(list, a)
	}
	e := start(t, &endpoint{answer: byURL(answers)}, unbatched, with(q), apps(list...), func(o *Options) { o.Pollers = receivers })
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(25 * time.Millisecond):
				_ = e.Emit(occupied(i))
			}
		}
	}()
	time.Sleep(5 * time.Second)
	for i := range 400 {
		emit(t, e, ChannelOccupied(fmt.Sprint("hangs-", i/2), fmt.Sprint("c", i)))
		if i%20 == 19 {
			time.Sleep(time.Microsecond)
		}
	}
	for second := range 9 {
		before := good.Load()
		time.Sleep(time.Second)
		if n := good.Load() - before; n < 38 {
			t.Errorf("second %d: %d of 40 events of the webhook that works arrived", second, n)
		}
	}
}

func TestTheOnlyWorkerThatIsFreeIsFed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			if down.Load() && r.URL == "http://busy.test/" {
				return hangs(ctx, r)
			}
			return takes(5*time.Millisecond)(ctx, r)
		}}
		a := testApp("http://busy.test/", "http://healthy.test/")
		a.Webhooks[0].EventTypes = []EventType{TypeChannelOccupied}
		a.Webhooks[1].EventTypes = []EventType{TypeChannelVacated}
		e := start(t, to, unbatched, apps(a), func(o *Options) { o.Workers = 4 })
		for i := range 5000 {
			emit(t, e, occupied(i))
		}
		for range 10 {
			emit(t, e, ChannelVacated("my-app", "chat"))
			time.Sleep(100 * time.Millisecond)
		}
		down.Store(true) // three workers hang, and what is ahead can't begin
		time.Sleep(50 * time.Millisecond)
		for range 20 {
			before := len(to.got())
			emit(t, e, ChannelVacated("my-app", "chat"))
			time.Sleep(200 * time.Millisecond)
			if len(to.got()) == before {
				t.Fatal("an event waited although a worker was free")
			}
		}
		_ = e.Close()
	})
}

func TestAWebhookThatBeginsLaterDoesNotComeFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var early, late atomic.Int64
		to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			if r.URL == "http://early.test/" {
				early.Add(1)
			} else {
				late.Add(1)
			}
			return takes(10*time.Millisecond)(ctx, r)
		}}
		a := testApp("http://early.test/", "http://late.test/")
		a.Webhooks[0].EventTypes = []EventType{TypeChannelOccupied}
		a.Webhooks[1].EventTypes = []EventType{TypeChannelVacated}
		e := start(t, to, unbatched, apps(a), func(o *Options) { o.OutboxBytes = 64 << 20 })
		for i := range 20_000 {
			emit(t, e, occupied(i))
		}
		time.Sleep(3 * time.Second)
		for range 10_000 {
			emit(t, e, ChannelVacated("my-app", "chat"))
		}
		time.Sleep(time.Second) // both are in full swing
		before, beforeLate := early.Load(), late.Load()
		time.Sleep(2 * time.Second)
		n, m := early.Load()-before, late.Load()-beforeLate
		if n < (n+m)*4/10 || m < (n+m)*4/10 {
			t.Errorf("%d attempts of the first webhook, %d of the one that began later; want halves", n, m)
		}
		_ = e.Close()
	})
}

func TestCloseEndsReceiversThatHaveNoRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // which fails if a goroutine is left
		e := start(t, &endpoint{answer: hangs}, unbatched, func(o *Options) { o.Workers, o.Pollers = 1, 8 })
		for i := range 100 {
			emit(t, e, occupied(i))
		}
		time.Sleep(time.Second)
		if err := e.Close(); err == nil {
			t.Error("Close does not tell that jobs were left undone")
		}
	})
}
