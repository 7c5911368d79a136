// Package config reads the JSON file of the reference server, and the environment variables that go over it, into
// options for an emitter. Sections that have nothing to do with webhooks are ignored, so a server's own file can
// be read as it is. It only parses: package [github.com/pushhooks/webhook/config/open] builds the queue and the Lambda
// sender that a file names.
//
// What is wrong is an error, all of it at once: unknown names in the sections that are read, values of the wrong type,
// and everything that [webhook.Options.Validate] finds.
//
// # The file
//
//	app_manager.array.apps[]   the apps: see webhook.App; read whatever app_manager.driver says
//	webhooks
//	  batching.enabled         false sends each event by itself; default true
//	  batching.duration        milliseconds; default 50
//	  batching.size            events; 0 bounds batches by their bytes alone; default 100
//	  retry                    as a webhook's own "retry", for all webhooks
//	  request_timeout_ms       default 10000
//	  concurrency              attempts at once; default 20
//	  debounce_ms              default 0, off
//	queue
//	  driver                   memory (the default), disk, redis, redis-cluster, sqs or none
//	  disk                     path
//	  redis                    url, prefix, concurrency, at_most_once
//	  redis_cluster            nodes, prefix, concurrency, at_most_once
//	  sqs                      region, queue_url_prefix, visibility_timeout (seconds), endpoint_url, max_messages,
//	                           wait_time_seconds, concurrency, fifo, retry_backoff
//
// The reference's other fields of these sections (response and request timeouts, message_group_id, the sections of other
// drivers) are accepted and have no meaning here. Its url_override is another name of redis.url.
//
// # The environment
//
// A variable that is set and not empty goes over the file:
//
//	WEBHOOK_BATCHING_ENABLED WEBHOOK_BATCHING_DURATION WEBHOOK_BATCHING_SIZE
//	QUEUE_DRIVER QUEUE_DISK_PATH
//	REDIS_URL REDIS_CLUSTER_NODES (separated by commas)
//	QUEUE_REDIS_PREFIX QUEUE_REDIS_CONCURRENCY QUEUE_REDIS_AT_MOST_ONCE (for redis and redis-cluster)
//	QUEUE_SQS_REGION QUEUE_SQS_VISIBILITY_TIMEOUT QUEUE_SQS_MAX_MESSAGES QUEUE_SQS_WAIT_TIME_SECONDS
//	QUEUE_SQS_CONCURRENCY QUEUE_SQS_FIFO QUEUE_SQS_ENDPOINT_URL
//
// Booleans are true, false, 1, 0, yes, no, on or off.
package config

import (
	"fmt"
	"os"
	"time"

	"github.com/pushhooks/webhook"
)

// Config is what a file and the environment say. A field that neither sets is zero, and the default of whoever reads it
// holds.
type Config struct {
	Apps     []webhook.App
	Webhooks Webhooks
	Queue    Queue
}

// Webhooks is the section "webhooks".
type Webhooks struct {
	Batching       webhook.Batching
	Retry          webhook.Retry
	RequestTimeout time.Duration
	Concurrency    int // attempts at once
	Debounce       time.Duration
}

// Queue is the section "queue". Only the part that Driver names is used.
type Queue struct {
	Driver       Driver
	Disk         Disk
	Redis        Redis
	RedisCluster RedisCluster
	SQS          SQS
}

// Driver names a kind of queue.
type Driver string

// The drivers. Parse returns no other.
const (
	DriverMemory       Driver = "memory"
	DriverDisk         Driver = "disk"
	DriverRedis        Driver = "redis"
	DriverRedisCluster Driver = "redis-cluster"
	DriverSQS          Driver = "sqs"
	DriverNone         Driver = "none"
)

// Disk is the section "queue.disk".
type Disk struct {
	Path string // the file; required
}

// Redis is the section "queue.redis".
type Redis struct {
	URL         string // redis://, rediss:// or unix://; required; may hold a password
	Prefix      string // begins the name of every key
	Concurrency int    // receive loops
	AtMostOnce  bool   // jobs are removed when they are received, and failed ones are not repeated
}

// RedisCluster is the section "queue.redis_cluster".
type RedisCluster struct {
	Nodes       []string // some of the cluster's nodes, each host:port or a redis:// or rediss:// URL; required; may hold a password
	Prefix      string   // begins the name of every key
	Concurrency int      // receive loops
	AtMostOnce  bool     // jobs are removed when they are received, and failed ones are not repeated
}

// SQS is the section "queue.sqs".
type SQS struct {
	Region            string        // empty: the AWS SDK's own default
	QueueURLPrefix    string        // the queue's URL up to its name
	VisibilityTimeout time.Duration // how long a job is leased, and after how long a failed one is repeated
	EndpointURL       string        // instead of Amazon's
	MaxMessages       int           // in one call
	WaitTime          time.Duration // of a receive call for messages
	Concurrency       int           // receive calls at once
	FIFO              bool
	RetryBackoff      bool // failed jobs are repeated after the backoff, not after VisibilityTimeout
}

// Load reads the file at path and the environment, which os.Getenv gives; nil is an empty one. An error in what was read
// is a *webhook.ConfigError.
func Load(path string, getenv func(string) string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	c, err := Parse(data, getenv)
	if err != nil {
		return nil, fmt.Errorf("config: %s: %w", path, err)
	}
	return c, nil
}

// Options returns the options that c holds: all but the Queue and the Lambda sender, which package
// config/open makes.
func (c *Config) Options() webhook.Options {
	return webhook.Options{
		Apps:           c.Apps,
		Batching:       c.Webhooks.Batching,
		Retry:          c.Webhooks.Retry,
		RequestTimeout: c.Webhooks.RequestTimeout,
		Workers:        c.Webhooks.Concurrency,
		Debounce:       c.Webhooks.Debounce,
		Pollers:        c.Queue.pollers(),
	}
}

// pollers returns the number of loops that receive jobs. SQS has its own, behind one.
func (q *Queue) pollers() int {
	switch q.Driver {
	case DriverRedis:
		return q.Redis.Concurrency
	case DriverRedisCluster:
		return q.RedisCluster.Concurrency
	}
	return 0
}
