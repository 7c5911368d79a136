package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/webhooktest"
)

func TestEveryQueueDelivers(t *testing.T) {
	t.Parallel()
	for name, queue := range map[string]func(*testing.T) object{
		"memory": func(*testing.T) object { return object{"driver": "memory"} },
		"disk":   diskQueue,
		"redis":  func(t *testing.T) object { return redisQueue(testredis.StartServer(t, testredis.Options{})) },
		"redis-cluster": func(t *testing.T) object {
			return object{"driver": "redis-cluster", "redis_cluster": object{
				"nodes": testredis.SharedCluster(t).Addrs(), "prefix": "every:",
			}}
		},
		"sqs": func(t *testing.T) object {
			queue, _ := sqsQueue(t)
			return queue
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 500
			s := newSink(t)
			config := writeConfig(t, queue(t), object{"batching": object{"size": 10}}, testApp(hookTo(s.URL)))
			got := spawned(t, numberedLines(0, n), nil, "-config", config)
			got.want(exitOK, totals{Emitted: n, Matched: n, Delivered: n, Attempts: got.Attempts})
			s.wantNumbered(t, n)
			s.wantOnce(t)
		})
	}
}

// What an at-most-once queue gave out and the receiver did not take is lost, which the exit code
// says.
func TestAtMostOnceDropsFailedDeliveries(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	r.Script(webhooktest.Status(http.StatusServiceUnavailable))
	queue := redisQueue(testredis.StartServer(t, testredis.Options{}))
	queue["redis"].(object)["at_most_once"] = true
	got := relayed(t, strings.NewReader(occupied("a")+occupied("b")+occupied("c")),
		"-config", writeConfig(t, queue, oneByOne, testApp(hookTo(r.URL))))
	got.want(exitLeft, totals{Emitted: 3, Matched: 3, Delivered: 2, Dropped: 1, Attempts: 3})
}
