package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/pushhooks/webhook"
)

// printed returns v in every form in which a host might print it, alone and held by something else.
func printed(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	forms := []any{v, []any{v}, map[string]any{"v": v}, struct{ V any }{v}}
	// a pointer to another type has no methods that could hide anything
	if reflect.TypeOf(v).Name() != "" {
		ptr := reflect.New(reflect.TypeOf(v))
		ptr.Elem().Set(reflect.ValueOf(v))
		p := ptr.Interface()
		forms = append(forms, p, []any{p}, map[string]any{"v": p}, struct{ V any }{p})
	}
	for _, v := range forms {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%5.2f"} {
			fmt.Fprintf(&b, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&b, nil)).WithGroup("g").Info("x", slog.Group("h", slog.Any("v", v)))
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(text)
	return b.String()
}

func TestAPrintedConfigShowsNoSecret(t *testing.T) {
	t.Parallel()
	c := &Config{
		Apps: []webhook.App{{ID: "a", Key: "k", Secret: "hidden", Webhooks: []webhook.Webhook{{
			URL: "https://hidden:hidden@example.com/hidden?hidden", Headers: webhook.Headers{"A": "hidden"},
		}}}},
		Queue: Queue{
			Redis:        Redis{URL: "redis://hidden:hidden@localhost:6379/0?client_name=hidden"},
			RedisCluster: RedisCluster{Nodes: []URL{"rediss://:hidden@n1:7000", "n2:7000", "redis://u:/hidden@n3"}},
			SQS:          SQS{EndpointURL: "http://hidden:hidden@localhost:9324/hidden", QueueURLPrefix: "https://sqs.example/hidden", QueueURL: "hidden"},
		},
		Database: Database{Redis: RedisServer{
			Host: "redis://:hidden@h", Sentinels: []URL{"u:hidden@s:1"}, ClusterNodes: []URL{"redis://:hidden@c:1"},
			Password: "hidden", SentinelPassword: "hidden", ClusterPassword: "hidden",
		}},
	}
	for _, v := range []any{*c, c.Queue, c.Queue.Redis, c.Queue.RedisCluster, c.Queue.SQS, c.Database.Redis, c.Options(), c.Queue.RedisCluster.Nodes, c.Queue.SQS.EndpointURL, c.Database, c.Apps, c.Options().Apps} {
		got := printed(t, v)
		if strings.Contains(got, "hidden") || strings.Contains(got, fmt.Sprintf("%x", "hidden")) {
			t.Errorf("%T shows a secret:\n%s", v, got)
		}
	}
	got := printed(t, *c)
	for _, want := range []string{"redis://REDACTED@localhost:6379/REDACTED", "rediss://REDACTED@n1:7000", "n2:7000", "https://sqs.example/REDACTED"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not shown:\n%s", want, got)
		}
	}
}

// Whatever is wrong with a URL, no part of it but scheme and port is in the message.
func TestMistakesInRedisURLsShowNoSecret(t *testing.T) {
	t.Parallel()
	const encode = `must be a URL such as redis://user:password@localhost:6379/0; a password's special characters must be percent-encoded: "/" as %2F, "#" as %23, "?" as %3F, "@" as %40`
	tests := []struct{ url, want string }{
		{"redis://user:/hunter2@host/0", encode},
		{"redis://user:#hunter2@host/0", encode},
		{"redis://user:a#hunter2@host/0", encode},
		{"redis://hunter#2@host:6379", encode},
		{"redis://user:1/hunter2@host/0", encode},
		{"redis://user:?hunter2@host/0", encode},
		{"redis://user:hunter2%@host", "cannot be parsed; " + encode},
		{"redis://user:hun ter2@host", "has U+0020 SPACE at position 17; percent-encode it or leave it out"},
		{"redis://user:hunter2@host\u200b", "has U+200B ZERO WIDTH SPACE at position 26; percent-encode it or leave it out"},
		{"hunter2", "must be a URL such as redis://user:password@localhost:6379/0"},
		{"hunter2:secret@host:6379", "must be a URL such as redis://user:password@localhost:6379/0"},
		{"hunter2:6379://host", "must be a URL such as redis://user:password@localhost:6379/0"},
		{"valkey://user:hunter2@host", `must begin with redis:// or rediss:// or unix://, not "valkey://"`},
		{"redis://user:hunter2@", "has no host; must be a URL such as redis://user:password@localhost:6379/0"},
		{"redis://user:hunter2@host:99999/0", "has the port 99999; must be from 1 to 65535"},
		{"redis://user:hunter2@host:0", "has the port 0; must be from 1 to 65535"},
		{"redis://host/hunter2", "has something other than a number behind the host; only a database may stand there, such as redis://localhost:6379/0"},
		{"redis://host?hunter2=1", `has an unknown option behind the "?"; known are ` + strings.Join(redisOptions, ", ")},
	}
	for _, tt := range tests {
		text, _ := json.Marshal(map[string]any{"queue": map[string]any{"driver": "redis", "redis": map[string]any{"url": tt.url}}})
		_, err := Parse(text, nil)
		if got := problemLines(t, err); got != "queue.redis.url: "+tt.want || strings.Contains(got, "hunter") || strings.Contains(got, "secret") {
			t.Errorf("%s: got\n%s\nwant\nqueue.redis.url: %s", tt.url, got, tt.want)
		}
	}
	for _, good := range []string{
		"redis://user:%2Fhunter2%23%3F@host/0", "redis://:p@ss@host:6379", "rediss://host", "unix:///run/redis.sock?db=1", "redis://[::1]:6379/15",
	} {
		if problem := redisURLProblem(good, "redis", "rediss", "unix"); problem != "" {
			t.Errorf("%s %s", good, problem)
		}
	}
}

