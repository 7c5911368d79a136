package webhook

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/limits"
	"github.com/pushhooks/webhook/queue"
)

// dice makes the choices of one fuzz input: its bytes first, then random numbers that depend on
// them.
type dice struct {
	mu   sync.Mutex
	data []byte
	rest *rand.ChaCha8
}

func newDice(data []byte) *dice { return &dice{data: data, rest: rand.NewChaCha8(sha256.Sum256(data))} }

// n returns a number from 0 to below limit, which is at most 256.
func (d *dice) n(limit int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.data) == 0 {
		return int(d.rest.Uint64() % uint64(limit))
	}
	b := d.data[0]
	d.data = d.data[1:]
	return int(b) % limit
}

func (d *dice) chance(percent int) bool { return d.n(100) < percent }

// number returns a number from 0 to limit, of any magnitude.
func (d *dice) number(limit int64) int64 {
	v := int64(d.n(256)) << d.n(55)
	if v < 0 || v > limit {
		return limit
	}
	return v
}

func (d *dice) duration(limit time.Duration) time.Duration {
	return time.Duration(d.number(int64(limit)))
}

// rogueHost is a random host: its senders, Trace functions and log handler do what they should not.
type rogueHost struct {
	*dice
	never  chan struct{} // closed when the emitter has ended
	blocks bool          // whether anything may block
	rogue  int           // how often a callback is rogue, in percent
}

// odd panics, ends the goroutine or blocks, now and then.
func (h *rogueHost) odd() {
	if !h.chance(h.rogue) {
		return
	}
	switch h.n(4) {
	case 0:
		panic("rogue")
	case 1:
		panic((*nilError)(nil))
	case 2:
		runtime.Goexit()
	case 3:
		if h.blocks {
			<-h.never
		}
	}
}

func (h *rogueHost) Send(ctx context.Context, _ *dispatch.Request) dispatch.Outcome {
	select {
	case <-time.After(h.duration(20 * time.Second)):
	case <-ctx.Done():
		return timedOut(ctx)
	}
	h.odd()
	out := dispatch.Outcome{Verdict: dispatch.Delivered, Status: 200}
	if h.chance(60) {
		return out
	}
	out.Verdict, out.Status = dispatch.Verdict(h.n(256)), []int{0, 200, 410, 413, 429, 500, 503, -7}[h.n(8)]
	if h.chance(70) {
		out.Verdict %= dispatch.Unsent + 1
	}
	if h.chance(20) {
		out.RetryAfter = time.Duration(h.number(math.MaxInt64))
	}
	switch h.n(4) {
	case 0:
		out.Err = (*nilError)(nil)
	case 1:
		out.Err = &onceError{}
	case 2:
		out.Reason, out.Err = "status", errors.New("refused\n")
	}
	return out
}

func (h *rogueHost) options() Options {
	o := Options{
		HTTP: h, Workers: int(h.number(200)), Pollers: int(h.number(8)), EmitOnly: h.chance(5),
		Debounce: h.duration(maxDebounce), CountInterval: h.duration(maxDebounce),
		RequestTimeout: h.duration(20 * time.Second), OutboxBytes: h.number(limits.Bytes),
		EnqueueJobs: int(h.number(maxEnqueueJobs)), KeepTime: h.chance(20), StandardWebhooks: h.chance(20),
		Batching: Batching{
			Disabled: h.chance(30), Duration: h.duration(maxBatchDuration),
			Size: int(h.number(maxBatchSize)) - h.n(2), Bytes: int(h.number(maxBatchBytes)),
		},
		Retry: h.retry(),
		Trace: &Trace{
			Emitted: func(EmittedInfo) { h.odd() }, Dropped: func(DroppedInfo) { h.odd() }, Enqueued: func(EnqueuedInfo) { h.odd() },
			Attempted: func(AttemptedInfo) { h.odd() }, DeadLettered: func(DeadLetteredInfo) { h.odd() },
			LaneChanged: func(LaneChangedInfo) { h.odd() },
		},
		Logger: slog.New(oddHandler{map[string]func(){"Enabled": h.odd, "Handle": h.odd}}),
	}
	if h.chance(30) {
		o.OutboxBytes = int64(1000 * (1 + h.n(100)))
	}
	return o
}

func (h *rogueHost) retry() Retry {
	r := Retry{MaxAttempts: h.n(5) - 1, MaxElapsed: h.duration(time.Hour)}
	if h.chance(50) {
		r.InitialBackoff = h.duration(time.Hour)
		r.MaxBackoff = r.InitialBackoff + h.duration(time.Hour)
	}
	if h.chance(30) {
		r.MaxAge = max(r.MaxElapsed, defaultMaxElapsed) + h.duration(time.Hour)
	}
	return r
}

// app makes the nth app, or another version of it.
func (h *rogueHost) app(n int, ordered bool) App {
	a := App{ID: fmt.Sprint("app-", n), Key: testKey.Key, Secret: testKey.Secret, Disabled: h.chance(5)}
	for i := range h.n(4) {
		w := Webhook{URL: fmt.Sprintf("http://receiver-%d.test/", h.n(4)), EventTypes: knownTypes, Ordered: ordered && h.chance(20)}
		if h.chance(50) {
			w.ID = fmt.Sprint("hook-", i)
		}
		w.UserInfoAsString = h.chance(30)
		if h.chance(20) {
			w.RateLimit = RateLimit{PerSecond: max(minRate, float64(h.number(1000*maxRate))/1000), Burst: int(h.number(maxRate))}
		}
		a.Webhooks = append(a.Webhooks, w)
	}
	return a
}

