package webhook

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// gauge counts attempts at once, and those that ended, by URL.
type gauge struct {
	mu            sync.Mutex
	running, most map[string]int
	ended         map[string]int
}

func newGauge() *gauge {
	return &gauge{running: map[string]int{}, most: map[string]int{}, ended: map[string]int{}}
}

// around counts what answer does. The URL "" stands for all together.
func (g *gauge) around(answer func(context.Context, *dispatch.Request) dispatch.Outcome) func(context.Context, *dispatch.Request) dispatch.Outcome {
	return func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
		g.note(r.URL, 1)
		defer g.note(r.URL, -1)
		return answer(ctx, r)
	}
}

func (g *gauge) note(url string, change int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, u := range []string{"", url} {
		g.running[u] += change
		g.most[u] = max(g.most[u], g.running[u])
		if change < 0 {
			g.ended[u]++
		}
	}
}

func (g *gauge) at(url string) (running, ended int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running[url], g.ended[url]
}

// rate returns how many attempts end in a second, on average over d from now.
func (g *gauge) rate(d time.Duration) float64 {
	_, before := g.at("")
	time.Sleep(d)
	_, after := g.at("")
	return float64(after-before) / d.Seconds()
}

func checkRate(t *testing.T, got, want float64) {
	t.Helper()
	if got < 0.97*want || got > 1.03*want {
		t.Errorf("%.1f attempts a second, want %.1f within 3 %%", got, want)
	}
}

func TestOneWebhookAloneSoonHasAllWorkers(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 3, 20, 50} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGauge()
				e := start(t, &endpoint{answer: g.around(takes(50 * time.Millisecond))}, unbatched, func(o *Options) { o.Workers = workers })
				for i := range 20 * workers * 8 {
					emit(t, e, occupied(i))
				}
				time.Sleep(2025 * time.Millisecond) // in the middle of attempts
				if n, _ := g.at(""); n != workers {
					t.Errorf("%d attempts at once after 2 s, want %d", n, workers)
				}
				checkRate(t, g.rate(5*time.Second), float64(workers)/0.05)
			})
		})
	}
}

func TestTenSlowWebhooksUseAllWorkers(t *testing.T) {
	t.Parallel()
	for _, latency := range []time.Duration{50 * time.Millisecond, 900 * time.Millisecond, 3 * time.Second} {
		t.Run(latency.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var urls []string
				for i := range 10 {
					urls = append(urls, fmt.Sprintf("http://slow-%d.test/", i))
				}
				g := newGauge()
				e := start(t, &endpoint{answer: g.around(takes(latency))}, unbatched, apps(testApp(urls...)))
				for i := range 200 {
					emit(t, e, occupied(i))
				}
				time.Sleep(20 * latency)
				checkRate(t, g.rate(50*latency), 20/latency.Seconds())
			})
		})
	}
}

func TestColdLanesHoldAtMostHalfOfTheWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		urls := []string{"http://proven.test/"}
		answer := map[string]func(context.Context, *dispatch.Request) dispatch.Outcome{"http://proven.test/": takes(10 * time.Millisecond)}
		for i := range 100 {
			u := fmt.Sprintf("http://hangs-%d.test/", i)
			urls = append(urls, u)
			answer[u] = hangs
		}
		g := newGauge()
		a := testApp(urls...)
		for i := range a.Webhooks {
			a.Webhooks[i].Filter.ChannelPrefix = "all-"
		}
		a.Webhooks[0].Filter = Filter{}
		e := start(t, &endpoint{answer: g.around(byURL(answer))}, unbatched, apps(a))
		for i := range 2000 {
			emit(t, e, occupied(i))
		}
		time.Sleep(500 * time.Millisecond)
		for i := range 3 {
			emit(t, e, ChannelOccupied("my-app", fmt.Sprint("all-", i)))
		}
		for range 100 {
			time.Sleep(10 * time.Millisecond)
			all, _ := g.at("")
			proven, _ := g.at("http://proven.test/")
			if all-proven > 10 {
				t.Fatalf("%d of 20 workers are with endpoints that never answered", all-proven)
			}
		}
	})
}

// delays emits at a steady pace for webhooks that answer within 5 ms, beside one that gets 1,000 events a second and
// may hang, and returns how long the healthy ones' events took to be sent, sorted.
func delays(t *testing.T, hangFrom time.Duration) []time.Duration {
	t.Helper()
	const healthy = 99
	urls := []string{"http://hangs.test/"}
	for i := range healthy {
		urls = append(urls, fmt.Sprintf("http://healthy-%d.test/", i))
	}
	a := testApp(urls...)
	for i := range a.Webhooks {
		a.Webhooks[i].Filter.ChannelPrefix = fmt.Sprintf("w%d-", i)
	}
	began := time.Now()
	var mu sync.Mutex
	var list []time.Duration
	to := dispatch.SenderFunc(func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
		if r.URL == urls[0] {
			if time.Since(began) >= hangFrom {
				return hangs(ctx, r)
			}
			return takes(5*time.Millisecond)(ctx, r)
		}
		p, err := parsePayload(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		list = append(list, time.Since(p.Time()))
		mu.Unlock()
		return takes(5*time.Millisecond)(ctx, r)
	})
	e := start(t, nil, apps(a), func(o *Options) { o.HTTP = to })
	for tick := range 600 { // 6 s, in steps of 10 ms
		for i := range 10 {
			emit(t, e, ChannelOccupied("my-app", fmt.Sprint("w0-", i)))
		}
		for i := range 10 { // of each healthy webhook an event about every 100 ms
			emit(t, e, ChannelOccupied("my-app", fmt.Sprintf("w%d-c", 1+(tick*10+i)%healthy)))
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(time.Second)
	mu.Lock()
	defer mu.Unlock()
	if s := e.Stats(); s.Overflowed != 0 || s.Dropped != 0 || len(list) < 5_000 {
		t.Errorf("%d healthy deliveries, stats: %+v", len(list), s)
	}
	slices.Sort(list)
	return list
}

func TestFault22AHangingEndpointDoesNotDelayTheOthers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	p99 := map[string]time.Duration{}
	t.Run("group", func(t *testing.T) {
		for name, from := range map[string]time.Duration{"none": time.Hour, "from the start": 0, "after 3 s": 3 * time.Second} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					list := delays(t, from)
					mu.Lock()
					defer mu.Unlock()
					p99[name] = list[len(list)*99/100]
					t.Logf("p50 %v, p99 %v, most %v", list[len(list)/2], p99[name], list[len(list)-1])
				})
			})
		}
	})
	for name, d := range p99 {
		if most := p99["none"] + p99["none"]/10; d > most {
			t.Errorf("%s: p99 is %v, without a hanging endpoint %v", name, d, p99["none"])
		}
	}
}

