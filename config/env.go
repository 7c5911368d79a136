package config

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/strict"
)

// environment holds the variables that are set, by name.
type environment map[string]string

// newEnvironment reads "NAME=value" pairs. The last of several with one name counts.
func newEnvironment(environ []string) environment {
	env := make(environment, len(environ))
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	return env
}

// variable is an environment variable.
type variable struct {
	name     string
	path     string // of the field in the file that it goes over
	toJSON   func(string) []byte
	field    strict.Field
	problems []strict.Problem
}

// readEnvironment reads the variables that are set and not empty, and returns those. A value
// becomes the JSON that would stand in the file, and is read in the same way. Of two variables for
// one field the later counts.
func (l *loader) readEnvironment(env environment) []variable {
	var set []variable
	for _, v := range l.variables() {
		value := strings.TrimSpace(env[v.name])
		if value == "" {
			continue
		}
		if utf8.ValidString(value) {
			v.problems = strict.Read(v.toJSON(value), v.field)
		} else {
			v.problems = []strict.Problem{{Message: "is not UTF-8"}}
		}
		for i := range v.problems {
			v.problems[i].Path = strict.Join(v.name, v.problems[i].Path)
		}
		set = append(set, v)
	}
	return set
}

// variables returns those that there are: first Soketi's, which the others go over.
func (l *loader) variables() []variable {
	list := append(l.soketiAppVariables(), l.soketiVariables()...)
	list = append(list, l.webhookVariables()...)
	list = append(list, l.serverVariables()...)
	list = append(list, l.queueVariables()...)
	return append(list, l.sqsVariables()...)
}

func (l *loader) webhookVariables() []variable {
	b, r := &l.Webhooks.Batching, &l.Queue.Reliability
	return []variable{
		{name: "WEBHOOK_BATCHING_ENABLED", path: "webhooks.batching.enabled", toJSON: boolean, field: strict.Not(&b.Disabled)},
		{name: "WEBHOOK_BATCHING_DURATION", path: "webhooks.batching.duration", toJSON: number, field: strict.Millis(&b.Duration)},
		{name: "WEBHOOK_BATCHING_SIZE", path: "webhooks.batching.size", toJSON: number, field: batchSize(&b.Size)},
		{name: "QUEUE_MAX_ATTEMPTS", path: "queue.reliability.max_attempts", toJSON: number, field: strict.Int(&r.MaxAttempts, 1)},
		{
			name: "QUEUE_RETRY_BASE_DELAY_MS", path: "queue.reliability.retry_base_delay_ms", toJSON: number,
			field: strict.Duration(&r.RetryBaseDelay, time.Millisecond, 0),
		},
		{
			name: "QUEUE_RETRY_MAX_DELAY_MS", path: "queue.reliability.retry_max_delay_ms", toJSON: number,
			field: strict.Duration(&r.RetryMaxDelay, time.Millisecond, 0),
		},
		{name: "QUEUE_MEMORY_CAPACITY", path: "queue.reliability.memory_capacity", toJSON: number, field: strict.Int(&r.MemoryCapacity, 1)},
		{name: "QUEUE_MAX_BATCH_SIZE", path: "queue.reliability.max_batch_size", toJSON: number, field: strict.Int(&r.MaxBatchSize, 1)},
	}
}

