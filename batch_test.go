package webhook

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

func TestABatchIsCutAtItsNumberOfEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to)
		began := time.Now()
		for i := range 250 {
			emit(t, e, occupied(i))
		}
		synctest.Wait()
		if n := len(to.got()); n != 2 {
			t.Errorf("%d requests before the window's end, want the 2 full batches", n)
		}
		drain(t, e)
		var sizes []int
		for _, a := range to.got() {
			sizes = append(sizes, len(a.payload(t, testKey).Events))
		}
		slices.Sort(sizes)
		if !slices.Equal(sizes, []int{50, 100, 100}) {
			t.Errorf("batches of %v events", sizes)
		}
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("draining took %v", took)
		}
	})
}

func TestABatchIsCutAfterItsDuration(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]time.Duration{"default": 50 * time.Millisecond, "set": 2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := &endpoint{}
				e := start(t, to, func(o *Options) {
					if name == "set" {
						o.Batching.Duration = want
					}
				})
				for range 5 { // each window is as long as the first
					began := time.Now()
					emit(t, e, occupied(1))
					time.Sleep(want / 2)
					emit(t, e, occupied(2))
					time.Sleep(want) // with the half before, it is past the window's end
					got := to.got()
					last := got[len(got)-1]
					if d := last.at.Sub(began); d < want || d > want+5*time.Millisecond {
						t.Errorf("delivered after %v, want %v", d, want)
					}
					if n := len(last.payload(t, testKey).Events); n != 2 {
						t.Errorf("%d events", n)
					}
					time.Sleep(time.Second)
				}
			})
		})
	}
}

func TestABatchIsCutBeforeItsBodyIsTooLarge(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{0, 1000, 64 << 10} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := &endpoint{}
				e := start(t, to, func(o *Options) { o.Batching.Bytes, o.Batching.Size = limit, -1 })
				most := limit
				if most == 0 {
					most = 200 << 10
				}
				r := rand.New(rand.NewPCG(1, uint64(limit)))
				const events = 2000
				for i := range events {
					ev := ClientEvent("my-app", fmt.Sprint("private-", i), ClientMessage{Name: "client-x", Data: strings.Repeat("x", r.IntN(700)), SocketID: "1.1"})
					emit(t, e, ev)
				}
				drain(t, e)
				total := 0
				for _, a := range to.got() {
					if len(a.Body) > most {
						t.Errorf("a body of %d bytes, at most %d", len(a.Body), most)
					}
					total += len(a.payload(t, testKey).Events)
				}
				if total != events {
					t.Errorf("%d events", total)
				}
				if n := len(to.got()); limit == 0 && n > 10 {
					t.Errorf("%d requests for less than a megabyte", n)
				}
			})
		})
	}
}

func TestAnEventLargerThanABatchTravelsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, func(o *Options) { o.Batching.Bytes = 1000 })
		emit(t, e, occupied(1))
		emit(t, e, ClientEvent("my-app", "private-large", ClientMessage{Name: "client-x", Data: strings.Repeat("x", 100_000), SocketID: "1.1"}))
		emit(t, e, occupied(2))
		drain(t, e)
		if got := to.got(); len(got) != 3 {
			t.Errorf("%d requests, want 3", len(got))
		}
	})
}

func TestWithoutBatchingEveryEventGoesAtOnceAndAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, unbatched)
		for i := range 10 {
			emit(t, e, occupied(i))
		}
		synctest.Wait() // no time passes
		got := to.got()
		if len(got) != 10 {
			t.Fatalf("%d requests at once, want 10", len(got))
		}
		for _, a := range got {
			if n := len(a.payload(t, testKey).Events); n != 1 {
				t.Errorf("%d events in a request", n)
			}
		}
	})
}

func TestAWebhooksEventsKeepTheOrderOfEmit(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){
		"batches": func(*Options) {}, "single": unbatched, "small": func(o *Options) { o.Batching.Bytes = 300 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var order []string
				to := &endpoint{}
				to.answer = func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
					p, err := Verify(r.Body, r.Header, testKey)
					if err != nil {
						t.Error(err)
						return status(500)
					}
					for _, ev := range p.Events {
						order = append(order, ev.Channel)
					}
					return status(200)
				}
				// One worker, so that the attempts show the order of the jobs.
				e := start(t, to, change, func(o *Options) { o.Workers = 1 })
				for i := range 1000 {
					emit(t, e, occupied(i))
					if i%300 == 0 {
						time.Sleep(60 * time.Millisecond)
					}
				}
				drain(t, e)
				for i, c := range order {
					if c != fmt.Sprintf("channel-%d", i) {
						t.Fatalf("event %d is of %s", i, c)
					}
				}
				if len(order) != 1000 {
					t.Errorf("%d events", len(order))
				}
			})
		})
	}
}

func TestEventsOfDifferentWebhooksAndAppsNeverShareARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		list := manyApps("app", 3)
		for i := range list { // two webhooks with one URL
			list[i].Webhooks = append(list[i].Webhooks, list[i].Webhooks[0])
		}
		e := start(t, to, apps(list...))
		for i := range 30 {
			emit(t, e, ChannelOccupied(list[i%3].ID, list[i%3].ID+"-channel"))
		}
		drain(t, e)
		got := to.got()
		if len(got) != 6 {
			t.Fatalf("%d requests, want one for each of the 6 webhooks", len(got))
		}
		seen := map[string]bool{}
		for _, a := range got {
			seen[a.AppID+"/"+a.WebhookID] = true
			for _, ev := range a.payload(t, testKey).Events {
				if ev.Channel != a.AppID+"-channel" {
					t.Errorf("an event of %s in a request of %s", ev.Channel, a.AppID)
				}
			}
		}
		if len(seen) != 6 {
			t.Errorf("webhooks: %v", seen)
		}
	})
}
