package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
)

// kind is how an endpoint behaves.
type kind int

const (
	healthy  kind = iota // answers quickly, always
	slow                 // takes up to a third of its timeout
	hanging              // times out until it is back
	refusing             // refuses connections until it is back
	flapping             // works, hangs, works, …
	poisoned             // answers 500 whenever a certain event is in the request
	asking               // answers 503 with Retry-After until it is back
	gone                 // answers 410 to everything
	late                 // works, then hangs until it is back
	kinds    = iota
)

func (k kind) String() string {
	return [...]string{"healthy", "slow", "hanging", "refusing", "flapping", "poisoned", "asking", "gone", "late"}[k]
}

// endpoint is a webhook's receiver.
type endpoint struct {
	kind    kind
	backAt  atomic.Int64 // of its life, a time.Duration: when it is back for good
	app     string
	id      string
	config  webhook.Webhook
	latency time.Duration
	fails   time.Duration // in its life, when it begins to fail
	period  time.Duration // of flapping
	asks    time.Duration // Retry-After
	poison  int           // event that it cannot process; 0: none
	every   time.Duration // mean time between two events for it

	mu        sync.Mutex
	delivered map[int]int           // times, by event
	attempts  map[string][]*attempt // by job
	last      time.Time             // the last attempt's begin
}

// attempt is one request as the endpoint saw it.
type attempt struct {
	node         *node
	began, ended time.Time
	ok, aborted  bool
	status       int
	events       []int
}

// newEndpoint makes an endpoint of a world that lasts for length.
func newEndpoint(rng *rand.Rand, i int, length, timeout time.Duration) *endpoint {
	e := &endpoint{
		kind:      kind(rng.IntN(kinds)),
		app:       "app" + strconv.Itoa(i/10),
		id:        "w" + strconv.Itoa(i),
		latency:   time.Duration(1+rng.IntN(50)) * time.Millisecond,
		delivered: map[int]int{},
		attempts:  map[string][]*attempt{},
	}
	e.backAt.Store(int64(length/4) + rng.Int64N(int64(length)))
	e.fails = time.Duration(rng.Int64N(int64(e.back())))
	e.period = 10*time.Second + time.Duration(rng.Int64N(int64(2*time.Minute)))
	e.asks = time.Second + time.Duration(rng.Int64N(int64(3*time.Minute)))
	if rng.IntN(3) == 0 { // more worlds have something to protect
		e.kind = healthy
	}
	if e.kind == slow {
		e.latency = timeout/20 + time.Duration(rng.Int64N(int64(timeout/4)))
	}
	e.config = webhook.Webhook{
		ID: e.id, URL: "https://" + e.id + ".example.com/hook",
		EventTypes: []webhook.EventType{webhook.TypeClientEvent},
		Filter:     webhook.Filter{ChannelPrefix: "private-" + e.id + "-"},
		Ordered:    rng.IntN(6) == 0,
	}
	if rng.IntN(6) == 0 {
		e.config.RateLimit = webhook.RateLimit{PerSecond: 2 + 20*rng.Float64(), Burst: 1 + rng.IntN(5)}
	}
	return e
}

// capacity returns how far apart the endpoint's bursts of events have to be, at least, so that it
// can be given all of them in time.
func (e *endpoint) capacity(workers, endpoints int) time.Duration {
	every := 8 * e.latency * time.Duration(endpoints) / time.Duration(workers)
	if e.config.Ordered {
		every = max(every, 8*e.latency)
	}
	if r := e.config.RateLimit.PerSecond; r > 0 {
		every = max(every, time.Duration(8/r*float64(time.Second)))
	}
	return every
}

// back returns when the endpoint is back for good.
func (e *endpoint) back() time.Duration { return time.Duration(e.backAt.Load()) }

// steady reports whether the endpoint never fails.
func (e *endpoint) steady() bool { return e.kind == healthy || e.kind == slow }

// works reports whether the endpoint is up at a time of the world.
func (e *endpoint) works(at time.Duration) bool {
	switch e.kind {
	case hanging, refusing, asking:
		return at >= e.back()
	case late:
		return at < e.fails || at >= e.back()
	case flapping:
		return at >= e.back() || at/e.period%2 == 0
	}
	return true
}

// serve answers a request.
func (e *endpoint) serve(ctx context.Context, w *world, n *node, r *dispatch.Request) dispatch.Outcome {
	a := &attempt{node: n, began: time.Now(), events: eventsOf(r.Body)}
	e.mu.Lock()
	e.last = a.began
	e.attempts[r.JobID] = append(e.attempts[r.JobID], a)
	e.mu.Unlock()
	out := e.answer(ctx, w, a)
	e.mu.Lock()
	defer e.mu.Unlock()
	a.ended, a.ok, a.status = time.Now(), out.Verdict == dispatch.Delivered, out.Status
	a.aborted = n.dead.Load() || ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled)
	if a.ok {
		for _, ev := range a.events {
			e.delivered[ev]++
		}
	}
	return out
}

// answer is what the endpoint does.
func (e *endpoint) answer(ctx context.Context, w *world, a *attempt) dispatch.Outcome {
	if !e.works(w.now()) {
		switch e.kind {
		case refusing:
			return dispatch.Outcome{Verdict: dispatch.Retry, Reason: "connect", Err: errors.New("connection refused")}
		case asking:
			return dispatch.Outcome{Verdict: dispatch.Retry, Status: 503, Reason: "status", RetryAfter: e.asks, Err: errors.New("status 503")}
		}
		<-ctx.Done()
		return dispatch.Outcome{Verdict: dispatch.Retry, Reason: "timeout", Err: ctx.Err()}
	}
	timer := time.NewTimer(e.latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return dispatch.Outcome{Verdict: dispatch.Retry, Reason: "timeout", Err: ctx.Err()}
	}
	switch {
	case e.kind == gone:
		return dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone", Err: errors.New("status 410")}
	case e.poison > 0 && contains(a.events, e.poison):
		return dispatch.Outcome{Verdict: dispatch.Retry, Status: 500, Reason: "status", Err: errors.New("status 500")}
	}
	return dispatch.Outcome{Verdict: dispatch.Delivered, Status: 200}
}

func contains(list []int, n int) bool {
	for _, m := range list {
		if m == n {
			return true
		}
	}
	return false
}

// eventsOf returns the numbers of a body's events.
func eventsOf(body []byte) (events []int) {
	var payload struct {
		Events []struct{ Data string }
	}
	if json.Unmarshal(body, &payload) != nil {
		panic("a body is not JSON: " + string(body))
	}
	for _, e := range payload.Events {
		n, err := strconv.Atoi(e.Data)
		if err != nil {
			panic("an event has no number: " + string(body))
		}
		events = append(events, n)
	}
	return events
}
