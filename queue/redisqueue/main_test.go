package redisqueue_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(workerEnv); addr != "" {
		work(addr)
		return
	}
	if config := os.Getenv(nodeEnv); config != "" {
		runNode(config)
		return
	}
	testredis.Main(m)
}

var prefixes atomic.Int64

// newPrefix returns a key prefix that no other test uses.
func newPrefix() string { return fmt.Sprintf("test%d:", prefixes.Add(1)) }

func open(t testing.TB, client redis.UniversalClient, opts redisqueue.Options) *redisqueue.Queue {
	t.Helper()
	q, err := redisqueue.New(t.Context(), client, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// replayed returns the job that a replay puts in the place of a dead letter.
func replayed(j queue.Job) queue.Job {
	j.ID = queue.ReplayID(j.ID)
	return j
}
