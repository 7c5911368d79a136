package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// disturbance is what runs beside ten healthy webhooks that get an event a second each.
type disturbance struct {
	name    string
	hanging int  // webhooks that never answer, with an event every 30 seconds after the first two
	refused int  // webhooks whose connections are refused, likewise
	busy    bool // a healthy webhook with 1,000 events/s that begins to hang after 10 seconds
	unknown int  // jobs of apps that the process does not know
	restart bool // Redis: the process ends after a third of the time, and another one goes on
	fresh   bool // at the end, a webhook that was never tried gets its first event
}

var disturbances = []disturbance{
	{name: "nothing"},
	{name: "20 hanging", hanging: 20},
	{name: "200 hanging", hanging: 200},
	{name: "1000 hanging", hanging: 1000, fresh: true},
	{name: "1000 hanging, restart", hanging: 1000, restart: true},
	{name: "busy one begins to hang", busy: true},
	{name: "10000 jobs of unknown apps", unknown: 10_000},
	{name: "20000 refusing", refused: 20_000},
}

const healthyWebhooks = 10

// isolation measures how long events of healthy webhooks take from Emit to the receiver beside others
// that fail, with default options, over real HTTP.
func isolation(addr string, seconds int, only string) error {
	fmt.Printf("\nten healthy webhooks, an event a second each, for %d s beside others, default options\n", seconds)
	fmt.Printf("%-8s %-30s %9s %9s %9s %10s %12s\n", "queue", "beside", "p50 ms", "p99 ms", "max ms", "delivered", "CPU % a core")
	for _, store := range []string{"memory", "redis"} {
		for i, d := range disturbances {
			if !wanted(only, store+" "+d.name) && !wanted(only, d.name) && i > 0 || d.restart && store == "memory" {
				continue
			}
			if err := d.run(store, addr, time.Duration(seconds)*time.Second); err != nil {
				return fmt.Errorf("%s, %s: %w", store, d.name, err)
			}
		}
	}
	return nil
}

// surroundings are the servers and the store of a run.
type surroundings struct {
	good, bad *httptest.Server
	arrivals  arrivals
	hangs     atomic.Bool // the busy webhook hangs
	closed    chan struct{}
	open      func() (queue.Queue, error)
}

func (d *disturbance) run(store, addr string, length time.Duration) error {
	s := &surroundings{closed: make(chan struct{})}
	receiver := webhook.Receiver{Keys: []webhook.Key{{Key: "my-key", Secret: "my-secret"}}}
	s.good = httptest.NewServer(receiver.Handler(s.arrivals.note))
	defer s.good.Close()
	s.bad = httptest.NewServer(http.HandlerFunc(s.hang))
	defer s.bad.Close()
	defer close(s.closed)
	client := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 32})
	defer client.Close()
	memory := queue.MemoryOptions{}
	if d.refused > 0 {
		memory.MaxBytes = 256 << 20 // the default holds the jobs of about 10,000 webhooks
	}
	s.open = func() (queue.Queue, error) { return queue.NewMemory(memory) }
	if store == "redis" {
		if err := client.FlushDB(context.Background()).Err(); err != nil {
			return err
		}
		s.open = func() (queue.Queue, error) {
			return redisqueue.New(context.Background(), client, redisqueue.Options{})
		}
	}
	used := cpuTime()
	first, err := d.live(s, length)
	if err != nil {
		return err
	}
	cpu := 100 * float64(cpuTime()-used) / float64(length)
	took := s.arrivals.all()
	emitted := healthyWebhooks * int(length/time.Second)
	fmt.Printf("%-8s %-30s %9.2f %9.2f %9.2f %5d/%d %10.1f%s\n", store, d.name, ms(took, 50), ms(took, 99), ms(took, 100), len(took), emitted, cpu, first)
	return nil
}

// hang answers nothing, unless it is the busy webhook's and that one works still.
func (s *surroundings) hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.URL.Path == "/busy" && !s.hangs.Load() {
		return
	}
	select {
	case <-r.Context().Done():
	case <-s.closed:
	}
}

// apps returns the healthy webhooks' app, and one for each that fails.
func (d *disturbance) apps(s *surroundings) []webhook.App {
	app := webhook.App{ID: "healthy", Key: "my-key", Secret: "my-secret"}
	for i := range healthyWebhooks {
		app.Webhooks = append(app.Webhooks, hookFor("good"+strconv.Itoa(i), s.good.URL))
	}
	app.Webhooks = append(app.Webhooks, hookFor("warm", s.good.URL), hookFor("fresh", s.good.URL))
	apps := []webhook.App{app}
	add := func(id, url string) {
		apps = append(apps, webhook.App{ID: id, Key: "my-key", Secret: "my-secret", Webhooks: []webhook.Webhook{hookFor(id, url)}})
	}
	for i := range d.hanging {
		add("bad"+strconv.Itoa(i), s.bad.URL+"/"+strconv.Itoa(i))
	}
	for i := range d.refused {
		add("bad"+strconv.Itoa(i), "http://127.0.0.1:1/"+strconv.Itoa(i))
	}
	add("busy", s.bad.URL+"/busy")
	return apps
}

