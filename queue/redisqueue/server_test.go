package redisqueue_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// A client of one server that is pointed at a node of a cluster would store the queue on that node
// alone, whichever owns the slot of the first key.
func TestNewRefusesAServerOfAnotherKind(t *testing.T) {
	t.Parallel()
	cluster := testredis.SharedCluster(t)
	prefix := newPrefix()
	for _, node := range cluster.Nodes {
		client := node.Client()
		_, err := redisqueue.New(t.Context(), client, redisqueue.Options{Prefix: prefix})
		if err == nil || !strings.Contains(err.Error(), "node of a Redis Cluster") || !strings.Contains(err.Error(), `"redis-cluster"`) {
			t.Errorf("a client of one node: %v", err)
		}
		_ = client.Close()
	}
	client := cluster.Client()
	defer client.Close()
	if n := client.Exists(t.Context(), prefix+"partitions").Val(); n != 0 {
		t.Error("the number of partitions was stored nevertheless")
	}

	server := testredis.StartServer(t, testredis.Options{})
	wrong := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}})
	defer wrong.Close()
	_, err := redisqueue.New(t.Context(), wrong, redisqueue.Options{})
	if err == nil || !strings.Contains(err.Error(), "no node of a Redis Cluster") || !strings.Contains(err.Error(), `driver "redis"`) {
		t.Errorf("a cluster's client of one server: %v", err)
	}

	sentinel := testredis.StartSentinel(t, server)
	testredis.WaitForSentinel(t, sentinel)
	for protocol := 2; protocol <= 3; protocol++ {
		watcher := redis.NewClient(&redis.Options{Addr: sentinel, Protocol: protocol})
		_, err = redisqueue.New(t.Context(), watcher, redisqueue.Options{})
		if err == nil || !strings.Contains(err.Error(), "is a Sentinel") {
			t.Errorf("a client of a Sentinel: %v", err)
		}
		_ = watcher.Close()
	}
}

// A cluster client that may read from replicas reads jobs from the masters: a replica may lag.
func TestJobsAreReadFromTheMasters(t *testing.T) {
	t.Parallel()
	cluster := testredis.SharedCluster(t)
	replicas := cluster.Replicas(t)
	useReplicas(t, cluster)
	for name, opts := range map[string]redis.ClusterOptions{
		"ReadOnly":       {ReadOnly: true},
		"RouteRandomly":  {RouteRandomly: true},
		"RouteByLatency": {RouteByLatency: true},
	} {
		opts.Addrs = cluster.Addrs()
		client := redis.NewClusterClient(&opts)
		q := open(t, client, redisqueue.Options{Prefix: newPrefix()})
		jobs := makeJobs("j", 400, 100)
		for i := range jobs {
			jobs[i].Data = []byte(strings.Repeat("x", 1600))
		}
		mustEnqueue(t, q, jobs...)
		before := hmgets(t, replicas)
		for left := len(jobs); left > 0; {
			leases, err := q.Receive(t.Context(), want(50))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, l := range leases {
				if len(l.Data) < 1600 {
					t.Fatalf("%s: %s came with %d bytes", name, l.ID, len(l.Data))
				}
			}
			if err := q.Ack(t.Context(), leases); err != nil {
				t.Fatal(err)
			}
			left -= len(leases)
		}
		if n := hmgets(t, replicas) - before; n > 0 {
			t.Errorf("%s: %d reads went to replicas", name, n)
		}
		_ = q.Close()
		_ = client.Close()
	}
}

// useReplicas waits until clients of the cluster hear of its replicas, which takes some writes.
func useReplicas(t *testing.T, cluster *testredis.Cluster) {
	t.Helper()
	client := cluster.Client()
	defer client.Close()
	prefix := newPrefix()
	waitUntil(t, 30*time.Second, "every slot has a replica", func() bool {
		for i := range 100 {
			if err := client.Set(t.Context(), prefix+strconv.Itoa(i), "x", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
		client.ReloadState(t.Context())
		var known atomic.Int64
		err := client.ForEachSlave(t.Context(), func(context.Context, *redis.Client) error {
			known.Add(1)
			return nil
		})
		return err == nil && int(known.Load()) == len(cluster.Replicas(t))
	})
}

// hmgets returns how often servers were asked for data.
func hmgets(t *testing.T, servers []*testredis.Server) (n int) {
	t.Helper()
	for _, s := range servers {
		client := s.Client()
		info, err := client.Info(t.Context(), "commandstats").Result()
		_ = client.Close()
		if err != nil {
			t.Fatal(err)
		}
		n += callsOf(info, "hmget")
	}
	return n
}

// Every script begins with the flag that Dragonfly needs, as its first line.
func TestScriptsBeginWithTheFlagOfDragonfly(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	monitored := &scriptHook{}
	client.AddHook(monitored)
	q := open(t, client, redisqueue.Options{})
	move(t, q)
	if len(monitored.sources) < 5 {
		t.Fatalf("only %d scripts were sent: the test shows nothing", len(monitored.sources))
	}
	for _, source := range monitored.sources {
		if !strings.HasPrefix(source, "--!df flags=allow-undeclared-keys\n") {
			t.Errorf("a script begins with %.40q", source)
		}
	}
}

// move makes the calls that most jobs take.
func move(t *testing.T, q *redisqueue.Queue) {
	t.Helper()
	mustEnqueue(t, q, makeJobs(fmt.Sprint("m", t.Name()), 2, 1)...)
	leases := mustReceive(t, q, want(2), 2)
	if err := q.Ack(t.Context(), leases[:1]); err != nil {
		t.Fatal(err)
	}
	if err := q.DeadLetter(t.Context(), leases[1], "gone"); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Stats(t.Context()); err != nil {
		t.Fatal(err)
	}
}
