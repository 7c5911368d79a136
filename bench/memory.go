package main

import (
	"bufio"
	"context"
	"crypto/rand"
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

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/internal/testsqs"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
	"github.com/pushhooks/webhook/queue/redisqueue"
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

// sqsShare is the share of the events that SQS gets, because its emulator is slow.
const sqsShare = 20

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
	r, err := startReceiver()
	if err != nil {
		return err
	}
	defer r.stop()
	fmt.Printf("\nmemory at full speed, %d events, a %dth of them with SQS\n", events, sqsShare)
	fmt.Printf("%-14s %8s %5s %8s %10s %10s %14s %10s %10s\n",
		"queue", "apps", "size", "bounds", "live heap", "of bounds", "configuration", "peak", "events/s")
	for _, name := range memoryQueues {
		if !wanted(only, name) {
			continue
		}
		for _, apps := range []int{apps, 100_000} {
			for _, size := range []int{100, 1} {
				if err := (memoryCase{name, apps, size}).run(events, r.url); err != nil {
					return fmt.Errorf("%s, %d apps, %d events a request: %w", name, apps, size, err)
				}
			}
		}
	}
	return nil
}

// run measures a case in a process of its own, with a server of its own.
func (c memoryCase) run(events int, url string) (err error) {
	s := &servers{}
	defer s.stop(&err)
	address, err := c.start(s)
	if err != nil {
		return err
	}
	if c.queue == "sqs" {
		events /= sqsShare
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("BENCH_MEMORY=%s %d %d %d %s %s", c.queue, c.apps, c.size, events, url, address))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// start starts what a case's queue needs, and returns where it is.
func (c memoryCase) start(s *servers) (address string, err error) {
	switch c.queue {
	case "redis":
		return testredis.StartServer(s, testredis.Options{}).Addr, nil
	case "redis-cluster":
		return strings.Join(testredis.StartCluster(s).Addrs(), ","), nil
	case "sqs":
		return testsqs.Start(s), nil
	}
	return s.TempDir(), nil
}

// memoryChild is a case's process.
func memoryChild(args string) error {
	var c memoryCase
	var n int
	var url, address string
	if _, err := fmt.Sscan(args, &c.queue, &c.apps, &c.size, &n, &url, &address); err != nil {
		return err
	}
	q, err := c.open(address)
	if err != nil {
		return err
	}
	bound := outboxBound + queueBounds[c.queue]
	empty := collected()
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
	const mib = 1 << 20
	fmt.Printf("%-14s %8d %5d %4d MiB %6.1f MiB %10.2f %10.1f MiB %6.1f MiB %10.0f\n", c.queue, c.apps, c.size, bound/mib,
		float64(live)/mib, float64(live)/float64(bound), float64(before-empty)/mib, float64(peak)/mib, rate)
	return nil
}

// open opens a case's queue; nil is the emitter's own.
func (c memoryCase) open(address string) (queue.Queue, error) {
	switch c.queue {
	case "memory":
		return nil, nil
	case "disk":
		return boltqueue.Open(filepath.Join(address, "queue.db"), boltqueue.Options{})
	case "redis":
		return openRedis(address)
	case "redis-cluster":
		client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(address, ","), PoolSize: 32})
		q, err := redisqueue.New(context.Background(), client, redisqueue.Options{})
		return &withClient{q, client}, err
	case "sqs":
		return sqsqueue.New(context.Background(), testsqs.Client(address), sqsqueue.Options{Name: "bench-" + rand.Text(), Create: true})
	}
	return nil, errors.New("unknown queue")
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