func hookFor(id, url string) webhook.Webhook {
	return webhook.Webhook{
		ID: id, URL: url, EventTypes: []webhook.EventType{webhook.TypeMemberAdded},
		Filter: webhook.Filter{ChannelSuffix: "/" + id},
	}
}

// newEmitter opens the queue and makes an emitter without batching, so that every event is a job.
func (d *disturbance) newEmitter(s *surroundings) (*webhook.Emitter, queue.Queue, error) {
	q, err := s.open()
	if err != nil {
		return nil, nil, err
	}
	em, err := webhook.New(webhook.Options{
		Apps: d.apps(s), Queue: q, Batching: webhook.Batching{Disabled: true}, Logger: slog.New(slog.DiscardHandler),
	})
	return em, q, err
}

// live runs the traffic. It returns what is to be printed besides.
func (d *disturbance) live(s *surroundings, length time.Duration) (string, error) {
	em, q, err := d.newEmitter(s)
	if err != nil {
		return "", err
	}
	defer func() { _ = em.Close(); _ = q.Close() }()
	warm(em)
	if err := d.strangers(q); err != nil {
		return "", err
	}
	s.arrivals.reset()
	began := time.Now()
	bad := d.hanging + d.refused
	var turn int
	for tick := 0; time.Since(began) < length; tick++ { // of 10 ms
		time.Sleep(time.Until(began.Add(time.Duration(tick) * 10 * time.Millisecond)))
		if tick%10 == 0 {
			if err := emitTo(em, "healthy", "good"+strconv.Itoa(tick/10%healthyWebhooks)); err != nil {
				return "", err
			}
		}
		// Two events each at once, at most 20 a tick, and then one every 30 seconds.
		for n := 0; bad > 0 && n < 20 && turn < 2*bad+bad*tick/3000; n++ {
			if err := emitTo(em, "bad"+strconv.Itoa(turn%bad), "bad"+strconv.Itoa(turn%bad)); err != nil && !errors.Is(err, webhook.ErrOverflow) {
				return "", err
			}
			turn++
		}
		if d.busy {
			s.hangs.Store(tick > 1000)
			for range 10 {
				if err := emitTo(em, "busy", "busy"); err != nil && !errors.Is(err, webhook.ErrOverflow) {
					return "", err
				}
			}
		}
		if d.restart && tick == int(length/(30*time.Millisecond)) {
			_ = em.Close()
			_ = q.Close()
			if em, q, err = d.newEmitter(s); err != nil {
				return "", err
			}
		}
	}
	if !d.fresh {
		time.Sleep(2 * time.Second)
		return "", nil
	}
	return first(em, s)
}

// first tells how long the first event of a webhook takes that was never tried.
func first(em *webhook.Emitter, s *surroundings) (string, error) {
	before := len(s.arrivals.all())
	began := time.Now()
	if err := emitTo(em, "healthy", "fresh"); err != nil {
		return "", err
	}
	for time.Since(began) < 30*time.Second {
		if len(s.arrivals.all()) > before {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Sprintf("   first event of a new webhook: %v", time.Since(began).Round(time.Millisecond)), nil
}

// warm has the healthy webhooks succeed once.
func warm(em *webhook.Emitter) {
	for i := range healthyWebhooks {
		_ = emitTo(em, "healthy", "good"+strconv.Itoa(i))
	}
	_ = emitTo(em, "busy", "busy")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = em.Drain(ctx)
}

func emitTo(em *webhook.Emitter, app, id string) error {
	name := "presence-" + strconv.FormatInt(time.Now().UnixNano(), 10) + "/" + id
	return em.Emit(webhook.MemberAdded(app, name, "user"))
}

// strangers puts jobs of apps that the process does not know into the queue.
func (d *disturbance) strangers(q queue.Queue) error {
	if d.unknown == 0 {
		return nil
	}
	var apps []webhook.App
	for i := range d.unknown {
		h := hookFor("unknown", "http://127.0.0.1:1/")
		apps = append(apps, webhook.App{ID: "unknown" + strconv.Itoa(i), Key: "key", Secret: "secret", Webhooks: []webhook.Webhook{h}})
	}
	em, err := webhook.New(webhook.Options{Apps: apps, Queue: q, EmitOnly: true, Batching: webhook.Batching{Disabled: true}})
	if err != nil {
		return err
	}
	for _, a := range apps {
		if err := emitTo(em, a.ID, "unknown"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := em.Flush(ctx); err != nil {
		return err
	}
	_ = em.Close() // what it says is left undone is what this is about
	return nil
}

// ms returns a percentile in milliseconds.
func ms(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return -1
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Seconds() * 1e3
}

// all returns the times so far, sorted.
func (a *arrivals) all() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	took := slices.Clone(a.took)
	slices.Sort(took)
	return took
}

func (a *arrivals) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.took = nil
}
