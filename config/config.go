// Package config reads the configuration file of the reference server (Sockudo), in JSON or TOML,
// or that of Soketi, and the environment variables that go over it, into options for an emitter.
// Sections that have nothing to do with webhooks are ignored, so a server's own file can be read as
// it is. It only parses: package [github.com/pushhooks/webhook/config/open] builds the queue and
// the Lambda sender that a file names.
//
// What is wrong is an error, all of it at once: unknown names in the sections that are read, values
// of the wrong type, and everything that [webhook.Options.Validate] finds. What is doubtful but
// harmless is in [Config.Warnings]. No message and no printed Config shows a secret, or more of a
// URL than its scheme, host and port.
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
//	  custom_event_types       names of the host's own event types
//	queue
//	  driver                   memory (the default), disk, redis, redis-cluster, sqs or none
//	  reliability              max_attempts, retry_base_delay_ms, retry_max_delay_ms (where webhooks.retry says
//	                           nothing), memory_capacity, max_batch_size
//	  disk                     path
//	  redis                    url (or url_override), prefix, concurrency, at_most_once, tls_ca_file
//	  redis_cluster            nodes, prefix, concurrency, at_most_once, tls_ca_file
//	  sqs                      region, queue_name, queue_url_prefix, visibility_timeout (seconds), endpoint_url,
//	                           max_messages, wait_time_seconds, concurrency, fifo, retry_backoff,
//	                           no_message_groups
//	database.redis             host, port, username, password, db, master_tls, sentinels, cluster: the server where
//	                           queue.redis has no url, and the cluster where queue.redis_cluster has no nodes
//
// A file whose name ends in .json or .toml is of that kind; any other is what its content looks
// like. ${NAME} and ${NAME:-default} stand for the value of an environment variable.
//
// docs/configuration.md lists every key and every environment variable, and those of the reference
// and of Soketi that are passed over.
package config

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"github.com/pushhooks/webhook"
)

// Config is what a file and the environment say. A field that neither sets is zero, and means the
// default of the package that it is for.
type Config struct {
	Apps     []webhook.App
	Webhooks Webhooks
	Queue    Queue
	Database Database

	// Warnings are what is doubtful but harmless, such as a file without any app or a variable
	// whose name looks misspelled. Each is one line, without a secret. Log them.
	Warnings []string
}

// Webhooks is the section "webhooks".
type Webhooks struct {
	Batching       webhook.Batching
	Retry          webhook.Retry
	RequestTimeout time.Duration
	Concurrency    int // attempts at once
	Debounce       time.Duration
	EventTypes     []webhook.EventType // the section's "custom_event_types"
}

// Queue is the section "queue". Only the part that Driver names is used.
type Queue struct {
	Driver       Driver
	Reliability  Reliability
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

// Reliability is the section "queue.reliability", as far as it means something here.
type Reliability struct {
	MaxAttempts    int           // attempts of a job, where webhooks.retry does not say
	RetryBaseDelay time.Duration // the first backoff, where webhooks.retry does not say
	RetryMaxDelay  time.Duration // the longest backoff, where webhooks.retry does not say
	MemoryCapacity int           // jobs in the memory queue
	MaxBatchSize   int           // jobs that are handed to the queue in one call
}

// Disk is the section "queue.disk".
type Disk struct {
	Path string // the file; required
}

// Redis is the section "queue.redis".
type Redis struct {
	// redis://, rediss:// or unix://; may hold a password. Empty: the server is Database.Redis
	URL         URL
	Prefix      string // begins the name of every key
	Concurrency int    // receive loops
	AtMostOnce  bool   // jobs are removed when they are received, and failed ones are not repeated
	TLSCAFile   string // PEM file with the certificates to trust instead of the system's
}

// RedisCluster is the section "queue.redis_cluster".
type RedisCluster struct {
	// Nodes are some of the cluster's nodes, each host:port or a redis:// or rediss:// URL, which
	// may hold a password. Empty: the nodes are those of Database.Redis.
	Nodes       []URL
	Prefix      string // begins the name of every key
	Concurrency int    // receive loops
	AtMostOnce  bool   // jobs are removed when they are received, and failed ones are not repeated
	TLSCAFile   string // PEM file with the certificates to trust instead of the system's
}

// SQS is the section "queue.sqs".
type SQS struct {
	Region         string // empty: the AWS SDK's own default
	QueueURL       URL    // the queue's whole URL: Soketi's queueUrl
	QueueURLPrefix URL    // the queue's URL up to its name
	QueueName      string // without ".fifo"
	// how long a job is leased, and after how long a failed one is repeated
	VisibilityTimeout time.Duration
	EndpointURL       URL           // instead of Amazon's
	MaxMessages       int           // in one call
	WaitTime          time.Duration // of a receive call for messages
	Concurrency       int           // receive calls at once
	FIFO              bool
	// failed jobs are repeated after the backoff, not after VisibilityTimeout
	RetryBackoff    bool
	NoMessageGroups bool // messages of a standard queue have no group
}

// Load reads the file at path, and the environment: "NAME=value" each, as os.Environ gives them;
// nil is an empty one. An error in what was read is a *webhook.ConfigError with every mistake, each
// with its path in the file or the name of its variable.
func Load(path string, environ []string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	c, err := parse(data, kindOf(path), environ)
	if err != nil {
		return nil, fmt.Errorf("config: %s: %w", path, err)
	}
	return c, nil
}

// Parse is Load for what a file holds. Whether it is JSON or TOML is seen from the content.
func Parse(data []byte, environ []string) (*Config, error) {
	return parse(data, byContent, environ)
}

// Options returns the options that c holds: all but the Queue and the Lambda sender, which package
// config/open makes.
func (c *Config) Options() webhook.Options {
	return webhook.Options{
		Apps:           c.Apps,
		EventTypes:     c.Webhooks.EventTypes,
		Batching:       c.Webhooks.Batching,
		Retry:          c.retry(),
		RequestTimeout: c.Webhooks.RequestTimeout,
		Workers:        c.Webhooks.Concurrency,
		Debounce:       c.Webhooks.Debounce,
		Pollers:        c.Queue.pollers(),
		EnqueueJobs:    c.Queue.Reliability.MaxBatchSize,
	}
}

// retry returns the policy of "webhooks.retry", and of "queue.reliability" where that says nothing.
// A backoff of the latter is adjusted to one of the former, so that a short max_backoff_ms alone is
// no mistake.
func (c *Config) retry() webhook.Retry {
	r, q := c.Webhooks.Retry, &c.Queue.Reliability
	first, longest := q.RetryBaseDelay, q.RetryMaxDelay
	if r.MaxBackoff > 0 {
		first = min(first, r.MaxBackoff)
	}
	if r.InitialBackoff > 0 && longest > 0 {
		longest = max(longest, r.InitialBackoff)
	}
	r.MaxAttempts = cmp.Or(r.MaxAttempts, q.MaxAttempts)
	r.InitialBackoff = cmp.Or(r.InitialBackoff, first)
	r.MaxBackoff = cmp.Or(r.MaxBackoff, longest)
	return r
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
