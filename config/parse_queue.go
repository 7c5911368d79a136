package config

import (
	"slices"
	"strings"
	"time"

	"github.com/pushhooks/webhook/internal/strict"
	"github.com/pushhooks/webhook/internal/urltext"
)

func (l *loader) decodeQueue(v strict.Value) {
	fields := strict.Object{
		"driver":        l.decodeDriver,
		"reliability":   l.decodeReliability,
		"disk":          strict.Object{"path": strict.String(&l.Queue.Disk.Path)}.Read,
		"redis":         l.decodeRedis,
		"redis_cluster": l.decodeRedisCluster,
		"sqs":           l.decodeSQS,
	}
	for _, driver := range otherDrivers {
		fields[strings.ReplaceAll(driver, "-", "_")] = ignore
	}
	fields.Read(v)
}

// otherDrivers are those of the reference that there is no queue for.
var otherDrivers = []string{"nats", "pulsar", "rabbitmq", "google-pubsub", "kafka", "iggy", "sns"}

func (l *loader) decodeDriver(v strict.Value) {
	var name string
	strict.String(&name)(v)
	switch lower := strings.ToLower(name); {
	case slices.Contains(drivers, lower):
		l.Queue.Driver = Driver(lower)
	case lower == "sync": // Soketi's
		l.Queue.Driver = DriverMemory
	case name != "":
		v.Fail("is %q, which is not a driver%s", urltext.Quotable(name), strict.Suggest(name, drivers))
	}
}

func (l *loader) decodeReliability(v strict.Value) {
	r := &l.Queue.Reliability
	fields := strict.Object{
		"max_attempts":        strict.Int(&r.MaxAttempts, 1),
		"retry_base_delay_ms": strict.Duration(&r.RetryBaseDelay, time.Millisecond, 0),
		"retry_max_delay_ms":  strict.Duration(&r.RetryMaxDelay, time.Millisecond, 0),
		"memory_capacity":     strict.Int(&r.MemoryCapacity, 1),
		"max_batch_size":      strict.Int(&r.MaxBatchSize, 1),
	}
	for _, name := range otherReliability {
		fields[name] = ignore
	}
	fields.Read(v)
}

// otherReliability are the keys of the section that describe how the reference's own queues work.
var otherReliability = []string{
	"retry_jitter", "lease_duration_ms", "lease_renew_interval_ms", "stalled_batch_size", "worker_poll_interval_ms",
	"worker_prefetch", "shutdown_timeout_ms", "completed_retention", "failed_retention", "event_retention",
	"deduplication_ttl_ms",
}

func (l *loader) decodeRedis(v strict.Value) {
	r := &l.Queue.Redis
	var override URL
	strict.Object{
		"url":                 strict.Hidden(strict.String(&r.URL)),
		"url_override":        strict.Hidden(strict.String(&override)),
		"prefix":              strict.String(&r.Prefix),
		"concurrency":         strict.Int(&r.Concurrency, 1),
		"at_most_once":        strict.Bool(&r.AtMostOnce),
		"tls_ca_file":         strict.String(&r.TLSCAFile),
		"cluster_mode":        noClusterMode,
		"response_timeout_ms": ignore,

		// Soketi's names.
		"clusterMode":  strict.Bool(&l.clusterMode),
		"redisOptions": noRedisOptions,
	}.Read(v)
	if override != "" && r.URL != "" {
		v.FailAt("url_override", "is another name of url; leave one of them out")
		return
	}
	if override != "" {
		r.URL, l.urlOverride = override, true
	}
}

// noClusterMode refuses the reference's switch from one server to a cluster, which is a driver of
// its own here.
func noClusterMode(v strict.Value) {
	var on bool
	if strict.Bool(&on)(v); on {
		v.Fail(`is true; use "driver": "redis-cluster" and list the nodes in queue.redis_cluster.nodes`)
	}
}

// noRedisOptions refuses what Soketi gives to its Redis client, unless it is empty.
func noRedisOptions(v strict.Value) {
	strict.Embedded(strict.Entries(func(name string, v strict.Value) {
		v.Fail("is not read here; host, port, username, password, db, sentinels and name belong to database.redis")
	}))(v)
}

func (l *loader) decodeRedisCluster(v strict.Value) {
	r := &l.Queue.RedisCluster
	strict.Object{
		"nodes":              strict.Hidden(strict.List(&r.Nodes)),
		"prefix":             strict.String(&r.Prefix),
		"concurrency":        strict.Int(&r.Concurrency, 1),
		"at_most_once":       strict.Bool(&r.AtMostOnce),
		"tls_ca_file":        strict.String(&r.TLSCAFile),
		"request_timeout_ms": ignore,
	}.Read(v)
}

func (l *loader) decodeSQS(v strict.Value) {
	s := &l.Queue.SQS
	strict.Object{
		"region":             strict.String(&s.Region),
		"queue_name":         strict.String(&s.QueueName),
		"queue_url_prefix":   strict.Hidden(strict.String(&s.QueueURLPrefix)),
		"visibility_timeout": strict.Duration(&s.VisibilityTimeout, time.Second, 1),
		"endpoint_url":       strict.Hidden(strict.String(&s.EndpointURL)),
		"max_messages":       strict.Int(&s.MaxMessages, 1),
		"wait_time_seconds":  strict.Duration(&s.WaitTime, time.Second, 1),
		"concurrency":        strict.Int(&s.Concurrency, 1),
		"fifo":               strict.Bool(&s.FIFO),
		"retry_backoff":      strict.Bool(&s.RetryBackoff),
		"no_message_groups":  strict.Bool(&s.NoMessageGroups),
		"message_group_id":   ignore, // every webhook is a group of its own

		// Soketi's names.
		"queueUrl":          strict.Hidden(strict.String(&s.QueueURL)),
		"endpoint":          strict.Hidden(strict.String(&s.EndpointURL)),
		"batchSize":         strict.Int(&s.MaxMessages, 1),
		"processBatch":      ignore,
		"pollingWaitTimeMs": ignore, // the pause between polls, of which there is none here
		"consumerOptions":   ignore,
		"clientOptions":     noClientOptions,
	}.Read(v)
}

// noClientOptions refuses what Soketi gives to the AWS SDK, unless it is empty.
func noClientOptions(v strict.Value) {
	strict.Embedded(strict.Entries(func(name string, v strict.Value) {
		v.Fail("is not read; the AWS SDK's own variables and files say it, such as AWS_ACCESS_KEY_ID and AWS_PROFILE")
	}))(v)
}
