package redisqueue_test

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/subprocess"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// workerEnv makes the test binary a worker for the Redis server at this address.
const workerEnv = "REDISQUEUE_TEST_WORKER"

const (
	killJobs  = 10_000
	killBatch = 5
	kills     = 100
	delivered = "delivered" // the hash where workers count how often they delivered each job
)

var killOptions = redisqueue.Options{Lease: time.Second}

// work delivers jobs until it is killed.
func work(addr string) {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: addr})
	q, err := redisqueue.New(ctx, client, killOptions)
	if err != nil {
		panic(err)
	}
	for {
		leases, err := q.Receive(ctx, want(killBatch))
		if err != nil {
			panic(err)
		}
		for _, l := range leases {
			if err := client.HIncrBy(ctx, delivered, l.ID, 1).Err(); err != nil {
				panic(err)
			}
		}
		_ = q.Ack(ctx, leases) // what a slow machine has lost comes again
	}
}

func startWorker(t *testing.T, addr string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+addr)
	cmd.Stderr = os.Stderr
	subprocess.EndWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestFault32WorkersAreKilled(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{})
	client := server.Client()
	defer client.Close()
	q := open(t, client, killOptions)
	if err := q.Enqueue(t.Context(), makeJobs("j", killJobs, 50)); err != nil {
		t.Fatal(err)
	}

	workers := []*exec.Cmd{startWorker(t, server.Addr), startWorker(t, server.Addr)}
	stop := func(i int) {
		_ = workers[i].Process.Kill()
		_ = workers[i].Wait()
	}
	t.Cleanup(func() { stop(0); stop(1) })
	reached := func(n int) func() bool {
		return func() bool { return client.HLen(t.Context(), delivered).Val() >= int64(n) }
	}
	for k := range kills {
		waitUntil(t, 20*time.Second, "jobs are delivered between the kills", reached(k*killJobs/kills))
		stop(k % 2)
		workers[k%2] = startWorker(t, server.Addr)
	}
	waitUntil(t, 30*time.Second, "all jobs are delivered", reached(killJobs))
	waitUntil(t, 10*time.Second, "all jobs are acked", func() bool {
		s, err := q.Stats(t.Context())
		return err == nil && s.Ready+s.Leased+s.Delayed == 0
	})

	copies := -killJobs
	for _, n := range client.HVals(t.Context(), delivered).Val() {
		times, _ := strconv.Atoi(n)
		copies += times
	}
	t.Logf("%d copies after %d kills", copies, kills)
	if copies > kills*killBatch {
		t.Errorf("%d copies; at most %d jobs were being attempted at the kills", copies, kills*killBatch)
	}
}
