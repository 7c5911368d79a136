package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/cputime"
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

// isolation measures how long events of healthy webhooks take from Emit to the receiver beside
// others that fail, with default options, over real HTTP. Receiver and emitter are one process
// here.
func isolation(addr string, seconds int, only string) error {
	fmt.Printf("\nten healthy webhooks, an event a second each, for %d s beside others, default options\n", seconds)
	fmt.Printf("%-8s %-30s %9s %9s %9s %10s %12s\n", "queue", "beside", "p50 ms", "p99 ms", "max ms", "delivered", "CPU % a core")
	for _, queueName := range []string{"memory", "redis"} {
		for i, d := range disturbances {
			if !wanted(only, queueName+" "+d.name) && !wanted(only, d.name) && i > 0 || d.restart && queueName == "memory" {
				continue
			}
			line, err := d.run(queueName, addr, time.Duration(seconds)*time.Second)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", queueName, d.name, err)
			}
			fmt.Println(line)
		}
	}
	return nil
}

// neighbours are the receivers and the queue of a run.
type neighbours struct {
	good, bad *httptest.Server
	arrivals  arrivals
	hangs     atomic.Bool // the busy webhook hangs
	closed    chan struct{}
	open      func() (queue.Queue, error)
}

// start starts the receivers, which servers stop.
func (n *neighbours) start(s *servers) {
	n.closed = make(chan struct{})
	receiver := webhook.Receiver{Keys: []webhook.Key{{Key: appKey, Secret: appSecret}}}
	n.good = httptest.NewServer(receiver.Handler(n.arrivals.note))
	s.Cleanup(n.good.Close)
	n.bad = httptest.NewServer(http.HandlerFunc(n.hang))
	s.Cleanup(n.bad.Close)
	s.Cleanup(func() { close(n.closed) })
}

// hang answers nothing, unless it is the busy webhook's and that one works still.
func (n *neighbours) hang(_ http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil || r.URL.Path == "/busy" && !n.hangs.Load() {
		return
	}
	select {
	case <-r.Context().Done():
	case <-n.closed:
	}
}

// run returns what is to be printed.
func (d *disturbance) run(queueName, addr string, length time.Duration) (line string, err error) {
	s := &servers{}
	defer s.stop(&err)
	n := &neighbours{}
	n.start(s)
	if n.open, err = d.queue(s, queueName, addr); err != nil {
		return "", err
	}
	used, err := cputime.Used()
	if err != nil {
		return "", err
	}
	first, err := d.live(n, length)
	if err != nil {
		return "", err
	}
	now, err := cputime.Used()
	took := n.arrivals.all()
	return fmt.Sprintf("%-8s %-30s %9.2f %9.2f %9.2f %5d/%d %10.1f%s", queueName, d.name, ms(took, 50), ms(took, 99), ms(took, 100),
		len(took), healthyWebhooks*int(length/time.Second), 100*float64(now-used)/float64(length), first), err
}

// queue returns what opens the queue of a run.
func (d *disturbance) queue(s *servers, name, addr string) (open func() (queue.Queue, error), err error) {
	if name == "memory" {
		options := queue.MemoryOptions{}
		if d.refused > 0 {
			options.MaxBytes = 256 << 20 // the default holds the jobs of about 10,000 webhooks
		}
		return func() (queue.Queue, error) { return queue.NewMemory(options) }, nil
	}
	client := redis.NewClient(&redis.Options{Addr: addr})
	s.Cleanup(func() { s.check(client.Close()) })
	open = func() (queue.Queue, error) { return redisqueue.New(context.Background(), client, redisqueue.Options{}) }
	return open, client.FlushDB(context.Background()).Err()
}

// ms returns a percentile in milliseconds, or -1 if there is none.
func ms(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return -1
	}
	return percentile(sorted, percent).Seconds() * 1e3
}
