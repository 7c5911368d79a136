package webhook

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

func TestAWebhookIsHeldAfterTenFailuresInARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(status(500))}
		var mu sync.Mutex
		var holds []time.Duration
		e := start(t, to, unbatched, func(o *Options) {
			o.Workers = 1
			o.Retry.MaxElapsed = time.Hour
			o.Trace = &Trace{LaneChanged: func(i LaneChangedInfo) {
				mu.Lock()
				defer mu.Unlock()
				if i.To == LaneHeld && i.AppID == "my-app" && i.Holds == len(holds)+1 {
					holds = append(holds, time.Until(i.HeldUntil))
				}
			}}
		})
		for i := range 50 {
			emit(t, e, occupied(i))
		}
		time.Sleep(9 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(holds) < 6 {
			t.Fatalf("held for %v", holds)
		}
		for i, d := range holds {
			if want := min(10*time.Second<<i, 2*time.Minute); d > want || d < want*3/4-time.Second {
				t.Errorf("hold %d is for %v, want %v less up to 25 %%", i+1, d, want)
			}
		}
		if n := len(to.got()); n != 10+len(holds)-1 {
			t.Errorf("%d attempts, want ten and one for each hold that ended", n)
		}
	})
}

func TestAWebhookIsHeldAtSixtyPercentFailuresInAMinute(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		pattern string
		pause   time.Duration // between events
		held    int           // after this many attempts; 0: never
	}{
		{"60 percent", "SFFSF", time.Second, 20},
		{"half", "FS", time.Second, 0},
		{"60 percent of fewer than 20 in a minute", "FFFSS", 4 * time.Second, 0},
		{"nine in a row", "FFFFFFFFFSSSSSSSSSSSSSSS", time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int64
				to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
					if tt.pattern[(n.Add(1)-1)%int64(len(tt.pattern))] == 'F' {
						return status(500)
					}
					return status(200)
				}}
				var held atomic.Int64
				e := start(t, to, unbatched, func(o *Options) {
					o.Retry.MaxAttempts = 1
					o.Trace = &Trace{LaneChanged: func(i LaneChangedInfo) {
						if i.To == LaneHeld {
							held.CompareAndSwap(0, n.Load())
						}
					}}
				})
				for i := range 100 {
					emit(t, e, occupied(i))
					time.Sleep(tt.pause)
				}
				if got := int(held.Load()); got != tt.held {
					t.Errorf("held after %d attempts, want %d", got, tt.held)
				}
			})
		})
	}
}

func TestFault24AThousandWaitingJobsMakeOneProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		began := time.Now()
		to.answer = func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			if time.Since(began) < 5*time.Second {
				return status(500)
			}
			return takes(5*time.Second)(ctx, r)
		}
		e := start(t, to, unbatched)
		for i := range 1000 {
			emit(t, e, occupied(i))
		}
		time.Sleep(7 * time.Second)
		before := len(to.got())
		time.Sleep(5 * time.Second) // the probe begins after 7.5 to 10 s and takes 5 s
		if n := len(to.got()) - before; n != 1 {
			t.Errorf("%d attempts while the probe ran, want one", n)
		}
		if before > 40 {
			t.Errorf("%d attempts before the hold", before)
		}
		drain(t, e)
		if s := e.Stats(); s.Delivered != 1000 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestFault23AfterAnOutageTheLaneStartsWithFewAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		began := time.Now()
		down := true
		var mu sync.Mutex
		var running, most int
		var ramp []int // attempts at once, at the start of each one after the outage
		to.answer = func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			mu.Lock()
			running++
			most = max(most, running)
			isDown := down && time.Since(began) < 65*time.Second
			if !isDown {
				down = false
				ramp = append(ramp, running)
			}
			mu.Unlock()
			defer func() { mu.Lock(); running--; mu.Unlock() }()
			if isDown {
				return status(503)
			}
			return takes(50*time.Millisecond)(ctx, r)
		}
		e := start(t, to, unbatched)
		for i := range 2000 {
			emit(t, e, occupied(i))
		}
		time.Sleep(65 * time.Second)
		mu.Lock()
		most = 0
		mu.Unlock()
		drain(t, e)
		mu.Lock()
		defer mu.Unlock()
		if s := e.Stats(); s.Delivered != 2000 {
			t.Errorf("stats: %+v", s)
		}
		if len(ramp) < 100 || ramp[0] != 1 || slices.Max(ramp[:3]) > 2 || slices.Max(ramp[:10]) > 8 {
			t.Errorf("attempts at once after the outage: %v", ramp[:20])
		}
		if most != 20 {
			t.Errorf("at most %d attempts at once in the end, want 20", most)
		}
	})
}

func TestEveryJobGetsAnAttemptWhenTheEndpointIsBackWithinTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			if time.Since(began) < 260*time.Second {
				return status(500)
			}
			return status(200)
		}}
		e := start(t, to, unbatched, func(o *Options) { o.Retry.MaxAttempts = 100 })
		for i := range 1000 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if n := len(channels(t, to.got())); n != 1000 {
			t.Errorf("%d of 1000 jobs got an attempt", n)
		}
		if s := e.Stats(); s.Delivered != 1000 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestAHeldWebhookHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: byURL(map[string]func(context.Context, *dispatch.Request) dispatch.Outcome{
			"http://dead.test/": answers(status(500)),
		})}
		e := start(t, to, unbatched, apps(testApp("http://dead.test/", "http://alive.test/")), func(o *Options) { o.Workers = 1 })
		for i := range 1000 {
			emit(t, e, occupied(i))
		}
		time.Sleep(time.Second)
		alive := 0
		for _, a := range to.got() {
			if a.URL == "http://alive.test/" {
				alive++
			}
		}
		if alive != 1000 {
			t.Errorf("%d of 1000 delivered to the endpoint that works", alive)
		}
	})
}
