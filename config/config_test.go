package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
)

// problemLines returns an error's problems, one a line, and fails the test if it is anything but
// nil or a *ConfigError.
func problemLines(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var list *webhook.ConfigError
	if !errors.As(err, &list) {
		t.Fatalf("error is a %T: %v", err, err)
	}
	lines := make([]string, len(list.Problems))
	for i, p := range list.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func load(t *testing.T, name string, environ ...string) *Config {
	t.Helper()
	c, err := Load(filepath.Join("testdata", name), environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheReferencesOwnFileIsRead(t *testing.T) {
	t.Parallel()
	c := load(t, "reference.json")
	if c.Queue.Driver != DriverMemory || !c.Webhooks.Batching.Disabled {
		t.Errorf("queue is %q, batching %+v", c.Queue.Driver, c.Webhooks.Batching)
	}
	want := []webhook.Webhook{{
		URL: "https://your-backend.com/webhooks/sockudo",
		EventTypes: []webhook.EventType{
			webhook.TypeChannelOccupied, webhook.TypeChannelVacated, webhook.TypeMemberAdded, webhook.TypeMemberRemoved,
		},
		Filter:  webhook.Filter{ChannelPrefix: "presence-"},
		Headers: webhook.Headers{"Authorization": "Bearer my-token"},
	}, {
		Lambda:     &webhook.Lambda{FunctionName: "my-webhook-handler", Region: "us-east-1"},
		EventTypes: []webhook.EventType{webhook.TypeChannelOccupied, webhook.TypeChannelVacated},
	}}
	if len(c.Apps) != 1 || c.Apps[0].Disabled || !reflect.DeepEqual(c.Apps[0].Webhooks, want) {
		t.Errorf("apps are %#v", c.Apps)
	}
}

func TestEveryFieldIsRead(t *testing.T) {
	t.Parallel()
	want := &Config{
		Apps: []webhook.App{{ID: "a", Key: "ka", Secret: "sa"}, {ID: "b", Key: "kb", Secret: "sb", Disabled: true}},
		Webhooks: Webhooks{
			Batching: webhook.Batching{Duration: 250 * time.Millisecond, Size: -1},
			Retry: webhook.Retry{
				MaxAttempts: 5, MaxElapsed: 10 * time.Minute, MaxAge: 2 * time.Hour, InitialBackoff: 2 * time.Second, MaxBackoff: 30 * time.Second,
			},
			RequestTimeout: 4 * time.Second, Concurrency: 50, Debounce: 3 * time.Second,
		},
		Queue: Queue{
			Driver: DriverRedisCluster,
			Disk:   Disk{Path: "/var/lib/webhooks.db"},
			Redis:  Redis{URL: "redis://localhost:6379/1", Prefix: "a:", Concurrency: 2, AtMostOnce: true},
			RedisCluster: RedisCluster{
				Nodes: []URL{"localhost:7000", "rediss://user:pw@localhost:7001"}, Prefix: "b:", Concurrency: 3,
			},
			SQS: SQS{
				Region: "eu-west-1", QueueURLPrefix: "https://sqs.eu-west-1.amazonaws.com/123456789012",
				VisibilityTimeout: time.Minute, EndpointURL: "http://localhost:9324", MaxMessages: 5,
				WaitTime: 20 * time.Second, Concurrency: 4, FIFO: true, RetryBackoff: true,
			},
		},
	}
	if got := load(t, "full.json"); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestOptionsHoldWhatTheFileSays(t *testing.T) {
	t.Parallel()
	c := load(t, "full.json")
	want := webhook.Options{
		Apps: c.Apps, Batching: c.Webhooks.Batching, Retry: c.Webhooks.Retry, RequestTimeout: 4 * time.Second,
		Workers: 50, Debounce: 3 * time.Second, Pollers: 3,
	}
	if got := c.Options(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for driver, pollers := range map[Driver]int{DriverMemory: 0, DriverRedis: 2, DriverSQS: 0} {
		c.Queue.Driver = driver
		if got := c.Options().Pollers; got != pollers {
			t.Errorf("%s: %d pollers, want %d", driver, got, pollers)
		}
	}
}

func TestAnEmptyFileIsAllDefaults(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, `{"webhooks": null, "queue": {"driver": null}, "app_manager": {"array": null}}`} {
		c, err := Parse([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		want := &Config{Queue: Queue{Driver: DriverMemory}, Warnings: []string{"app_manager.array.apps: " + noAppWarning}}
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%s is %+v", text, c)
		}
	}
}

func TestTheEnvironmentGoesOverTheFile(t *testing.T) {
	t.Parallel()
	c := load(t, "full.json",
		"WEBHOOK_BATCHING_ENABLED=off", "WEBHOOK_BATCHING_DURATION=75", "WEBHOOK_BATCHING_SIZE=20",
		"QUEUE_DRIVER=SQS", "QUEUE_DISK_PATH=/tmp/q.db",
		"REDIS_URL=redis://h:1/2", "REDIS_CLUSTER_NODES=h:1, h:2,,", "QUEUE_REDIS_PREFIX=p:",
		"QUEUE_REDIS_CONCURRENCY=9", "QUEUE_REDIS_AT_MOST_ONCE=1",
		"QUEUE_SQS_REGION=us-west-2", "QUEUE_SQS_VISIBILITY_TIMEOUT=90", "QUEUE_SQS_MAX_MESSAGES=1",
		"QUEUE_SQS_WAIT_TIME_SECONDS=2", "QUEUE_SQS_CONCURRENCY=7", "QUEUE_SQS_FIFO=no", "QUEUE_SQS_ENDPOINT_URL=http://h:3",
		"QUEUE_SQS_NO_MESSAGE_GROUPS=1",
	)
	if want := (webhook.Batching{Disabled: true, Duration: 75 * time.Millisecond, Size: 20}); c.Webhooks.Batching != want {
		t.Errorf("batching is %+v", c.Webhooks.Batching)
	}
	want := Queue{
		Driver: DriverSQS, Disk: Disk{"/tmp/q.db"},
		Redis:        Redis{URL: "redis://h:1/2", Prefix: "p:", Concurrency: 9, AtMostOnce: true},
		RedisCluster: RedisCluster{Nodes: []URL{"h:1", "h:2"}, Prefix: "p:", Concurrency: 9, AtMostOnce: true},
		SQS: SQS{
			Region: "us-west-2", QueueURLPrefix: "https://sqs.eu-west-1.amazonaws.com/123456789012",
			VisibilityTimeout: 90 * time.Second, EndpointURL: "http://h:3", MaxMessages: 1, WaitTime: 2 * time.Second,
			Concurrency: 7, RetryBackoff: true, NoMessageGroups: true,
		},
	}
	if !reflect.DeepEqual(c.Queue, want) {
		t.Errorf("got  %+v\nwant %+v", c.Queue, want)
	}
}

func TestAnEmptyVariableIsNotSet(t *testing.T) {
	t.Parallel()
	c := load(t, "full.json", "WEBHOOK_BATCHING_DURATION=", "QUEUE_DRIVER= ")
	if c.Webhooks.Batching.Duration != 250*time.Millisecond || c.Queue.Driver != DriverRedisCluster {
		t.Errorf("got %+v", c)
	}
}

func TestBatchSizeZeroInTheEnvironmentIsBytesOnly(t *testing.T) {
	t.Parallel()
	c, err := Parse([]byte(`{"webhooks": {"batching": {"size": 10}}}`), []string{"WEBHOOK_BATCHING_SIZE=0"})
	if err != nil || c.Webhooks.Batching.Size != -1 {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestEveryMistakeInAFileIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Load("testdata/mistakes.json", nil)
	want := `webhok: unknown field; did you mean "webhooks"?
apps: is not read here; it belongs to app_manager.array.apps
app_manager.array.apps[0].enabeld: unknown field; did you mean "enabled"?
app_manager.array.apps[0].webhooks[0].url: must be a string, not a number
app_manager.array.apps[0].webhooks[0].filtr: unknown field; did you mean "filter"?
app_manager.array.apps[0].webhooks[1].event_type: unknown field; did you mean "event_types"?
app_manager.array.apps[1].secret: must be a string, not a number
app_manager.array.apps[1].webhooks[0].url: must be a string, not a boolean
webhooks.batching.enabled: must be true or false, not "on"
webhooks.batching.duration: must be a whole number of milliseconds, at least 1, not "50ms"
webhooks.batching.size: must be a whole number of at least 0, not -1
webhooks.batching.delay: unknown field; known are duration, enabled, size
webhooks.retry.max_retries: unknown field; known are enabled, initial_backoff_ms, max_age_ms, max_attempts, max_backoff_ms, max_elapsed_time_ms
webhooks.request_timeout: unknown field; did you mean "request_timeout_ms"?
queue.driver: is "reddis", which is not a driver; did you mean "redis"?
queue.redis.cluster_mode: is true; use "driver": "redis-cluster" and list the nodes in queue.redis_cluster.nodes
queue.redis.concurency: unknown field; did you mean "concurrency"?
queue.redis.url: must be a string, not an array
queue.memory: unknown field; known are disk, driver, google_pubsub, iggy, kafka, nats, pulsar, rabbitmq, redis, redis_cluster, reliability, sns, sqs
webhooks.retry.initial_backoff_ms: is 2s, which is longer than max_backoff_ms, 1s
app_manager.array.apps[0].secret: is the word REDACTED: the configuration was printed or marshaled, which hides secrets
app_manager.array.apps[0].webhooks[0].event_types[0]: is "channel_ocupied", which is not an event type; did you mean "channel_occupied"?
app_manager.array.apps[0].webhooks[2].filter.channel_pattern: is "a(", which is not a regular expression: missing closing ): ` + "`a(`" + `
app_manager.array.apps[1].id: is required: the name by which events find their app`
	if got := problemLines(t, err); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if err == nil || !strings.HasPrefix(err.Error(), "config: testdata/mistakes.json: webhook: the configuration has mistakes:\n  webhok: ") {
		t.Errorf("error is %v", err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file string
		env        []string
		want       string
	}{
		{"no JSON", "{\n\"queue\": {]}", nil, `line 2, column 11: invalid character ']' looking for beginning of object key string`},
		{"an empty file", "", nil, `is empty; JSON or TOML is expected`},
		{"an array", `[]`, nil, `must be an object, not an array`},
		{
			"webhooks in the wrong place", `{"webhooks": [{"url": "https://example.com"}]}`, nil,
			`webhooks: must be an object, not an array`,
		},
		{
			"an unknown driver", `{"queue": {"driver": "nats"}}`, nil,
			`queue.driver: is "nats", which is not a driver; known are memory, disk, redis, redis-cluster, sqs, none`,
		},
		{
			"a driver in the environment", `{}`,
			[]string{"QUEUE_DRIVER=redis_cluster"},
			`QUEUE_DRIVER: is "redis_cluster", which is not a driver; did you mean "redis-cluster"?`,
		},
		{
			"variables of the wrong type", `{}`,
			[]string{"WEBHOOK_BATCHING_ENABLED=maybe", "WEBHOOK_BATCHING_DURATION=50ms", "WEBHOOK_BATCHING_SIZE=1.5", "QUEUE_SQS_FIFO=2"},
			`WEBHOOK_BATCHING_ENABLED: must be true or false, not "maybe"
WEBHOOK_BATCHING_DURATION: must be a whole number of milliseconds, at least 1, not "50ms"
WEBHOOK_BATCHING_SIZE: must be a whole number of at least 0, not 1.5
QUEUE_SQS_FIFO: must be true or false, not "2"`,
		},
		{
			"a variable out of bounds", `{}`,
			[]string{"WEBHOOK_BATCHING_DURATION=3600000"},
			`WEBHOOK_BATCHING_DURATION: is 1h0m0s; must be from 0 (the default) to 1m0s`,
		},
		{
			"disk without a path", `{"queue": {"driver": "disk"}}`, nil,
			`queue.disk.path: is required: the file that holds the jobs (or QUEUE_DISK_PATH)`,
		},
		{
			"a misspelled URL field", `{"queue": {"driver": "redis", "redis": {"ulr": "redis://localhost"}}}`, nil,
			`queue.redis.ulr: unknown field; known are at_most_once, clusterMode, cluster_mode, concurrency, prefix, redisOptions, response_timeout_ms, tls_ca_file, url, url_override`,
		},
		{
			"a password that is not encoded", `{}`,
			[]string{"QUEUE_DRIVER=redis", "REDIS_URL=redis://:top#secret@localhost:6379"},
			`REDIS_URL: must be a URL such as redis://user:password@localhost:6379/0; a password's special characters must be percent-encoded: "/" as %2F, "#" as %23, "?" as %3F, "@" as %40`,
		},
		{
			"another scheme", `{"queue": {"driver": "redis", "redis": {"url": "http://:secret@localhost"}}}`, nil,
			`queue.redis.url: must begin with redis:// or rediss:// or unix://, not "http://"`,
		},
		{
			"no host", `{"queue": {"driver": "redis", "redis": {"url": "redis://"}}}`, nil,
			`queue.redis.url: has no host; must be a URL such as redis://user:password@localhost:6379/0`,
		},
		{
			"a database that is no number", `{}`,
			[]string{"QUEUE_DRIVER=redis", "REDIS_URL=redis://localhost/cache"},
			`REDIS_URL: has something other than a number behind the host; only a database may stand there, such as redis://localhost:6379/0`,
		},
		{
			"no nodes", `{"queue": {"driver": "redis-cluster"}}`, nil,
			`queue.redis_cluster.nodes: is required: some of the cluster's nodes, such as ["localhost:7000"] (or REDIS_CLUSTER_NODES, or database.redis.cluster.nodes)`,
		},
		{
			"nodes", `{"queue": {"driver": "redis-cluster", "redis_cluster": {"nodes": ["localhost", "h:0", "unix:///a", "h:7000", "[::1]:7000"]}}}`, nil,
			`queue.redis_cluster.nodes[0]: must be host:port or a redis:// URL, such as localhost:7000
queue.redis_cluster.nodes[1]: is "h:0"; a port is a number from 1 to 65535
queue.redis_cluster.nodes[2]: must begin with redis:// or rediss://, not "unix://"`,
		},
		{
			"nodes in the environment", `{}`,
			[]string{"QUEUE_DRIVER=redis-cluster", "REDIS_CLUSTER_NODES=h:1,h"},
			`REDIS_CLUSTER_NODES[1]: must be host:port or a redis:// URL, such as localhost:7000`,
		},
		{
			"receive loops", `{"queue": {"driver": "redis", "redis": {"url": "redis://localhost", "concurrency": 5000}}}`, nil,
			`queue.redis.concurrency: is 5000; must be from 1 to 1000`,
		},
		{
			"sqs", `{"queue": {"driver": "sqs", "sqs": {"visibility_timeout": 5, "wait_time_seconds": 30, "max_messages": 11,
			"concurrency": 200, "queue_url_prefix": "webhooks", "endpoint_url": "localhost:9324", "retry_back_off": true}}}`, nil,
			`queue.sqs.retry_back_off: unknown field; did you mean "retry_backoff"?
queue.sqs.visibility_timeout: is 5; must be from 15 to 43200 seconds
queue.sqs.wait_time_seconds: is 30; must be from 1 to 20
queue.sqs.max_messages: is 11; must be from 1 to 10
queue.sqs.concurrency: is 200; must be from 1 to 100
queue.sqs.queue_url_prefix: must be an http or https URL such as https://sqs.eu-west-1.amazonaws.com/123456789012
queue.sqs.endpoint_url: must be an http or https URL such as http://localhost:9324`,
		},
		{
			"message groups of a FIFO queue", `{"queue": {"driver": "sqs", "sqs": {"fifo": true, "no_message_groups": true}}}`, nil,
			`queue.sqs.no_message_groups: is true, but fifo is too, and a FIFO queue needs message groups; leave one of them out`,
		},
		{"a driver that is not used", `{"queue": {"redis": {"url": "nonsense"}}}`, []string{"REDIS_URL=sentinel://elsewhere"}, ""},
		{
			"an app twice", `{"app_manager": {"array": {"apps": [{"id": "a", "key": "k", "secret": "s"}, {"id": "a", "key": "k", "secret": "s"}]}}}`, nil,
			`app_manager.array.apps[1].id: is "a", as apps[0].id is; each app has its own`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(tt.file), tt.env)
			if got := problemLines(t, err); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

// What depends on the queue is checked against the real one, when the emitter is made.
func TestParseLeavesTheQueuesLimitsToTheQueue(t *testing.T) {
	t.Parallel()
	const file = `{
		"webhooks": {"request_timeout_ms": 60000},
		"queue": {"driver": "sqs", "sqs": {"visibility_timeout": 120, "fifo": true}}
	}`
	if _, err := Parse([]byte(file), nil); err != nil {
		t.Error(err)
	}
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(t.TempDir(), "absent.json"), nil)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "absent.json") {
		t.Errorf("error is %v", err)
	}
}