func (l *loader) queueVariables() []variable {
	redis, cluster := &l.Queue.Redis, &l.Queue.RedisCluster
	nodes := strict.Hidden(strict.List(&cluster.Nodes))
	return []variable{
		{name: "QUEUE_DRIVER", path: "queue.driver", toJSON: text, field: l.decodeDriver},
		{name: "QUEUE_DISK_PATH", path: "queue.disk.path", toJSON: text, field: strict.String(&l.Queue.Disk.Path)},
		{name: "REDIS_URL", path: "queue.redis.url", toJSON: text, field: strict.Hidden(strict.String(&redis.URL))},
		{name: "REDIS_CLUSTER_NODES", path: "queue.redis_cluster.nodes", toJSON: list, field: nodes},
		{name: "DATABASE_REDIS_CLUSTER_NODES", path: "queue.redis_cluster.nodes", toJSON: list, field: nodes},
		{
			name: "QUEUE_REDIS_PREFIX", path: "queue.redis.prefix", toJSON: text,
			field: both(strict.String(&redis.Prefix), strict.String(&cluster.Prefix)),
		},
		{name: "REDIS_CLUSTER_QUEUE_PREFIX", path: "queue.redis_cluster.prefix", toJSON: text, field: strict.String(&cluster.Prefix)},
		{
			name: "QUEUE_REDIS_CONCURRENCY", path: "queue.redis.concurrency", toJSON: number,
			field: both(strict.Int(&redis.Concurrency, 1), strict.Int(&cluster.Concurrency, 1)),
		},
		{
			name: "REDIS_CLUSTER_QUEUE_CONCURRENCY", path: "queue.redis_cluster.concurrency", toJSON: number,
			field: strict.Int(&cluster.Concurrency, 1),
		},
		{
			name: "QUEUE_REDIS_AT_MOST_ONCE", path: "queue.redis.at_most_once", toJSON: boolean,
			field: both(strict.Bool(&redis.AtMostOnce), strict.Bool(&cluster.AtMostOnce)),
		},
	}
}

func (l *loader) sqsVariables() []variable {
	s := &l.Queue.SQS
	return []variable{
		{name: "QUEUE_SQS_REGION", path: "queue.sqs.region", toJSON: text, field: strict.String(&s.Region)},
		{name: "QUEUE_SQS_QUEUE_NAME", path: "queue.sqs.queue_name", toJSON: text, field: strict.String(&s.QueueName)},
		{
			name: "QUEUE_SQS_VISIBILITY_TIMEOUT", path: "queue.sqs.visibility_timeout", toJSON: number,
			field: strict.Duration(&s.VisibilityTimeout, time.Second, 1),
		},
		{name: "QUEUE_SQS_MAX_MESSAGES", path: "queue.sqs.max_messages", toJSON: number, field: strict.Int(&s.MaxMessages, 1)},
		{
			name: "QUEUE_SQS_WAIT_TIME_SECONDS", path: "queue.sqs.wait_time_seconds", toJSON: number,
			field: strict.Duration(&s.WaitTime, time.Second, 1),
		},
		{name: "QUEUE_SQS_CONCURRENCY", path: "queue.sqs.concurrency", toJSON: number, field: strict.Int(&s.Concurrency, 1)},
		{name: "QUEUE_SQS_FIFO", path: "queue.sqs.fifo", toJSON: boolean, field: strict.Bool(&s.FIFO)},
		{
			name: "QUEUE_SQS_NO_MESSAGE_GROUPS", path: "queue.sqs.no_message_groups", toJSON: boolean,
			field: strict.Bool(&s.NoMessageGroups),
		},
		{
			name: "QUEUE_SQS_ENDPOINT_URL", path: "queue.sqs.endpoint_url", toJSON: text,
			field: strict.Hidden(strict.String(&s.EndpointURL)),
		},
	}
}