func (h *rogueHost) queue(t *testing.T) queue.Queue {
	if h.chance(30) {
		return nil
	}
	q := rigOnce(t, h.chance(20))
	q.traits.Durable = h.chance(50)
	fails := h.n(20)
	q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
		if h.chance(fails) {
			return errors.New("connection reset")
		}
		return q.Memory.Enqueue(ctx, jobs)
	}
	return q
}

func (h *rogueHost) event() Event {
	app, channel := fmt.Sprint("app-", h.n(4)), fmt.Sprint("presence-", h.n(4))
	switch h.n(7) {
	case 0:
		return ChannelVacated(app, channel)
	case 1:
		return MemberAdded(app, channel, "user")
	case 2:
		return MemberRemoved(app, channel, "user")
	case 3:
		return SubscriptionCount(app, channel, 101+h.n(100))
	case 4:
		m := ClientMessage{Name: "client-x", Data: string(make([]byte, h.number(20_000))), SocketID: "1.1"}
		return ClientEvent(app, channel, m)
	case 5:
		return MemberUpdated(app, channel, "user", `["`+strings.Repeat(`\"`, int(h.number(60_000)))+`"]`)
	}
	return ChannelOccupied(app, channel)
}

// act does one thing that a host does, in a goroutine of its own, which a callback may end or
// block.
func (h *rogueHost) act(ctx context.Context, e *Emitter, ordered bool) {
	ctx, cancel := context.WithTimeout(ctx, h.duration(time.Minute))
	defer cancel()
	switch h.n(20) {
	case 0, 1:
		_ = e.SetApp(h.app(h.n(4), ordered))
	case 2:
		e.RemoveApp(fmt.Sprint("app-", h.n(4)))
	case 3:
		_ = e.Flush(ctx)
	case 4:
		_ = e.Drain(ctx)
	case 5:
		_, _ = e.Replay(ctx, DeadLetterQuery{})
	case 6, 7:
		_ = e.EmitWait(ctx, h.event())
	case 8:
		_ = e.EmitSync(ctx, h.event(), h.event())
	case 9:
		_, _ = e.Test(ctx, fmt.Sprint("app-", h.n(4)), "hook-0")
	default:
		for range 1 + h.n(20) {
			_ = e.Emit(h.event())
		}
	}
}

// FuzzEmitter has random hosts, options and receivers: whatever they do, the process lives,
// Shutdown returns in its time, and the totals add up.
func FuzzEmitter(f *testing.F) {
	f.Add([]byte{})
	// a Trace function ends a goroutine whose event is about to be held back
	f.Add([]byte("'b\xb2e"))
	f.Add([]byte("\x16\xe9\xe9\xae"))
	for i := range byte(40) {
		f.Add([]byte{i, 7 * i, 31 * i, 101 * i})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		synctest.Test(t, func(t *testing.T) { runRogue(t, newDice(data)) })
	})
}

func runRogue(t *testing.T, d *dice) {
	h := &rogueHost{dice: d, never: make(chan struct{}), blocks: d.chance(30), rogue: d.n(15)}
	o := h.options()
	o.Queue = h.queue(t)
	ordered := o.Queue == nil || o.Queue.Traits().Ordered
	for i := range 3 {
		o.Apps = append(o.Apps, h.app(i, ordered))
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	for range 20 + h.n(100) {
		go h.act(ctx, e, ordered)
		time.Sleep(h.duration(2 * time.Second))
		checkCounters(t, e)
	}
	if !h.blocks {
		checkSettled(ctx, t, e)
	}
	patience := h.duration(3 * time.Minute)
	end, stop := context.WithTimeout(context.Background(), patience)
	began := time.Now()
	err = e.Shutdown(end)
	if took := time.Since(began); took > patience+4*time.Second {
		t.Errorf("Shutdown returned %v after its context ended", took-patience)
	}
	checkCounters(t, e)
	if s := e.Stats(); s.Pending > 0 && err == nil {
		t.Errorf("Shutdown returned no error, stats: %+v", s)
	}
	stop()
	cancel()
	close(h.never)
	time.Sleep(time.Hour) // what was blocked returns
	checkCounters(t, e)
}

// checkSettled checks, a while after the last event, that the outbox is empty, and that nothing
// counts as queued if the queue is empty.
func checkSettled(ctx context.Context, t *testing.T, e *Emitter) {
	time.Sleep(time.Hour)
	synctest.Wait()
	if used := e.outbox.used.Load(); used != 0 {
		t.Errorf("%d bytes in the outbox: %+v", used, e.Stats())
	}
	if s := e.Stats(); e.queueEmpty(ctx) && e.scheduler.Idle() && s.Pending+s.Queued != 0 {
		t.Errorf("the queue is empty, stats: %+v", s)
	}
}

// checkCounters checks that the totals add up without a number below zero that Stats would hide.
func checkCounters(t *testing.T, e *Emitter) {
	t.Helper()
	checkTotals(t, e)
	synctest.Wait()
	c := &e.stats
	settled := c.delivered.Load() + c.dead.Load() + c.dropped.Load()
	inQueue := c.enqueued.Load() - c.ownSettled.Load()
	pending := c.matched() + c.adopted.Load() - settled - inQueue
	if inQueue < 0 || pending < 0 || e.outbox.used.Load() < 0 || e.outbox.failing.Load() < 0 {
		t.Errorf("%d events in the queue, %d pending, outbox of %d and %d bytes: %+v",
			inQueue, pending, e.outbox.used.Load(), e.outbox.failing.Load(), e.Stats())
	}
}
