package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/internal/testsqs"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
	"github.com/pushhooks/webhook/queue/sqsqueue"
)

// What is in memory at most by default: in the outbox, and of each queue besides.
const outboxBound = 24 << 20

var queueBounds = map[string]int64{
	"memory": 24 << 20,
	"disk":   40 << 20, // docs/queue-disk.md
	"sqs":    32 << 20, // parked
}

// memoryQueues are the queues in the order in which they are printed.
var memoryQueues = []string{"memory", "disk", "redis", "redis-cluster", "sqs"}

const (
	memoryEvents  = 1_000_000
	sqsShare      = 20 // SQS gets this share of the events, because its emulator is slow
	memorySamples = 32 // how often the live heap is measured while a case emits
)

// memorySpec is a queue at full speed, in a process of its own.
type memorySpec struct {
	Queue   string
	Address string // of the queue's server, or its directory
	URL     string
	Apps    int
	Size    int // events a request
	Events  int
}

// memory prints what each queue takes while a process emits events as fast as it can: the bounds,
// the most that collections found alive, and the peak of the process's anonymous memory. The
// configuration's part is left out of the second.
func memory(o *options) error {
	fmt.Printf("\nmemory at full speed, %d events, a %dth of them with SQS\n", memoryEvents, sqsShare)
	fmt.Printf("%-14s %8s %5s %8s %10s %10s %14s %10s %10s\n",
		"queue", "apps", "size", "bounds", "live heap", "of bounds", "configuration", "peak", "events/s")
	for _, name := range memoryQueues {
		if !wanted(o.only, name) {
			continue
		}
		for _, apps := range []int{full.Apps, 100_000} {
			for _, size := range []int{batchSize, 1} {
				if err := (memorySpec{Queue: name, Apps: apps, Size: size, Events: memoryEvents}).run(); err != nil {
					return fmt.Errorf("%s, %d apps, %d events a request: %w", name, apps, size, err)
				}
			}
		}
	}
	return nil
}

// run measures a case in a process of its own, with servers of its own.
func (c memorySpec) run() (err error) {
	s := &servers{}
	defer s.stop(&err)
	r, err := startReceiver(receiverSpec{})
	if err != nil {
		return err
	}
	s.Cleanup(func() { s.check(r.stop()) })
	c.URL, c.Address = r.url, c.start(s)
	if c.Queue == "sqs" {
		c.Events /= sqsShare
	}
	child, err := startChild("memory", c)
	if err != nil {
		return err
	}
	s.Cleanup(func() { s.check(child.stop()) })
	watch := watchPeak(child.cmd.Process.Pid)
	text, err := child.line()
	peak := watch.end()
	if err != nil {
		return err
	}
	var got heapUse
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		return err
	}
	bound := float64(outboxBound+queueBounds[c.Queue]) / mib
	fmt.Printf("%-14s %8d %5d %4.0f MiB %6.1f MiB %10.2f %10.1f MiB %6.1f MiB %10.0f\n", c.Queue, c.Apps, c.Size, bound,
		float64(got.Live)/mib, float64(got.Live)/mib/bound, float64(got.Configuration)/mib, float64(peak)/mib, got.Rate)
	return nil
}

const mib = 1 << 20

// start starts what a case's queue needs, and returns where it is.
func (c memorySpec) start(s *servers) string {
	switch c.Queue {
	case "redis":
		return testredis.StartServer(s, testredis.Options{}).Addr
	case "redis-cluster":
		return strings.Join(testredis.StartCluster(s).Addrs(), ",")
	case "sqs":
		return testsqs.Start(s)
	}
	return s.TempDir()
}

// heapUse is what a case's process has measured, in bytes, and its events a second.
type heapUse struct {
	Live, Configuration int64
	Rate                float64
}

// memoryChild is a case's process.
func memoryChild(text []byte) error {
	var c memorySpec
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	use, err := c.emitAll(context.Background())
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(use); err != nil {
		return err
	}
	return awaitEnd()
}

// emitAll emits the events and waits until all are delivered.
func (c memorySpec) emitAll(ctx context.Context) (use heapUse, err error) {
	q, err := c.open(ctx)
	if err != nil {
		return use, err
	}
	load, empty := newWorkload(c.Apps), collected()
	em, err := webhook.New(libraryOptions(c.URL, q, load.apps, c.Size))
	if err != nil {
		return use, err
	}
	before := collected()
	use.Configuration = before - empty
	began := time.Now()
	for i := range c.Events {
		if i%(c.Events/memorySamples) == 0 {
			use.Live = max(use.Live, collected()-before)
		}
		if err := em.EmitWait(ctx, load.event(i)); err != nil {
			return use, err
		}
	}
	if err := em.Drain(ctx); err != nil {
		return use, err
	}
	use.Rate = float64(c.Events) / time.Since(began).Seconds()
	err = em.Close()
	if q != nil {
		err = errors.Join(err, q.Close())
	}
	return use, err
}

// open opens a case's queue; nil is the emitter's own.
func (c memorySpec) open(ctx context.Context) (queue.Queue, error) {
	switch c.Queue {
	case "memory":
		return nil, nil
	case "disk":
		return boltqueue.Open(filepath.Join(c.Address, "queue.db"), boltqueue.Options{})
	case "redis":
		return openRedis(ctx, c.Address)
	case "redis-cluster":
		return openOnClient(ctx, redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(c.Address, ",")}))
	case "sqs":
		return sqsqueue.New(ctx, testsqs.Client(c.Address), sqsqueue.Options{Name: "bench-" + rand.Text(), Create: true})
	}
	return nil, fmt.Errorf("no queue is named %q", c.Queue)
}

// collected returns the live heap. Of several collections the least counts, because each also keeps
// what was allocated while it ran.
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