// serverVariables are those of "database.redis".
func (l *loader) serverVariables() []variable {
	const path, name = "database.redis.", "DATABASE_REDIS_"
	s := &l.Database.Redis
	list := []variable{
		{name: name + "HOST", path: path + "host", toJSON: text, field: strict.Hidden(strict.String(&s.Host))},
		{name: name + "PORT", path: path + "port", toJSON: number, field: port(&s.Port)},
		{name: name + "USERNAME", path: path + "username", toJSON: text, field: strict.String(&s.Username)},
		{name: name + "PASSWORD", path: path + "password", toJSON: text, field: strict.String(&s.Password)},
		{name: name + "DB", path: path + "db", toJSON: number, field: strict.Int(&s.DB, 0)},
		{name: name + "SENTINEL_USERNAME", path: path + "sentinel_username", toJSON: text, field: strict.String(&s.SentinelUsername)},
		{name: name + "SENTINEL_PASSWORD", path: path + "sentinel_password", toJSON: text, field: strict.String(&s.SentinelPassword)},
		{name: name + "CLUSTER_USERNAME", path: path + "cluster.username", toJSON: text, field: strict.String(&s.ClusterUsername)},
		{name: name + "CLUSTER_PASSWORD", path: path + "cluster.password", toJSON: text, field: strict.String(&s.ClusterPassword)},
		{name: name + "CLUSTER_USE_TLS", path: path + "cluster.use_tls", toJSON: boolean, field: strict.Bool(&s.ClusterTLS)},
	}
	list = append(list, tlsVariables(name+"MASTER_TLS_", path+"master_tls.", &s.TLS)...)
	return append(list, tlsVariables(name+"SENTINEL_TLS_", path+"sentinel_tls.", &l.sentinelTLS)...)
}

func tlsVariables(name, path string, t *TLS) []variable {
	return []variable{
		{name: name + "ENABLED", path: path + "enabled", toJSON: boolean, field: strict.Bool(&t.Enabled)},
		{name: name + "ACCEPT_INVALID_CERTS", path: path + "accept_invalid_certs", toJSON: boolean, field: strict.Bool(&t.SkipVerify)},
		{name: name + "CA_PATH", path: path + "ca_path", toJSON: text, field: strict.String(&t.CAFile)},
		{name: name + "CLIENT_CERT_PATH", path: path + "client_cert_path", toJSON: text, field: strict.String(&t.CertFile)},
		{name: name + "CLIENT_KEY_PATH", path: path + "client_key_path", toJSON: text, field: strict.String(&t.KeyFile)},
	}
}

// soketiVariables are Soketi's, but for those of its default app.
func (l *loader) soketiVariables() []variable {
	const queue, server = "SOKETI_QUEUE_", "SOKETI_DB_REDIS_"
	b, r, s, q := &l.Webhooks.Batching, &l.Queue.Redis, &l.Database.Redis, &l.Queue.SQS
	return []variable{
		{name: "SOKETI_WEBHOOKS_BATCHING", path: "webhooks.batching.enabled", toJSON: boolean, field: strict.Not(&b.Disabled)},
		{name: "SOKETI_WEBHOOKS_BATCHING_DURATION", path: "webhooks.batching.duration", toJSON: number, field: strict.Millis(&b.Duration)},
		{name: queue + "DRIVER", path: "queue.driver", toJSON: text, field: l.decodeDriver},
		{
			name: queue + "REDIS_CONCURRENCY", path: "queue.redis.concurrency", toJSON: number,
			field: both(strict.Int(&r.Concurrency, 1), strict.Int(&l.Queue.RedisCluster.Concurrency, 1)),
		},
		{name: queue + "REDIS_CLUSTER_MODE", path: "queue.redis.clusterMode", toJSON: boolean, field: strict.Bool(&l.clusterMode)},
		{name: queue + "REDIS_OPTIONS", path: "queue.redis.redisOptions", toJSON: text, field: noRedisOptions},
		{name: queue + "SQS_REGION", path: "queue.sqs.region", toJSON: text, field: strict.String(&q.Region)},
		{name: queue + "SQS_URL", path: "queue.sqs.queueUrl", toJSON: text, field: strict.Hidden(strict.String(&q.QueueURL))},
		{name: queue + "SQS_ENDPOINT", path: "queue.sqs.endpoint", toJSON: text, field: strict.Hidden(strict.String(&q.EndpointURL))},
		{name: queue + "SQS_BATCH_SIZE", path: "queue.sqs.batchSize", toJSON: number, field: strict.Int(&q.MaxMessages, 1)},
		{name: queue + "SQS_CLIENT_OPTIONS", path: "queue.sqs.clientOptions", toJSON: text, field: noClientOptions},
		{name: server + "HOST", path: "database.redis.host", toJSON: text, field: strict.Hidden(strict.String(&s.Host))},
		{name: server + "PORT", path: "database.redis.port", toJSON: number, field: port(&s.Port)},
		{name: server + "DB", path: "database.redis.db", toJSON: number, field: strict.Int(&s.DB, 0)},
		{name: server + "USERNAME", path: "database.redis.username", toJSON: text, field: strict.String(&s.Username)},
		{name: server + "PASSWORD", path: "database.redis.password", toJSON: text, field: strict.String(&s.Password)},
		{name: server + "KEY_PREFIX", path: "database.redis.keyPrefix", toJSON: text, field: l.decodeKeyPrefix},
		{name: server + "SENTINELS", path: "database.redis.sentinels", toJSON: text, field: endpoints(&s.Sentinels, 26379)},
		{name: server + "SENTINEL_PASSWORD", path: "database.redis.sentinelPassword", toJSON: text, field: strict.String(&s.SentinelPassword)},
		{name: server + "INSTANCE_NAME", path: "database.redis.name", toJSON: text, field: strict.String(&s.MasterName)},
		{name: server + "CLUSTER_NODES", path: "database.redis.clusterNodes", toJSON: text, field: endpoints(&s.ClusterNodes, 7000)},
	}
}

