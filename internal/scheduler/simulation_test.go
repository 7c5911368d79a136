package scheduler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// every emits a job on each lane once in a period, at random offsets, until the test's time is
// over.
func (w *world) every(period, total time.Duration, lanes ...string) {
	for _, lane := range lanes {
		go func() {
			began := time.Now()
			for pause := rand.N(period); time.Since(began)+pause < total; pause = period {
				select {
				case <-time.After(pause):
					w.emit(lane)
				case <-w.done:
					return
				}
			}
		}()
	}
}

// This has healthy webhooks begin to hang at the same moment beside ten that stay
// healthy. The limits are those of the table in the design.
func TestRule6WebhooksThatBeginToHangTogetherDelayOthersOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		workers, hanging int
		limit            time.Duration
	}{
		{20, 20, 10 * time.Second},
		{20, 200, 120 * time.Second},
		{100, 20, 100 * time.Millisecond},
		{100, 200, 25 * time.Second},
		{400, 20, 100 * time.Millisecond},
		{400, 200, 10 * time.Second},
	} {
		t.Run(fmt.Sprint(tt.hanging, " on ", tt.workers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { hangTogether(t, tt.workers, tt.hanging, tt.limit) })
		})
	}
}

func hangTogether(t *testing.T, workers, hanging int, limit time.Duration) {
	w := newWorld(t, nil)
	good, bad := names("good", 10), names("bad", hanging)
	w.healthy(append(bad, good...)...)
	var down atomic.Bool
	for _, lane := range bad {
		w.set(lane, func(ctx context.Context, task *Task) Result {
			if down.Load() {
				return hangs(ctx, task)
			}
			return takes(5*time.Millisecond)(ctx, task)
		})
	}
	w.start(workers, 1)
	w.every(time.Second, 340*time.Second, append(bad, good...)...)
	time.Sleep(30 * time.Second)
	w.mu.Lock()
	clear(w.sent)
	w.mu.Unlock()
	down.Store(true)
	time.Sleep(240 * time.Second)
	w.mu.Lock()
	late := len(w.sent)
	w.mu.Unlock()
	time.Sleep(60 * time.Second)
	list := w.waits(good...)
	t.Logf("p50 %v, p99 %v, max %v of %d (%d)", list[len(list)/2], p99(list), list[len(list)-1], len(list), late)
	if got := p99(list); got > limit {
		t.Errorf("p99 of the healthy ones is %v, want at most %v", got, limit)
	}
	w.mu.Lock()
	clear(w.sent)
	w.mu.Unlock()
	time.Sleep(35 * time.Second) // the others are held now
	if list := w.waits(good...); list[len(list)-1] > 10*time.Millisecond {
		t.Errorf("the healthy ones wait up to %v once the others are held", list[len(list)-1])
	}
	w.stop()
}

// This has 50 webhooks of which every request hangs with probability 10 %.
func TestRule6RequestsThatHangAtRandomDelayNobody(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		workers int
		period  time.Duration
		total   time.Duration
		limit   time.Duration
	}{
		{20, 5 * time.Second, 30 * time.Minute, 200 * time.Millisecond},
		{400, 500 * time.Millisecond, 2 * time.Minute, 100 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(tt.workers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				good, bad := names("good", 10), names("bad", 50)
				w.healthy(append(bad, good...)...)
				for _, lane := range bad {
					w.set(lane, func(ctx context.Context, task *Task) Result {
						if rand.N(10) == 0 {
							return hangs(ctx, task)
						}
						return takes(5*time.Millisecond)(ctx, task)
					})
				}
				w.start(tt.workers, 1)
				w.every(tt.period, tt.total, bad...)
				w.every(time.Second, tt.total, good...)
				time.Sleep(tt.total)
				list := w.waits(good...)
				t.Logf("p50 %v, p99 %v, max %v of %d; bad ones p99 %v", list[len(list)/2], p99(list), list[len(list)-1], len(list), p99(w.waits(bad...)))
				if got := p99(list); got > tt.limit {
					t.Errorf("p99 of the healthy ones is %v, want at most %v", got, tt.limit)
				}
				w.stop()
			})
		})
	}
}

func TestRule1AWebhookThatComesBackIsFound(t *testing.T) {
	t.Parallel()
	for _, n := range []int{20, 100, 300} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.fallback = hangs
				w.start(20, 1)
				lanes := names("down", n)
				for _, lane := range lanes {
					w.emit(lane)
					w.emit(lane)
				}
				time.Sleep(time.Hour)
				w.set("down7", takes(50*time.Millisecond))
				began := time.Now()
				limit := 150*time.Second + time.Duration(n)*2*time.Second
				for w.delivered() == 0 && time.Since(began) < 2*limit {
					time.Sleep(100 * time.Millisecond)
				}
				t.Logf("first delivery after %v", time.Since(began))
				if d := time.Since(began); d > limit {
					t.Errorf("first delivery after %v, want at most %v", d, limit)
				}
				w.stop()
			})
		})
	}
}