func TestAWebhookWithABacklogDoesNotKeepAnotherWaiting(t *testing.T) {
	t.Parallel()
	for _, latency := range []time.Duration{10 * time.Millisecond, 100 * time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := &endpoint{answer: takes(latency)}
				a := testApp("http://busy.test/", "http://quiet.test/")
				a.Webhooks[0].Filter.ChannelPrefix = "busy"
				a.Webhooks[1].Filter.ChannelPrefix = "quiet"
				e := start(t, to, unbatched, apps(a), outboxOf(128<<20))
				for i := range 50_000 {
					emit(t, e, ChannelOccupied("my-app", fmt.Sprint("busy-", i)))
				}
				time.Sleep(15 * time.Second) // busy has all workers by now
				for range 10 {
					began, before := time.Now(), len(to.got())
					emit(t, e, ChannelOccupied("my-app", "quiet"))
					time.Sleep(latency + latency/2)
					if !slices.ContainsFunc(to.got()[before:], func(a attempt) bool { return a.URL == "http://quiet.test/" && !a.at.Before(began) }) {
						t.Fatal("the quiet webhook's event waited longer than an attempt of the busy one takes")
					}
					time.Sleep(time.Second)
				}
				_ = e.Close()
			})
		})
	}
}

func TestAnEndpointThatBeginsToHangGetsNoMoreWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hung atomic.Bool
		g := newGauge()
		to := &endpoint{answer: g.around(func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			if hung.Load() {
				return hangs(ctx, r)
			}
			return takes(20*time.Millisecond)(ctx, r)
		})}
		e := start(t, to, unbatched)
		for i := range 1000 { // it has all workers
			emit(t, e, occupied(i))
		}
		drain(t, e)
		hung.Store(true)
		for i := range 80 { // 8 s, less than a timeout
			emit(t, e, occupied(i))
			time.Sleep(100 * time.Millisecond)
		}
		if n, _ := g.at(""); n > 10 { // what came within a second, after which the first is slow
			t.Errorf("%d workers are with an endpoint that hangs", n)
		}
	})
}

func TestWorkersDoNotWaitForTheQueuesAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.onReceive = func(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
			leases, err := q.Memory.Receive(ctx, w)
			time.Sleep(10 * time.Millisecond) // the way there and back
			return leases, err
		}
		g := newGauge()
		e := start(t, &endpoint{answer: g.around(takes(10 * time.Millisecond))}, unbatched, with(q))
		for i := range 10_000 {
			emit(t, e, occupied(i))
		}
		time.Sleep(2 * time.Second)
		checkRate(t, g.rate(2*time.Second), 20/0.01)
	})
}

func TestAReceiveUnderWayIsNotRepeatedForEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		var receives atomic.Int64
		q.onReceive = func(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
			receives.Add(1)
			return q.Memory.Receive(ctx, w)
		}
		e := start(t, &endpoint{answer: takes(50 * time.Millisecond)}, unbatched, with(q))
		for i := range 1000 { // all workers learn that it is proven
			emit(t, e, occupied(i))
		}
		drain(t, e)
		before := receives.Load()
		for i := range 20 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if n := receives.Load() - before; n > 5 {
			t.Errorf("%d Receives for 20 jobs that came together and whose attempts ended one by one", n)
		}
	})
}

// slowLanes is a queue that takes its time to change a lane's state.
type slowLanes struct{ *riggedQueue }

func (q slowLanes) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	time.Sleep(20 * time.Millisecond)
	return q.riggedQueue.SetLane(ctx, u)
}

// While an update of a lane's state is under way, leases still tell the old one. That is no change.
func TestLeasesDuringAnUpdateOfTheLaneAreNoNews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &logBuffer{}
		var mu sync.Mutex
		var changes []string
		to := &endpoint{answer: down("down")}
		a := named("down")
		a.Webhooks[0].Retry.MaxAttempts = 1
		e := start(t, to, with(slowLanes{rig(t, queue.MemoryOptions{})}), unbatched, infoLog(b), apps(a), func(o *Options) {
			o.Trace = &Trace{LaneChanged: func(i LaneChangedInfo) {
				mu.Lock()
				defer mu.Unlock()
				changes = append(changes, i.To.String())
			}}
		})
		for i := range 100 {
			emit(t, e, occupied(i))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(changes, []string{"held"}) {
			t.Errorf("the states are %v", changes)
		}
		if len(b.linesOf(t, lineFailing)) != 1 || len(b.linesOf(t, lineHeld)) != 1 || len(b.linesOf(t, lineUndecided)) != 0 {
			t.Errorf("the log is\n%s", b)
		}
	})
}