func TestMistakesInTheRedisSectionsAreNamed(t *testing.T) {
	t.Parallel()
	const aHost = `must be a host name or an address, such as "localhost"; port, user, password and database have fields of their own`
	tests := []struct{ name, queue, database, want string }{
		{"both names of the URL", `"driver": "redis", "redis": {"url": "redis://a", "url_override": "redis://hidden"}`, `{}`, `queue.redis.url_override: is another name of url; leave one of them out`},
		{"the other name", `"driver": "redis", "redis": {"url_override": "hidden"}`, `{}`, `queue.redis.url_override: must be a URL such as redis://user:password@localhost:6379/0`},
		{
			"a database on a node", `"driver": "redis-cluster", "redis_cluster": {"nodes": ["redis://a:1/3", "redis://b:1/0", "redis://c?db=2", "d:99999", "u:hidden@e:1"]}`, `{}`,
			`queue.redis_cluster.nodes[0]: names a database; a cluster has only database 0, so leave it out
queue.redis_cluster.nodes[2]: names a database; a cluster has only database 0, so leave it out
queue.redis_cluster.nodes[3]: is "d:99999"; a port is a number from 1 to 65535
queue.redis_cluster.nodes[4]: must be host:port or a redis:// URL, such as localhost:7000`,
		},
		{
			"nodes of the server", `"driver": "redis-cluster"`, `{"cluster": {"nodes": [{"host": "a", "port": 0}, {"host": ""}]}}`,
			`database.redis.cluster.nodes[0].port: must be a whole number from 1 to 65535, not 0
database.redis.cluster.nodes[1]: must be host:port or a redis:// URL, such as localhost:7000`,
		},
		{"a port", `"driver": "redis"`, `{"host": "h", "port": 99999}`, `database.redis.port: must be a whole number from 1 to 65535, not 99999`},
		{"a user and a password as a node", `"driver": "redis-cluster", "redis_cluster": {"nodes": ["user:hidden"]}`, `{}`, `queue.redis_cluster.nodes[0]: must be host:port or a redis:// URL, such as localhost:7000; a port is a number from 1 to 65535`},
		{"a user and a password as host", `"driver": "redis"`, `{"host": "user:hidden"}`, `database.redis.host: ` + aHost},
		{"a port behind the host", `"driver": "redis"`, `{"host": "localhost:6380"}`, `database.redis.host: ` + aHost},
		{"brackets", `"driver": "redis"`, `{"host": "[::1]"}`, `database.redis.host: ` + aHost},
		{"a scheme alone", `"driver": "redis"`, `{"host": "rediss://"}`, `database.redis.host: ` + aHost},
		{"an IPv6 address", `"driver": "redis"`, `{"host": "::1"}`, ""},
		{"a URL as port", `"driver": "redis"`, `{"port": "redis:\/\/u:hidden@h:1"}`, `database.redis.port: must be a whole number from 1 to 65535, not "redis://REDACTED@h:1"`},
		{"user, password and host as port", `"driver": "redis"`, `{"port": "u:hidden@h:1"}`, `database.redis.port: must be a whole number from 1 to 65535, not "REDACTED"`},
		{"a URL as name", `"redis": {"redis://u:hidden@h": 1}`, `{}`, `queue.redis."redis://REDACTED@h": unknown field; known are at_most_once, clusterMode, cluster_mode, concurrency, prefix, redisOptions, response_timeout_ms, tls_ca_file, url, url_override`},
		{"a URL as driver", `"driver": "redis://u:hidden@h:1/2"`, `{}`, `queue.driver: is "redis://REDACTED@h:1/REDACTED", which is not a driver; known are memory, disk, redis, redis-cluster, sqs, none`},
		{"a URL as prefix", `"driver": "redis", "redis": {"url": "redis://h", "prefix": "redis://u:{hidden}@h"}`, `{}`, `queue.redis.prefix: is "REDACTED"; braces are not allowed`},
		{"a URL as file", `"driver": "disk", "disk": {"path": "https://u:hidden@h/q"}`, `{}`, `queue.disk.path: is "https://REDACTED@h/REDACTED"; must be a file's path`},
		{
			"URLs as certificates", `"driver": "redis"`, `{"host": "rediss://h", "master_tls": {"ca_path": "s3://hidden@h/1", "client_cert_path": "s3://hidden@h/1", "client_key_path": "c"}}`,
			`database.redis.master_tls.ca_path: is "s3://REDACTED@h/REDACTED"; must be a file's path
database.redis.master_tls.client_cert_path: is "s3://REDACTED@h/REDACTED"; must be a file's path`,
		},
		{
			"a user of a queue", `"driver": "sqs", "sqs": {"queueUrl": "http://u:hidden@h/1/q", "endpoint_url": "http://h?hidden"}`, `{}`,
			`queue.sqs.queueUrl: has a user, a "?" or a "#", of which SQS takes none; must be a URL such as https://sqs.eu-west-1.amazonaws.com/123456789012/webhooks.fifo
queue.sqs.endpoint_url: has a user, a "?" or a "#", of which SQS takes none; must be a URL such as http://localhost:9324`,
		},
		{"a URL as region", `"driver": "sqs", "sqs": {"region": "https://u:hidden@h", "queue_name": "https://h/hidden"}`, `{}`, `queue.sqs.region: is "https://REDACTED@h"; must be a region such as "us-east-1"
queue.sqs.queue_name: is "https://h/REDACTED"; must be a queue's name; a URL belongs to queueUrl`},
		{"certificates in capitals", `"driver": "redis", "redis": {"url": "REDISS://h", "tls_ca_file": "f"}`, `{}`, ""},
		{"a URL as host", `"driver": "redis"`, `{"host": "redis://:hidden@h:1/2"}`, `database.redis.host: must be a host name or an address, such as "localhost"; port, user, password and database have fields of their own`},
		{"a password that is no text", `"driver": "redis"`, `{"host": "h", "password": 12345}`, `database.redis.password: must be a string, not a number`},
		{"half a certificate", `"driver": "redis"`, `{"host": "h", "master_tls": {"enabled": true, "client_key_path": "k"}}`, `database.redis.master_tls.client_cert_path: and client_key_path belong together; one of them is missing`},
		{"half a certificate for a URL", `"driver": "redis", "redis": {"url": "rediss://h"}`, `{"master_tls": {"client_key_path": "k"}}`, `database.redis.master_tls.client_cert_path: and client_key_path belong together; one of them is missing`},
		{"TLS to sentinels alone", `"driver": "redis"`, `{"sentinels": [{"host": "s"}], "sentinel_tls": {"enabled": true}}`, `database.redis.sentinel_tls: differs from master_tls; the Redis client uses one setting for both`},
		{"a sentinel", `"driver": "redis"`, `{"sentinels": ["s"]}`, `database.redis.sentinels[0]: must be host:port, or an object of host and port`},
		{"certificates without encryption", `"driver": "redis", "redis": {"url": "redis://h", "tls_ca_file": "f"}`, `{}`, `queue.redis.tls_ca_file: is set, but the connection is not encrypted; let the URL begin with rediss://, or leave it out`},
		{"braces", `"driver": "redis", "redis": {"url": "redis://h", "prefix": "{a}"}`, `{}`, `queue.redis.prefix: is "{a}"; braces are not allowed`},
		{"Soketi's options", `"driver": "redis", "redis": {"redisOptions": {"host": "hidden"}}`, `{}`, `queue.redis.redisOptions.host: is not read here; host, port, username, password, db, sentinels and name belong to database.redis`},
		{"the SDK's options", `"driver": "sqs", "sqs": {"clientOptions": {"accessKeyId": "hidden"}}`, `{}`, `queue.sqs.clientOptions.accessKeyId: is not read; the AWS SDK's own variables and files say it, such as AWS_ACCESS_KEY_ID and AWS_PROFILE`},
		{"reliability", `"reliability": {"max_attempts": 0, "memory_capacity": "many", "retry_jiter": 1, "retry_base_delay_ms": 5, "retry_max_delay_ms": 1}`, `{}`, `queue.reliability.max_attempts: must be a whole number of at least 1, not 0
queue.reliability.memory_capacity: must be a whole number of at least 1, not "many"
queue.reliability.retry_jiter: unknown field; did you mean "retry_jitter"?
queue.reliability.retry_base_delay_ms: is 5ms, which is longer than max_backoff_ms, 1ms`},
		{"a call's jobs", `"reliability": {"max_batch_size": 1000000}`, `{}`, `queue.reliability.max_batch_size: is 1000000; must be from 1 to 100000`},
		{"a queue's name", `"driver": "sqs", "sqs": {"queue_name": "a.fifo"}`, `{}`, `queue.sqs.queue_name: is "a.fifo", but fifo is false; set "fifo": true, or leave ".fifo" out`},
		{
			"invisible characters", `"driver": "redis-cluster", "redis_cluster": {"nodes": ["h\u00a0:7000"]}, "sqs": {"endpoint_url": "http://h\u200b"}`, `{"host": "h"}`,
			`queue.redis_cluster.nodes[0]: has U+00A0 NO-BREAK SPACE at position 2; percent-encode it or leave it out`,
		},
		{
			"an invisible character in an endpoint", `"driver": "sqs", "sqs": {"endpoint_url": "http://h/hidden\u200b"}`, `{}`,
			`queue.sqs.endpoint_url: has U+200B ZERO WIDTH SPACE at position 16; percent-encode it or leave it out`,
		},
		{"an invisible character in a host", `"driver": "redis"`, `{"host": "hidden\ufeff"}`, `database.redis.host: has U+FEFF ZERO WIDTH NO-BREAK SPACE at position 7; percent-encode it or leave it out`},
		{"parts that nothing uses", `"redis": {"url": "nonsense", "prefix": "{"}`, `{"host": "/", "sentinel_tls": {"enabled": true}}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(`{"queue": {`+tt.queue+`}, "database": {"redis": `+tt.database+`}}`), nil)
			if got := problemLines(t, err); got != tt.want || strings.Contains(got, "hidden") {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestMistakesInSoketisFormAreNamed(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte(`{
		"appManager.array.apps": [{"id": "a", "key": "k", "webhooks": "[{\"ulr\": 1}]"}],
		"queue.drivr": "redis", "queue": {"driver": "redis"}, "queue.driver": "sync", "webhooks.batching.enabled": 1
	}`), []string{"SOKETI_QUEUE_REDIS_CONCURRENCY=many", "SOKETI_DEFAULT_APP_WEBHOOKS=[{]"})
	want := `appManager.array.apps[0].webhooks[0].ulr: unknown field; known are event_types, filter, headers, id, lambda, lambda_function, ordered, rate_limit, region, request_timeout_ms, retry, url, user_info_as_string
queue.drivr: unknown field; did you mean "driver"?
queue.driver: is there twice
webhooks.batching.enabled: must be true or false, not 1
SOKETI_DEFAULT_APP_WEBHOOKS: is a string, which must hold JSON: line 1, column 3: invalid character ']' looking for beginning of object key string
SOKETI_QUEUE_REDIS_CONCURRENCY: must be a whole number of at least 1, not "many"
appManager.array.apps[0].secret: is required: it signs what is sent`
	if got := problemLines(t, err); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
