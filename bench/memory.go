package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
)

// The bounds that are on by default: what the outbox holds, and what the memory queue holds besides.
const (
	outboxBound = 24 << 20
	memoryBound = 24 << 20
)

// memorySamples is how often the live heap is measured while a case emits.
const memorySamples = 32

// memoryCase is a queue at full speed, in a process of its own.
type memoryCase struct {
	queue string
	apps  int
	size  int // events a request
}

// memory prints what each queue takes while a process emits events as fast as it can: the bounds, the most that
// collections found alive, and the peak of the process's anonymous memory. The configuration's part is left out of the second.
func memory(events int, only string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	addr, stop, err := startRedis(dir, "no")
	if err != nil {
		return err
	}
	defer stop()
	r, err := startReceiver()
	if err != nil {
		return err
	}
	defer r.stop()
	fmt.Printf("\nmemory at full speed, %d events\n", events)
	fmt.Printf("%-8s %8s %8s %10s %12s %14s %12s %10s\n", "queue", "apps", "size", "bounds", "live heap", "of the bounds", "peak", "events/s")
	for _, c := range []memoryCase{
		{"memory", apps, 100},
		{"memory", apps, 1},
		{"memory", 100_000, 100},
		{"memory", 100_000, 1},
		{"disk", apps, 100},
		{"disk", apps, 1},
		{"redis", apps, 100},
		{"redis", apps, 1},
		{"redis", 100_000, 1},
	} {
		if !wanted(only, c.queue) {
			continue
		}
		if err := flushRedis(addr); err != nil {
			return err
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("BENCH_MEMORY=%s %d %d %d %s %s %s", c.queue, c.apps, c.size, events, r.url, addr, dir))
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%+v: %w", c, err)
		}
	}
	return nil
}

// memoryChild is a case's process.
func memoryChild(args string) error {
	var c memoryCase
	var n int
	var url, addr, dir string
	if _, err := fmt.Sscan(args, &c.queue, &c.apps, &c.size, &n, &url, &addr, &dir); err != nil {
		return err
	}
	q, bound, err := c.open(addr, dir)
	if err != nil {
		return err
	}
	if q != nil {
		defer q.Close()
	}
	o := options(url, q, c.size)
	o.Apps = nil
	ids := make([]string, c.apps)
	for i := range ids {
		ids[i] = fmt.Sprint("app-", i)
		o.Apps = append(o.Apps, webhook.App{ID: ids[i], Key: "my-key", Secret: "my-secret", Webhooks: []webhook.Webhook{
			{URL: url, EventTypes: []webhook.EventType{webhook.TypeMemberAdded}},
		}})
	}
	em, err := webhook.New(o)
	if err != nil {
		return err
	}
	defer em.Close()
	o.Apps = nil
	before := collected()
	watch := watchMemory()
	began := time.Now()
	live := int64(0)
	for i := range n {
		if i%(n/memorySamples) == 0 {
			live = max(live, collected()-before)
		}
		if err := emit(em, webhook.MemberAdded(ids[i%len(ids)], channel, "user-012345678901")); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := em.Drain(ctx); err != nil {
		return err
	}
	rate := float64(n) / time.Since(began).Seconds()
	peak := watch.end()
	fmt.Printf("%-8s %8d %8d %6d MiB %8.1f MiB %14.2f %8.1f MiB %10.0f\n", c.queue, c.apps, c.size, bound>>20,
		float64(live)/(1<<20), float64(live)/float64(bound), float64(peak)/(1<<20), rate)
	return nil
}

func (c memoryCase) open(addr, dir string) (q queue.Queue, bound int64, err error) {
	switch c.queue {
	case "memory":
		return nil, outboxBound + memoryBound, nil
	case "disk":
		q, err = boltqueue.Open(filepath.Join(dir, fmt.Sprint(time.Now().UnixNano(), ".db")), boltqueue.Options{})
	case "redis":
		q, err = openRedis(addr)
	default:
		err = errors.New("unknown queue")
	}
	return q, outboxBound, err
}

// memoryWatch notes the peak of the process's anonymous memory.
type memoryWatch struct {
	peak    int64
	stop    chan struct{}
	stopped sync.WaitGroup
}

func watchMemory() *memoryWatch {
	w := &memoryWatch{stop: make(chan struct{})}
	w.stopped.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			w.peak = max(w.peak, anonymous())
			select {
			case <-tick.C:
			case <-w.stop:
				return
			}
		}
	})
	return w
}

func (w *memoryWatch) end() (peak int64) {
	close(w.stop)
	w.stopped.Wait()
	return w.peak
}

// collected returns the live heap. Of several collections the least counts, because each also keeps what was allocated
// while it ran.
func collected() int64 {
	least := int64(math.MaxInt64)
	for range 4 {
		runtime.GC()
		least = min(least, liveHeap())
	}
	return least
}

// liveHeap returns what the last collection left.
func liveHeap() int64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

// anonymous returns the process's resident anonymous memory.
func anonymous() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if kb, ok := strings.CutPrefix(s.Text(), "RssAnon:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(kb, "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}
