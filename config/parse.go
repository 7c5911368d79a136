package config

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/strict"
)

// drivers are the names that queue.driver may have.
var drivers = []string{
	string(DriverMemory), string(DriverDisk), string(DriverRedis), string(DriverRedisCluster), string(DriverSQS), string(DriverNone),
}

// Parse reads a file's content and the environment, which getenv gives; nil is an empty one. The error is a
// *webhook.ConfigError with every mistake, each with its path in the file or the name of its variable.
func Parse(data []byte, getenv func(string) string) (*Config, error) {
	c := &Config{Queue: Queue{Driver: DriverMemory}}
	problems := strict.Read(data, c.decode)
	variables := c.readEnvironment(getenv)
	for _, v := range variables {
		problems = append(problems, v.problems...)
	}
	problems = append(problems, c.check(problems, variables)...)
	if len(problems) == 0 {
		return c, nil
	}
	list := &webhook.ConfigError{Problems: make([]webhook.Problem, len(problems))}
	for i, p := range problems {
		list.Problems[i] = webhook.Problem(p)
	}
	return nil, list
}

// ignore accepts any value.
func ignore(strict.Value) {}

func (c *Config) decode(v strict.Value) {
	strict.Object{
		"app_manager": strict.Object{
			"array": strict.Object{
				"apps": strict.Array(c.decodeApp),
			}.Read,
		}.ReadOpen,
		"apps":     belongs("app_manager.array.apps"),
		"webhooks": c.Webhooks.decode,
		"queue":    c.Queue.decode,
	}.ReadOpen(v)
}

// belongs is for a field that would be passed over where it stands.
func belongs(where string) strict.Field {
	return func(v strict.Value) { v.Fail("is not read here; it belongs to %s", where) }
}

func (c *Config) decodeApp(v strict.Value) {
	c.Apps = append(c.Apps, webhook.App{})
	into(&c.Apps[len(c.Apps)-1])(v)
}

// into reads a value that reads itself, and notes its mistakes under the value's path.
func into(dst json.Unmarshaler) strict.Field {
	return func(v strict.Value) {
		err := dst.UnmarshalJSON(v.Raw())
		var list *webhook.ConfigError
		if !errors.As(err, &list) {
			return
		}
		for _, p := range list.Problems {
			v.FailAt(p.Path, "%s", p.Message)
		}
	}
}

func (w *Webhooks) decode(v strict.Value) {
	strict.Object{
		"batching": strict.Object{
			"enabled":  strict.Not(&w.Batching.Disabled),
			"duration": strict.Millis(&w.Batching.Duration),
			"size":     batchSize(&w.Batching.Size),
		}.Read,
		"retry":              into(&w.Retry),
		"request_timeout_ms": strict.Millis(&w.RequestTimeout),
		"concurrency":        strict.Int(&w.Concurrency, 1),
		"debounce_ms":        strict.Duration(&w.Debounce, time.Millisecond, 0),
	}.Read(v)
}

// batchSize reads a number of events, of which 0 stands for as many as the bytes hold.
func batchSize(dst *int) strict.Field {
	return func(v strict.Value) {
		size := *dst
		strict.Int(&size, 0)(v)
		if *dst = size; size == 0 {
			*dst = -1
		}
	}
}

func (q *Queue) decode(v strict.Value) {
	fields := strict.Object{
		"driver":        q.decodeDriver,
		"disk":          q.Disk.decode,
		"redis":         q.Redis.decode,
		"redis_cluster": q.RedisCluster.decode,
		"sqs":           q.SQS.decode,
	}
	others := []string{"nats", "pulsar", "rabbitmq", "google_pubsub", "kafka", "iggy", "sns"} // other drivers of the reference
	for _, name := range others {
		fields[name] = ignore
	}
	fields.Read(v)
}

func (q *Queue) decodeDriver(v strict.Value) {
	var name string
	strict.String(&name)(v)
	switch lower := strings.ToLower(name); {
	case slices.Contains(drivers, lower):
		q.Driver = Driver(lower)
	case name != "":
		v.Fail("is %q, which is not a driver%s", name, strict.Suggest(name, drivers))
	}
}

func (d *Disk) decode(v strict.Value) {
	strict.Object{"path": strict.String(&d.Path)}.Read(v)
}

func (r *Redis) decode(v strict.Value) {
	strict.Object{
		"url":                 strict.Hidden(strict.String(&r.URL)),
		"url_override":        strict.Hidden(strict.String(&r.URL)),
		"prefix":              strict.String(&r.Prefix),
		"concurrency":         strict.Int(&r.Concurrency, 1),
		"at_most_once":        strict.Bool(&r.AtMostOnce),
		"cluster_mode":        noClusterMode,
		"response_timeout_ms": ignore,
	}.Read(v)
}

// noClusterMode refuses the reference's switch from one server to a cluster, which is a driver of its own here.
func noClusterMode(v strict.Value) {
	var on bool
	if strict.Bool(&on)(v); on {
		v.Fail(`is true; use "driver": "redis-cluster" and list the nodes in queue.redis_cluster.nodes`)
	}
}

func (r *RedisCluster) decode(v strict.Value) {
	strict.Object{
		"nodes":              strict.Hidden(strict.List(&r.Nodes)),
		"prefix":             strict.String(&r.Prefix),
		"concurrency":        strict.Int(&r.Concurrency, 1),
		"at_most_once":       strict.Bool(&r.AtMostOnce),
		"request_timeout_ms": ignore,
	}.Read(v)
}

func (s *SQS) decode(v strict.Value) {
	strict.Object{
		"region":             strict.String(&s.Region),
		"queue_url_prefix":   strict.String(&s.QueueURLPrefix),
		"visibility_timeout": strict.Duration(&s.VisibilityTimeout, time.Second, 1),
		"endpoint_url":       strict.String(&s.EndpointURL),
		"max_messages":       strict.Int(&s.MaxMessages, 1),
		"wait_time_seconds":  strict.Duration(&s.WaitTime, time.Second, 1),
		"concurrency":        strict.Int(&s.Concurrency, 1),
		"fifo":               strict.Bool(&s.FIFO),
		"retry_backoff":      strict.Bool(&s.RetryBackoff),
		"message_group_id":   ignore, // every webhook is a group of its own
	}.Read(v)
}
