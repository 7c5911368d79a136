package webhook

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// loneDebouncer makes a debouncer that runs, and whose events go to deliver.
func loneDebouncer(t *testing.T, c debouncerConfig, deliver func(*Event)) *debouncer {
	t.Helper()
	c.admit = func(hooks []*hook, _ int64, _ emitMode) ([]*hook, error) { return hooks, nil }
	c.deliver = func(ev *Event, _ *forms, _ []*hook, _ emitMode) { deliver(ev) }
	c.cancel = func([]*hook, int64) {}
	c.suppress = func() {}
	d := newDebouncer(c)
	go d.run(t.Context())
	return d
}

// offer has d take an event, and delivers it if d did not.
func offer(t *testing.T, d *debouncer, deliver func(*Event), ev Event) {
	t.Helper()
	taken, err := d.take(&ev, &app{}, []*hook{{}}, emitMode{})
	if err != nil {
		t.Error(err)
	}
	if !taken {
		deliver(&ev)
	}
}

func TestDebounceLetsOthersEmitWhileItDelivers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		var mu sync.Mutex
		var order []string
		deliver := func(ev *Event) {
			if ev.Channel == "slow" && ev.Type == TypeChannelVacated {
				<-open
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, string(ev.Type)+" "+ev.Channel)
		}
		d := loneDebouncer(t, debouncerConfig{departureDelay: time.Second}, deliver)
		offer(t, d, deliver, ChannelVacated("a", "slow"))
		time.Sleep(2 * time.Second) // it is being delivered
		began := time.Now()
		offer(t, d, deliver, ChannelOccupied("a", "slow")) // must not overtake
		offer(t, d, deliver, ChannelVacated("a", "slow"))
		offer(t, d, deliver, ChannelOccupied("a", "slow"))
		offer(t, d, deliver, ChannelOccupied("a", "other"))
		offer(t, d, deliver, ChannelVacated("a", "other"))
		if took := time.Since(began); took != 0 {
			t.Errorf("the others waited for %v", took)
		}
		if !d.holding() {
			t.Error("nothing is held while an event is being delivered")
		}
		close(open)
		time.Sleep(2 * time.Second)
		mu.Lock()
		defer mu.Unlock()
		want := "[channel_occupied other channel_vacated slow channel_occupied slow channel_vacated slow channel_occupied slow channel_vacated other]"
		if got := fmt.Sprint(order); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if d.holding() || len(d.departures.byKey) != 0 {
			t.Errorf("%d entries are left", len(d.departures.byKey))
		}
	})
}

func TestDebounceSendsCountsInOrderWhileItDelivers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []int
		deliver := func(ev *Event) {
			if ev.SubscriptionCount%2 == 1 {
				time.Sleep(5 * time.Second) // much longer than the interval
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, ev.SubscriptionCount)
		}
		d := loneDebouncer(t, debouncerConfig{countInterval: time.Second}, deliver)
		go offer(t, d, deliver, SubscriptionCount("a", "c", 201))
		synctest.Wait()
		offer(t, d, deliver, SubscriptionCount("a", "c", 202))
		offer(t, d, deliver, SubscriptionCount("a", "c", 203))
		time.Sleep(7 * time.Second)
		offer(t, d, deliver, SubscriptionCount("a", "c", 204))
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if got := fmt.Sprint(order); got != "[201 203 204]" {
			t.Error(got)
		}
	})
}

func TestTraceFunctionMayEmitWhatIsDebounced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var e *Emitter
		to := &endpoint{}
		again := 3
		e = start(t, to, debounced, func(o *Options) {
			o.CountInterval = time.Second
			o.Trace = &Trace{Emitted: func(i EmittedInfo) {
				if again--; again < 0 {
					return
				}
				emit(t, e, ChannelVacated("my-app", "c"), ChannelOccupied("my-app", "c"), SubscriptionCount("my-app", "c", 500))
			}}
		})
		emit(t, e, ChannelVacated("my-app", "c"))
		drain(t, e)
		if s := e.Stats(); s.Delivered == 0 || s.Pending != 0 || s.Panics != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// The last event that is emitted for a channel is the last one that is delivered, or was suppressed
// together with its opposite.
func TestDebounceKeepsTheOrderOfAChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		last := map[string]EventType{}
		pauses := rand.New(rand.NewPCG(5, 6))
		deliver := func(ev *Event) {
			mu.Lock()
			pause := time.Duration(pauses.IntN(3)) * time.Millisecond
			mu.Unlock()
			time.Sleep(pause)
			mu.Lock()
			defer mu.Unlock()
			if last[ev.Channel] == ev.Type {
				t.Errorf("%s twice for %s", ev.Type, ev.Channel)
			}
			last[ev.Channel] = ev.Type
		}
		d := loneDebouncer(t, debouncerConfig{departureDelay: 10 * time.Millisecond}, deliver)
		var emitters sync.WaitGroup
		for i := range 50 {
			emitters.Go(func() {
				r := rand.New(rand.NewPCG(7, uint64(i)))
				channel := fmt.Sprint("channel-", i)
				for range 200 {
					offer(t, d, deliver, ChannelOccupied("a", channel))
					time.Sleep(time.Duration(r.IntN(14)) * time.Millisecond)
					offer(t, d, deliver, ChannelVacated("a", channel))
					time.Sleep(time.Duration(r.IntN(14)) * time.Millisecond)
				}
			})
		}
		emitters.Wait()
		if err := d.wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for channel, typ := range last {
			if typ != TypeChannelVacated {
				t.Errorf("the last event of %s is %s", channel, typ)
			}
		}
		if len(last) != 50 || len(d.departures.byKey) != 0 {
			t.Errorf("%d channels, %d entries left", len(last), len(d.departures.byKey))
		}
	})
}
