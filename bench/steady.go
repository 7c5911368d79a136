package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
)

// steadyCase is a queue under a steady rate of events, alone or in batches.
type steadyCase struct {
	name    string
	open    func() (queue.Queue, error)
	rate    int // events a second
	batched bool
}

const steadySeconds = 5

// steady measures how long events take from Emit to the receiver at steady rates, in alternating rounds.
func steady(dir, addr, durable string, rounds int) error {
	memory := func() (queue.Queue, error) { return queue.NewMemory(queue.MemoryOptions{}) }
	disk := func() (queue.Queue, error) {
		return boltqueue.Open(filepath.Join(dir, fmt.Sprint(time.Now().UnixNano(), ".db")), boltqueue.Options{})
	}
	onRedis := func() (queue.Queue, error) { return openRedis(addr) }
	cases := []steadyCase{
		{"memory", memory, 2000, false},
		{"redis", onRedis, 2000, false},
		{"redis, append-only file", func() (queue.Queue, error) { return openRedis(durable) }, 2000, false},
		{"disk", disk, 2000, false},
		{"memory, batched", memory, 20_000, true},
		{"redis, batched", onRedis, 20_000, true},
		{"disk, batched", disk, 20_000, true},
	}
	type latencies struct{ p50, p99, cpu []float64 }
	results := make([]latencies, len(cases))
	for range rounds {
		for i, c := range cases {
			took, cpu, err := c.run()
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			f := &results[i]
			f.p50 = append(f.p50, took[len(took)/2].Seconds()*1e3)
			f.p99 = append(f.p99, took[len(took)*99/100].Seconds()*1e3)
			f.cpu = append(f.cpu, cpu)
		}
	}
	fmt.Printf("\nemit to receipt at a steady rate, %d rounds of %d s; the CPU time is this process's, its receiver included\n", rounds, steadySeconds)
	fmt.Printf("%-28s %9s %9s %22s %14s\n", "", "events/s", "p50 ms", "p99 ms", "CPU µs/event")
	for i, c := range cases {
		f := results[i]
		fmt.Printf("%-28s %9d %9.2f %7.2f (%.2f–%.2f) %14.1f\n", c.name, c.rate, median(f.p50), median(f.p99), slices.Min(f.p99), slices.Max(f.p99), median(f.cpu))
	}
	return nil
}

// run returns how long each event took, sorted, and the CPU time of one in microseconds.
func (c steadyCase) run() ([]time.Duration, float64, error) {
	q, err := c.open()
	if err != nil {
		return nil, 0, err
	}
	defer q.Close()
	n := c.rate * steadySeconds
	arrivals := &arrivals{took: make([]time.Duration, 0, n)}
	receiver := webhook.Receiver{Keys: []webhook.Key{{Key: "my-key", Secret: "my-secret"}}}
	server := httptest.NewServer(receiver.Handler(arrivals.note))
	defer server.Close()
	size := 1
	if c.batched {
		size = 100
	}
	em, err := webhook.New(options(server.URL, q, size))
	if err != nil {
		return nil, 0, err
	}
	defer em.Close()
	began, used := time.Now(), cpuTime()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(c.rate))))
		if err := emit(em, webhook.MemberAdded(appIDs[i%apps], "presence-"+strconv.FormatInt(time.Now().UnixNano(), 10), "user")); err != nil {
			return nil, 0, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := em.Drain(ctx); err != nil {
		return nil, 0, err
	}
	cpu := float64((cpuTime() - used).Nanoseconds()) / 1e3 / float64(n)
	took, err := arrivals.sorted(n)
	return took, cpu, err
}

// arrivals notes how long events took whose channel's name tells when they were emitted.
type arrivals struct {
	mu   sync.Mutex
	took []time.Duration
}

func (a *arrivals) note(w http.ResponseWriter, _ *http.Request, p *webhook.Payload) {
	now := time.Now().UnixNano()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ev := range p.Events {
		name, _, _ := strings.Cut(strings.TrimPrefix(ev.Channel, "presence-"), "/")
		sent, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusGone) // the event is then missed at the end
			return
		}
		a.took = append(a.took, time.Duration(now-sent))
	}
}

// sorted returns the times of n events, sorted.
func (a *arrivals) sorted(n int) ([]time.Duration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.took) != n {
		return nil, fmt.Errorf("%d events arrived of %d", len(a.took), n)
	}
	slices.Sort(a.took)
	return a.took, nil
}
