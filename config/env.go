package config

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/pushhooks/webhook/internal/strict"
)

// variable is an environment variable.
type variable struct {
	name     string
	path     string // of the field in the file that it goes over
	toJSON   func(string) []byte
	field    strict.Field
	problems []strict.Problem
}

// variables returns those that there are. A value becomes the JSON that would stand in the file, and is
// read in the same way.
func (c *Config) variables() []variable {
	batching, queue := &c.Webhooks.Batching, &c.Queue
	return []variable{
		{name: "WEBHOOK_BATCHING_ENABLED", path: "webhooks.batching.enabled", toJSON: boolean, field: strict.Not(&batching.Disabled)},
		{name: "WEBHOOK_BATCHING_DURATION", path: "webhooks.batching.duration", toJSON: number, field: strict.Millis(&batching.Duration)},
		{name: "WEBHOOK_BATCHING_SIZE", path: "webhooks.batching.size", toJSON: number, field: batchSize(&batching.Size)},
		{name: "QUEUE_DRIVER", path: "queue.driver", toJSON: text, field: queue.decodeDriver},
		{name: "QUEUE_DISK_PATH", path: "queue.disk.path", toJSON: text, field: strict.String(&queue.Disk.Path)},
		{name: "REDIS_URL", path: "queue.redis.url", toJSON: text, field: strict.String(&queue.Redis.URL)},
		{name: "REDIS_CLUSTER_NODES", path: "queue.redis_cluster.nodes", toJSON: list, field: strict.List(&queue.RedisCluster.Nodes)},
		{
			name: "QUEUE_REDIS_PREFIX", path: "queue.redis.prefix", toJSON: text,
			field: both(strict.String(&queue.Redis.Prefix), strict.String(&queue.RedisCluster.Prefix)),
		},
		{
			name: "QUEUE_REDIS_CONCURRENCY", path: "queue.redis.concurrency", toJSON: number,
			field: both(strict.Int(&queue.Redis.Concurrency, 1), strict.Int(&queue.RedisCluster.Concurrency, 1)),
		},
		{
			name: "QUEUE_REDIS_AT_MOST_ONCE", path: "queue.redis.at_most_once", toJSON: boolean,
			field: both(strict.Bool(&queue.Redis.AtMostOnce), strict.Bool(&queue.RedisCluster.AtMostOnce)),
		},
		{name: "QUEUE_SQS_REGION", path: "queue.sqs.region", toJSON: text, field: strict.String(&queue.SQS.Region)},
		{
			name: "QUEUE_SQS_VISIBILITY_TIMEOUT", path: "queue.sqs.visibility_timeout", toJSON: number,
			field: strict.Duration(&queue.SQS.VisibilityTimeout, time.Second, 1),
		},
		{name: "QUEUE_SQS_MAX_MESSAGES", path: "queue.sqs.max_messages", toJSON: number, field: strict.Int(&queue.SQS.MaxMessages, 1)},
		{
			name: "QUEUE_SQS_WAIT_TIME_SECONDS", path: "queue.sqs.wait_time_seconds", toJSON: number,
			field: strict.Duration(&queue.SQS.WaitTime, time.Second, 1),
		},
		{name: "QUEUE_SQS_CONCURRENCY", path: "queue.sqs.concurrency", toJSON: number, field: strict.Int(&queue.SQS.Concurrency, 1)},
		{name: "QUEUE_SQS_FIFO", path: "queue.sqs.fifo", toJSON: boolean, field: strict.Bool(&queue.SQS.FIFO)},
		{name: "QUEUE_SQS_ENDPOINT_URL", path: "queue.sqs.endpoint_url", toJSON: text, field: strict.String(&queue.SQS.EndpointURL)},
	}
}

// both reads a value twice; the second field has nothing to say that the first has not.
func both(a, b strict.Field) strict.Field {
	return func(v strict.Value) {
		a(v)
		strict.Read(v.Raw(), b)
	}
}

// readEnvironment reads the variables that are set, and returns those.
func (c *Config) readEnvironment(getenv func(string) string) []variable {
	if getenv == nil {
		return nil
	}
	var set []variable
	for _, v := range c.variables() {
		value := strings.TrimSpace(getenv(v.name))
		if value == "" {
			continue
		}
		v.problems = strict.Read(v.toJSON(value), v.field)
		for i := range v.problems {
			v.problems[i].Path = v.name
		}
		set = append(set, v)
	}
	return set
}

// text makes a JSON string.
func text(s string) []byte {
	quoted, _ := json.Marshal(s) // a string always can be
	return quoted
}

// number makes a JSON number of one, and a string, which will be refused, of anything else.
func number(s string) []byte {
	if !json.Valid([]byte(s)) {
		return text(s)
	}
	return []byte(s)
}

// boolean makes true or false of the usual words, and a string, which will be refused, of anything else.
func boolean(s string) []byte {
	switch strings.ToLower(s) {
	case "true", "1", "yes", "on":
		return []byte("true")
	case "false", "0", "no", "off":
		return []byte("false")
	}
	return text(s)
}

// list makes a JSON array of what stands between commas.
func list(s string) []byte {
	items := []string{}
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	array, _ := json.Marshal(items)
	return array
}
