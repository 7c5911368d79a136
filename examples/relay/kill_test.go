package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/internal/testsqs"
)

const (
	killJobs    = 10_000
	kills       = 100
	killWorkers = 10 // attempts at once of each process
	unsettled   = 5  // jobs a worker that are being attempted or were delivered and are not settled
)

// cluster is relays that work on one queue for one sink, and are killed. The webhooks are four, which share the events, and a
// header tells the sink which relay has made a delivery.
type cluster struct {
	t       *testing.T
	sink    *sink
	queue   object
	command string // what the processes do, instead of relay -work
	timeout int    // of an attempt, in milliseconds; 0: the default
	size    int    // events of a job
	ordered bool

	started int
	relays  []*process
	names   map[*process]string
	killed  map[string]bool // by name
}

func newCluster(t *testing.T, queue object) *cluster {
	return &cluster{t: t, sink: newSink(t), queue: queue, size: 1, names: map[*process]string{}, killed: map[string]bool{}}
}

// config is a configuration that is told apart from others by the header's value.
func (c *cluster) config(name string) string {
	var hooks []object
	for _, share := range []string{"a", "b", "c", "d"} {
		hook := hookTo(c.sink.URL + "/" + share)
		hook["filter"] = object{"channel_prefix": share}
		hook["headers"] = object{nodeHeader: name}
		hooks = append(hooks, hook)
	}
	if c.ordered {
		hook := hookTo(c.sink.URL)
		hook["headers"], hook["ordered"] = object{nodeHeader: name}, true
		hooks = []object{hook}
	}
	webhooks := object{"batching": object{"size": c.size, "duration": 60_000}, "concurrency": killWorkers}
	if c.timeout > 0 {
		webhooks["request_timeout_ms"] = c.timeout
	}
	return writeConfig(c.t, c.queue, webhooks, testApp(hooks...))
}

// fill has a relay of its own put the numbered events on the queue.
func (c *cluster) fill(n int) {
	c.t.Helper()
	got := spawned(c.t, numberedLines(0, n), nil, "-emit-only", "-config", c.config("producer"))
	got.want(exitOK, totals{Emitted: int64(n), Matched: int64(n), Queued: int64(n)})
}

// start starts one more relay.
func (c *cluster) start() {
	c.t.Helper()
	c.started++
	name := strconv.Itoa(c.started)
	config := c.config(name)
	p := spawn
	if c.command != "" {
		p = func(t *testing.T, env []string, _ ...string) *process {
			return spawnAs(t, c.command, env, "-config", config)
		}
	}
	r := p(c.t, nil, "-work", "-config", config)
	c.names[r] = name
	c.relays = append(c.relays, r)
}

// killAndReplace kills the relay of this name, or the oldest one if there is none, and starts another.
func (c *cluster) killAndReplace(name string) {
	c.t.Helper()
	i := max(0, slices.IndexFunc(c.relays, func(r *process) bool { return c.names[r] == name }))
	r := c.relays[i]
	c.killed[c.names[r]] = true
	r.kill()
	c.relays = slices.Delete(c.relays, i, i+1)
	c.start()
}

// wantCopiesOfTheKilled fails if something was delivered again that was not under way in a process, or on its way to be settled, when that was killed.
func (c *cluster) wantCopiesOfTheKilled() {
	c.t.Helper()
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	lost := map[string]int{}
	for channel, nodes := range c.sink.got {
		for _, node := range nodes[:len(nodes)-1] {
			if lost[node]++; !c.killed[node] {
				c.t.Errorf("%s was delivered again, although %s, which delivered it first, was not killed", channel, node)
			}
		}
	}
	most := 0
	for node, n := range lost {
		if most = max(most, n); n > unsettled*killWorkers*c.size {
			c.t.Errorf("%d events of %s were delivered again; at most %d were being attempted or settled when it was killed", n, node, unsettled*killWorkers*c.size)
		}
	}
	c.t.Logf("%d processes, %d copies of %d events, at most %d for one process", c.started, c.sink.copies, len(c.sink.got), most)
}

// survive fills the queue, kills relays while they deliver, and expects everything to have arrived when the last
// of them are through, for which they may wait as long as a lease lasts.
func (c *cluster) survive(processes int, lease time.Duration) {
	c.t.Helper()
	began := time.Now()
	c.fill(killJobs)
	filled := time.Now()
	for range processes {
		c.start()
	}
	for k := range kills {
		// The next is killed when there has been a hundredth of the work since. Not all of it: what was leased
		// by the killed is not to be had for a while.
		due := (k + 1) * killJobs / (2 * kills)
		eventually(c.t, lease+30*time.Second, fmt.Sprintf("%d events arrive", due), func() bool { return c.sink.different() >= due })
		c.killAndReplace("")
	}
	last := time.Now()
	eventually(c.t, lease+30*time.Second, "everything arrives", func() bool { return c.sink.different() == killJobs })
	through := time.Now()
	for _, r := range c.relays {
		got := r.terminate()
		got.want(exitOK, totals{Matched: got.Delivered, Delivered: got.Delivered, Attempts: got.Attempts})
	}
	c.sink.wantNumbered(c.t, killJobs)
	c.wantCopiesOfTheKilled()
	c.t.Logf("filled in %v, killed in %v, then all there in %v", filled.Sub(began).Round(time.Millisecond),
		last.Sub(filled).Round(time.Millisecond), through.Sub(last).Round(time.Millisecond))
}

const defaultLease = 30 * time.Second

func TestFault32KilledWorkersLoseNothingOnRedis(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	newCluster(t, redisQueue(server)).survive(2, defaultLease)
}

func TestFault32KilledWorkersLoseNothingOnRedisCluster(t *testing.T) {
	t.Parallel()
	newCluster(t, object{"driver": "redis-cluster", "redis_cluster": object{
		"nodes": testredis.SharedCluster(t).Addrs(), "prefix": "kills:",
	}}).survive(2, defaultLease)
}

// The file belongs to one process at a time.
func TestFault32KilledWorkersLoseNothingOnDisk(t *testing.T) {
	t.Parallel()
	newCluster(t, diskQueue(t)).survive(1, 0)
}

func TestFault32KilledWorkersLoseNothingOnSQS(t *testing.T) {
	t.Parallel()
	queue, _ := sqsQueue(t)
	newCluster(t, queue).survive(2, sqsLease)
}

func redisQueue(s *testredis.Server) object {
	return object{"driver": "redis", "redis": object{"url": "redis://" + s.Addr}}
}

const sqsLease = 15 * time.Second

// sqsTurn is for the tests with SQS: the name of the queue is always the same.
var sqsTurn sync.Mutex

// sqsQueue is an empty queue on SQS, for one test at a time, and its URL.
func sqsQueue(t *testing.T) (queue object, url string) {
	t.Helper()
	endpoint := testsqs.Start(t)
	sqsTurn.Lock()
	t.Cleanup(sqsTurn.Unlock)
	client := testsqs.Client(endpoint)
	created, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("webhooks")})
	must(t, err)
	t.Cleanup(func() {
		_, err := client.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: created.QueueUrl})
		must(t, err)
	})
	return object{"driver": "sqs", "sqs": object{
		"region": testsqs.Region, "endpoint_url": endpoint, "visibility_timeout": sqsLease / time.Second, "wait_time_seconds": 1,
	}}, *created.QueueUrl
}
