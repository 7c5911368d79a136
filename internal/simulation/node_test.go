package simulation

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
)

// node is a process with an emitter.
type node struct {
	w       *world
	number  int
	workers int
	em      *webhook.Emitter
	dead    atomic.Bool  // killed: nothing of it reaches anybody
	cut     atomic.Bool  // it cannot reach the store
	offline atomic.Bool  // it cannot reach any endpoint
	since   atomic.Int64 // when that began, in Unix nanoseconds

	mu      sync.Mutex
	rng     *rand.Rand
	lossy   int // of a thousand answers, so many are lost
	cancels map[int]func()
	next    int
	dropped map[string]int // events by webhook, as Trace.Dropped says
	emitted map[string]map[int]bool
}

func (w *world) newNode(number int) *node {
	n := &node{
		w: w, number: number, workers: w.workers, rng: rand.New(rand.NewPCG(w.seed, uint64(1000+number))),
		lossy: w.lossy, cancels: map[int]func(){}, dropped: map[string]int{}, emitted: map[string]map[int]bool{},
	}
	em, err := webhook.New(webhook.Options{
		Apps: w.apps(), Queue: &link{w.store, n}, HTTP: dispatch.SenderFunc(n.send), Workers: w.workers,
		Pollers: 1 + (number+int(w.seed))%3, RequestTimeout: w.timeout, Retry: webhook.Retry{MaxElapsed: w.budget},
		Batching: webhook.Batching{Disabled: !w.batching}, Logger: slog.New(slog.DiscardHandler),
		Trace: &webhook.Trace{Dropped: n.noteDropped},
	})
	if err != nil {
		panic(err)
	}
	n.em = em
	return n
}

// random returns a duration from 1 ns to the limit.
func (n *node) random(limit time.Duration) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return 1 + time.Duration(n.rng.Int64N(int64(limit)))
}

// loses reports whether an answer is lost.
func (n *node) loses() bool {
	if n.dead.Load() || n.cut.Load() {
		return true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rng.IntN(1000) < n.lossy && !n.w.ending.Load()
}

// onCut calls f when the node is killed or cut off the store, until stop is called.
func (n *node) onCut(f func()) (stop func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next++
	id := n.next
	n.cancels[id] = f
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.cancels, id)
	}
}

func (n *node) cutOff() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range n.cancels {
		f()
	}
}

// kill ends the node without a word, and returns when its emitter has stopped.
func (n *node) kill() {
	n.dead.Store(true)
	n.cutOff()
	_ = n.em.Close()
}

// setOffline takes the node's network to the endpoints away, or gives it back.
func (n *node) setOffline(offline bool) {
	n.since.Store(time.Now().UnixNano())
	n.offline.Store(offline)
}

// offlineFor returns for how long the node has been without network.
func (n *node) offlineFor() time.Duration {
	if !n.offline.Load() {
		return 0
	}
	return time.Since(time.Unix(0, n.since.Load()))
}

// send is the emitter's sender.
func (n *node) send(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
	if n.offline.Load() {
		return dispatch.Outcome{Verdict: dispatch.Unsent, Reason: "network", Err: errors.New("network is unreachable")}
	}
	if n.dead.Load() {
		return dispatch.Outcome{Verdict: dispatch.Retry, Reason: "timeout", Err: context.Canceled}
	}
	out := n.w.endpoint(r.WebhookID).serve(ctx, n.w, n, r)
	if n.dead.Load() { // what the endpoint has done, the node does not learn
		return dispatch.Outcome{Verdict: dispatch.Retry, Reason: "timeout", Err: context.Canceled}
	}
	return out
}

func (n *node) noteDropped(i webhook.DroppedInfo) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dropped[i.WebhookID] += i.Events
}

// emit emits an event for an endpoint, and notes it if the emitter took it.
func (n *node) emit(e *endpoint, number int) {
	ev := webhook.ClientEvent(e.app, "private-"+e.id+"-room", webhook.ClientMessage{Name: "client-event", Data: itoa(number), SocketID: "1.1"})
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(number%7)*time.Second)
	defer cancel()
	emit := func() error {
		switch number % 3 {
		case 0:
			return n.em.EmitWait(ctx, ev)
		case 1:
			return n.em.Emit(ev)
		}
		return n.em.EmitWait(context.Background(), ev)
	}
	if err := emit(); err != nil {
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, webhook.ErrOverflow) && !errors.Is(err, webhook.ErrClosed) {
			n.w.fail("Emit: %v", err)
		}
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.emitted[e.id] == nil {
		n.emitted[e.id] = map[int]bool{}
	}
	n.emitted[e.id][number] = true
}