func TestRule1FiveThousandWebhooksComeBackTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var back atomic.Bool
		w.fallback = func(ctx context.Context, task *Task) Result {
			if back.Load() {
				return takes(50*time.Millisecond)(ctx, task)
			}
			return refuses(ctx, task)
		}
		w.start(20, 1)
		for _, lane := range names("down", 5000) {
			w.emit(lane)
		}
		time.Sleep(10 * time.Minute)
		back.Store(true)
		time.Sleep(150 * time.Second)
		n := w.delivered()
		t.Logf("%d delivered, %d attempts", n, w.count(""))
		if n != 5000 {
			t.Errorf("%d of 5,000 delivered within 2.5 minutes", n)
		}
		w.stop()
	})
}

// beside returns how long the jobs of ten healthy webhooks wait in a minute, beside others that
// others starts, once it has had the time before.
func beside(t *testing.T, before time.Duration, others func(w *world)) []time.Duration {
	t.Helper()
	w := newWorld(t, nil)
	good := names("good", 10)
	w.healthy(good...)
	w.start(20, 1)
	others(w)
	time.Sleep(before)
	w.every(time.Second, time.Minute, good...)
	time.Sleep(time.Minute)
	list := w.waits(good...)
	if len(list) < 590 {
		t.Errorf("%d jobs of the healthy webhooks", len(list))
	}
	t.Logf("p99 %v, max %v", p99(list), list[len(list)-1])
	w.stop()
	return list
}

func TestRule1WebhooksThatNeverAnsweredDelayNoHealthyOne(t *testing.T) {
	t.Parallel()
	for _, n := range []int{20, 200, 1000} {
		synctest.Test(t, func(t *testing.T) {
			list := beside(t, 0, func(w *world) {
				for _, lane := range names("down", n) {
					w.set(lane, hangs)
				}
				w.every(time.Second, time.Minute, names("down", n)...)
			})
			if got := p99(list); got > 5*time.Millisecond {
				t.Errorf("beside %d: p99 of the healthy ones is %v", n, got)
			}
		})
	}
}

func TestRule1DeadWebhooksDelayNoHealthyOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := beside(t, 2*time.Minute, func(w *world) {
			w.fallback = refuses
			for _, lane := range names("good", 10) {
				w.set(lane, takes(5*time.Millisecond))
			}
			for _, lane := range names("dead", 5000) {
				w.emit(lane)
			}
		})
		if got := p99(list); got > 5*time.Millisecond {
			t.Errorf("p99 of the healthy ones is %v", got)
		}
	})
}

func TestRule6ABusyWebhookThatBeginsToHangDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := beside(t, 5*time.Second, func(w *world) {
			began := time.Now()
			w.set("busy", func(ctx context.Context, task *Task) Result {
				if time.Since(began) > 20*time.Second {
					return hangs(ctx, task)
				}
				return takes(5*time.Millisecond)(ctx, task)
			})
			w.every(10*time.Millisecond, time.Minute, slices.Repeat([]string{"busy"}, 10)...)
		})
		if got := p99(list); got > 5*time.Millisecond {
			t.Errorf("p99 of the healthy ones is %v", got)
		}
	})
}

func TestRule8JobsOfUnknownAppsDelayNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		list := beside(t, 0, func(w *world) {
			w.fallback = func(_ context.Context, task *Task) Result {
				return Result{Action: Retry, Delay: min(max(task.Lease.Age, time.Second), time.Minute)}
			}
			for _, lane := range names("good", 10) {
				w.set(lane, takes(5*time.Millisecond))
			}
			for _, lane := range names("unknown", 10_000) {
				w.emit(lane)
			}
		})
		if got := p99(list); got > 5*time.Millisecond {
			t.Errorf("p99 of the healthy ones is %v", got)
		}
	})
}

func TestRule1AFirstEventBesideWebhooksThatHaveHungForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		down := names("down", 1000)
		for _, lane := range down {
			w.set(lane, hangs)
		}
		w.start(20, 1)
		w.every(30*time.Second, time.Hour, down...)
		time.Sleep(30 * time.Minute)
		for _, lane := range names("new", 20) {
			w.emit(lane)
			time.Sleep(10 * time.Second)
		}
		if list := w.waits(names("new", 20)...); list[len(list)-1] > time.Second {
			t.Errorf("the first event of a new webhook waits up to %v", list[len(list)-1])
		}
		w.stop()
	})
}
