package webhook

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

func TestARateLimitSpacesAttemptsAndOccupiesNoWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		var other atomic.Int64
		to.answer = func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
			if r.URL == "http://other.test/" {
				other.Add(1)
			}
			return status(200)
		}
		e := start(t, to, func(o *Options) {
			o.Batching.Disabled = true
			o.Workers = 2
			o.Apps = []App{testApp("http://limited.test/", "http://other.test/")}
			o.Apps[0].Webhooks[0].RateLimit = RateLimit{PerSecond: 10, Burst: 5}
		})
		for i := range 105 {
			emit(t, e, occupied(i))
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if n := other.Load(); n != 105 {
			t.Errorf("%d of 105 attempts of the webhook without a limit were made at once", n)
		}
		began := time.Now()
		drain(t, e)
		if took := time.Since(began); took < 9900*time.Millisecond || took > 10500*time.Millisecond {
			t.Errorf("105 attempts, 5 at once and 10 a second, took %v", took)
		}
		var times []time.Time
		for _, a := range to.got() {
			if a.URL == "http://limited.test/" {
				times = append(times, a.at)
			}
		}
		for i := 15; i < len(times); i++ {
			if d := times[i].Sub(times[i-15]); d < 900*time.Millisecond {
				t.Fatalf("attempts %d to %d within %v", i-15, i, d)
			}
		}
	})
}

func TestAnOrderedWebhookHasOneJobInFlightAndNoneOvertakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		flying, most, n := 0, 0, 0
		var order []string
		to := &endpoint{}
		to.answer = func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
			to.mu.Lock()
			flying++
			most = max(most, flying)
			to.mu.Unlock()
			time.Sleep(time.Millisecond)
			to.mu.Lock()
			defer to.mu.Unlock()
			flying--
			if n++; n%5 == 0 {
				return status(500)
			}
			p, _ := Verify(r.Body, r.Header, testKey)
			order = append(order, p.Events[0].Channel)
			return status(200)
		}
		e := start(t, to, func(o *Options) {
			o.Batching.Disabled = true
			o.Apps[0].Webhooks[0].Ordered = true
		})
		for i := range 50 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if most != 1 {
			t.Errorf("%d jobs in flight at once", most)
		}
		for i, channel := range order {
			if channel != occupied(i).Channel {
				t.Fatalf("job %d is %s: %v", i, channel, order)
			}
		}
		if len(order) != 50 {
			t.Errorf("%d of 50 arrived", len(order))
		}
	})
}