// soketiAppVariables change the file's first app, or make one.
func (l *loader) soketiAppVariables() []variable {
	const name = "SOKETI_DEFAULT_APP_"
	path := l.appsPath + "[0]."
	app := func(field func(*webhook.App) strict.Field) strict.Field {
		return func(v strict.Value) {
			if len(l.Apps) == 0 {
				l.Apps = []webhook.App{{}}
			}
			field(&l.Apps[0])(v)
		}
	}
	return []variable{
		{name: name + "ID", path: path + "id", toJSON: text, field: app(func(a *webhook.App) strict.Field { return strict.String(&a.ID) })},
		{name: name + "KEY", path: path + "key", toJSON: text, field: app(func(a *webhook.App) strict.Field { return strict.String(&a.Key) })},
		{
			name: name + "SECRET", path: path + "secret", toJSON: text,
			field: app(func(a *webhook.App) strict.Field { return strict.Hidden(strict.String(&a.Secret)) }),
		},
		{name: name + "ENABLED", path: path + "enabled", toJSON: boolean, field: app(func(a *webhook.App) strict.Field { return strict.Not(&a.Disabled) })},
		{name: name + "WEBHOOKS", path: path + "webhooks", toJSON: text, field: app(webhooksOf)},
	}
}

// webhooksOf reads the webhooks of an app, or a string that holds them.
func webhooksOf(a *webhook.App) strict.Field {
	return strict.Embedded(func(v strict.Value) {
		a.Webhooks = nil
		strict.Array(func(v strict.Value) {
			a.Webhooks = append(a.Webhooks, webhook.Webhook{})
			into(&a.Webhooks[len(a.Webhooks)-1])(v)
		})(v)
	})
}

// both reads a value twice; the second field has nothing to say that the first has not.
func both(a, b strict.Field) strict.Field {
	return func(v strict.Value) {
		a(v)
		strict.Read(v.Raw(), b)
	}
}

// text makes a JSON string.
func text(s string) []byte {
	quoted, _ := json.Marshal(s) // a string always can be
	return quoted
}

// number makes a JSON number of one, and a string, which will be refused, of anything else: of null
// too, which would count as absent.
func number(s string) []byte {
	if strings.IndexByte("-0123456789", s[0]) < 0 || !json.Valid([]byte(s)) {
		return text(s)
	}
	return []byte(s)
}

// boolean makes true or false of the usual words, and a string, which will be refused, of anything
// else.
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
