package webhook

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

func TestAnOrderedWebhookKeepsItsOrderThroughFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		var mu sync.Mutex
		var order []string
		running := 0
		to := &endpoint{answer: func(_ context.Context, req *dispatch.Request) dispatch.Outcome {
			mu.Lock()
			if running++; running > 1 {
				t.Error("two attempts at once")
			}
			fails, pause := r.IntN(4) == 0, time.Duration(r.IntN(300))*time.Millisecond
			mu.Unlock()
			time.Sleep(pause)
			mu.Lock()
			defer mu.Unlock()
			running--
			if fails {
				return status(503)
			}
			p, err := Verify(req.Body, req.Header, testKey)
			if err != nil {
				t.Error(err)
				return status(400)
			}
			for _, ev := range p.Events {
				order = append(order, ev.Channel)
			}
			return status(200)
		}}
		e := start(t, to, unbatched, func(o *Options) { o.Apps[0].Webhooks[0].Ordered = true })
		for i := range 200 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		mu.Lock()
		defer mu.Unlock()
		if len(order) != 200 {
			t.Fatalf("%d events of 200, stats: %+v", len(order), e.Stats())
		}
		for i, c := range order {
			if c != fmt.Sprintf("channel-%d", i) {
				t.Fatalf("event %d is of %s", i, c)
			}
		}
	})
}

func TestAnOrderedJobThatFailsHoldsItsWebhookUntilItsBudgetEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		to.answer = func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
			if p, err := parsePayload(r.Body); err == nil && p.Events[0].Channel == "channel-0" {
				return status(500)
			}
			return status(200)
		}
		e := start(t, to, unbatched, func(o *Options) { o.Apps[0].Webhooks[0].Ordered = true })
		began := time.Now()
		for i := range 10 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if s := e.Stats(); s.Delivered != 9 || s.Dead != 1 {
			t.Errorf("stats: %+v", s)
		}
		for _, a := range to.got() {
			if a.payload(t, testKey).Events[0].Channel != "channel-0" && a.at.Sub(began) < 3*time.Minute {
				t.Errorf("a later job overtook after %v", a.at.Sub(began))
			}
		}
	})
}
