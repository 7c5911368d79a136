package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
)

// parsed parses a file without a mistake.
func parsed(t *testing.T, text string, environ ...string) *Config {
	t.Helper()
	c, err := Parse([]byte(text), environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// oneApp is a file's app, so that there is no warning about there being none.
const oneApp = `"app_manager": {"array": {"apps": [{"id": "a", "key": "k", "secret": "s"}]}}`

func TestAFileOfSockudo5IsRead(t *testing.T) {
	t.Parallel()
	c := load(t, "sockudo5.toml", "SHOP_SECRET=secret of the shop")
	want := webhook.App{ID: "shop", Key: "shop-key", Secret: "secret of the shop", Webhooks: []webhook.Webhook{{
		ID: "orders", URL: "https://shop.example/hooks",
		EventTypes: []webhook.EventType{"channel_occupied", webhook.TypeAIRunStarted, webhook.TypeMessageVersionCreated, "order_paid"},
		Filter:     webhook.Filter{ChannelPrefix: "orders-"}, Headers: webhook.Headers{"Authorization": "Bearer unset"},
	}, {
		EventTypes: []webhook.EventType{webhook.TypeMemberAdded},
		Lambda: &webhook.Lambda{
			FunctionName: "members", Region: "eu-west-1", InvocationType: "RequestResponse", Envelope: true,
		},
	}}}
	if len(c.Apps) != 1 || !reflect.DeepEqual(c.Apps[0], want) || string(c.Apps[0].Secret) != "secret of the shop" {
		t.Errorf("apps are %+v", c.Apps)
	}
	queue := Queue{
		Driver: DriverRedis,
		Reliability: Reliability{
			MaxAttempts: 7, RetryBaseDelay: 500 * time.Millisecond, RetryMaxDelay: 30 * time.Second,
			MemoryCapacity: 5000, MaxBatchSize: 64,
		},
		Redis: Redis{Prefix: "shop_queue:", Concurrency: 4},
	}
	if !reflect.DeepEqual(c.Queue, queue) {
		t.Errorf("queue is %+v", c.Queue)
	}
	server := RedisServer{Host: "redis.internal", Port: 6379, Password: "none", DB: 2}
	if !reflect.DeepEqual(c.Database.Redis, server) || len(c.Warnings) > 0 {
		t.Errorf("server is %+v, warnings %q", c.Database.Redis, c.Warnings)
	}
	o := c.Options()
	retry := webhook.Retry{MaxAttempts: 7, InitialBackoff: 500 * time.Millisecond, MaxBackoff: 20 * time.Second}
	if o.Retry != retry || o.EnqueueJobs != 64 || !reflect.DeepEqual(o.EventTypes, []webhook.EventType{"order_paid"}) {
		t.Errorf("retry is %+v, %d jobs in a call, types %q", o.Retry, o.EnqueueJobs, o.EventTypes)
	}
}

func TestAFileOfSoketiIsRead(t *testing.T) {
	t.Parallel()
	c := load(t, "soketi.json")
	want := []webhook.App{{ID: "news", Key: "news-key", Secret: "news-secret", Webhooks: []webhook.Webhook{{
		URL: "https://news.example/hooks", EventTypes: []webhook.EventType{"channel_vacated"},
		Filter: webhook.Filter{ChannelPrefix: "news-"},
	}}}}
	if !reflect.DeepEqual(c.Apps, want) || len(c.Warnings) > 0 {
		t.Errorf("apps are %+v, warnings %q", c.Apps, c.Warnings)
	}
	if r := c.Queue.Redis; c.Queue.Driver != DriverRedis || r.Prefix != "news:" || r.Concurrency != 3 {
		t.Errorf("queue is %+v", c.Queue)
	}
	server := RedisServer{Host: "redis.internal", Port: 6380, DB: 1, Password: "hidden", MasterName: "mymaster"}
	if !reflect.DeepEqual(c.Database.Redis, server) || c.Webhooks.Batching.Duration != 100*time.Millisecond {
		t.Errorf("server is %+v, batching %+v", c.Database.Redis, c.Webhooks.Batching)
	}
}

func TestAppsOfSoketiWithDottedIndexesAreRead(t *testing.T) {
	t.Parallel()
	c := parsed(t, `{"appManager.array.apps.0.id": "a", "appManager.array.apps.0.key": "k", "appManager.array.apps.0.secret": "s",
		"appManager.array.apps.0.webhooks": [{"url": "https://a.example", "event_types": ["member_added"]}],
		"appManager.array.apps.1": {"id": "b", "key": "l", "secret": "t"}}`)
	want := []webhook.App{{ID: "a", Key: "k", Secret: "s", Webhooks: []webhook.Webhook{{
		URL: "https://a.example", EventTypes: []webhook.EventType{"member_added"},
	}}}, {ID: "b", Key: "l", Secret: "t"}}
	if !reflect.DeepEqual(c.Apps, want) || len(c.Warnings) > 0 {
		t.Errorf("apps are %+v, warnings %q", c.Apps, c.Warnings)
	}
}

func TestVariablesOfSoketiAreRead(t *testing.T) {
	t.Parallel()
	c := parsed(t, `{"queue.driver": "sync"}`,
		"SOKETI_DEFAULT_APP_ID=a", "SOKETI_DEFAULT_APP_KEY=k", "SOKETI_DEFAULT_APP_SECRET=s", "SOKETI_DEFAULT_APP_ENABLED=true",
		`SOKETI_DEFAULT_APP_WEBHOOKS=[{"url": "https://a.example", "event_types": ["member_added"]}]`,
		"SOKETI_WEBHOOKS_BATCHING=1", "SOKETI_WEBHOOKS_BATCHING_DURATION=75",
		"SOKETI_QUEUE_DRIVER=redis", "SOKETI_QUEUE_REDIS_CONCURRENCY=2", "SOKETI_QUEUE_REDIS_CLUSTER_MODE=true",
		`SOKETI_DB_REDIS_CLUSTER_NODES=[{"host": "n1", "port": 7001}, {"host": "n2"}]`, "SOKETI_DB_REDIS_PASSWORD=p",
		"SOKETI_DB_REDIS_KEY_PREFIX=x:", "SOKETI_PORT=6001", "SOKETI_DB_MYSQL_HOST=h",
	)
	want := []webhook.App{{ID: "a", Key: "k", Secret: "s", Webhooks: []webhook.Webhook{{
		URL: "https://a.example", EventTypes: []webhook.EventType{"member_added"},
	}}}}
	if !reflect.DeepEqual(c.Apps, want) || len(c.Warnings) > 0 {
		t.Errorf("apps are %+v, warnings %q", c.Apps, c.Warnings)
	}
	s := c.Database.Redis
	if c.Queue.Driver != DriverRedisCluster || c.Queue.RedisCluster.Prefix != "x:" || c.Queue.RedisCluster.Concurrency != 2 ||
		fmt.Sprint(s.ClusterNodes) != "[n1:7001 n2:7000]" || s.Password != "p" {
		t.Errorf("queue is %+v, server %+v", c.Queue, s)
	}
	if b := c.Webhooks.Batching; b.Disabled || b.Duration != 75*time.Millisecond {
		t.Errorf("batching is %+v", b)
	}
	if c := parsed(t, `{"queue.driver": "sync"}`); c.Queue.Driver != DriverMemory {
		t.Errorf("sync is %q", c.Queue.Driver)
	}
	c = parsed(t, `{"queue": {"driver": "sqs", "sqs": {"queueUrl": "https://sqs.eu-west-1.amazonaws.com/1/q.fifo", "batchSize": 5}}}`)
	if s := c.Queue.SQS; !s.FIFO || s.QueueURL != "https://sqs.eu-west-1.amazonaws.com/1/q.fifo" || s.MaxMessages != 5 {
		t.Errorf("sqs is %#v", s)
	}
}

func TestVariablesOfTheReferenceAreRead(t *testing.T) {
	t.Parallel()
	c := parsed(t, `{`+oneApp+`, "queue": {"driver": "redis-cluster"}}`,
		"DATABASE_REDIS_HOST=h", "DATABASE_REDIS_PORT=6380", "DATABASE_REDIS_USERNAME=u", "DATABASE_REDIS_PASSWORD=p/#", "DATABASE_REDIS_DB=3",
		"DATABASE_REDIS_MASTER_TLS_ENABLED=true", "DATABASE_REDIS_MASTER_TLS_CA_PATH=/ca.pem",
		"REDIS_CLUSTER_NODES=a:1", "DATABASE_REDIS_CLUSTER_NODES=b:2,redis://c:3",
		"QUEUE_REDIS_PREFIX=one:", "REDIS_CLUSTER_QUEUE_PREFIX=two:", "QUEUE_REDIS_CONCURRENCY=2", "REDIS_CLUSTER_QUEUE_CONCURRENCY=3",
		"DATABASE_REDIS_CLUSTER_USERNAME=cu", "DATABASE_REDIS_CLUSTER_PASSWORD=cp", "DATABASE_REDIS_CLUSTER_USE_TLS=yes",
		"QUEUE_MAX_ATTEMPTS=9", "QUEUE_RETRY_BASE_DELAY_MS=100", "QUEUE_RETRY_MAX_DELAY_MS=200", "QUEUE_MEMORY_CAPACITY=10", "QUEUE_MAX_BATCH_SIZE=20",
		"QUEUE_SQS_QUEUE_NAME=n",
	)
	server := RedisServer{
		Host: "h", Port: 6380, Username: "u", Password: "p/#", DB: 3, TLS: TLS{Enabled: true, CAFile: "/ca.pem"},
		ClusterUsername: "cu", ClusterPassword: "cp", ClusterTLS: true,
	}
	queue := Queue{
		Driver:       DriverRedisCluster,
		Reliability:  Reliability{9, 100 * time.Millisecond, 200 * time.Millisecond, 10, 20},
		Redis:        Redis{Prefix: "one:", Concurrency: 2},
		RedisCluster: RedisCluster{Nodes: []URL{"b:2", "redis://c:3"}, Prefix: "two:", Concurrency: 3},
		SQS:          SQS{QueueName: "n"},
	}
	if !reflect.DeepEqual(c.Database.Redis, server) || !reflect.DeepEqual(c.Queue, queue) || len(c.Warnings) > 0 {
		t.Errorf("server is %+v, queue %+v, warnings %q", c.Database.Redis, c.Queue, c.Warnings)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file string
		env        []string
		want       string
	}{
		{"nothing doubtful", `{` + oneApp + `}`, []string{"HOME=/", "QUEUE_WORKER_PREFETCH=5", "REDIS_PORT=tcp://10.0.0.1:6379", "REDIS_CLUSTER=redis", "QUEUE_CONNECTION=redis", "PATH"}, ""},
		{"no app", `{}`, nil, "app_manager.array.apps: " + noAppWarning},
		{"no app, in Soketi's form", `{"appManager.array.apps": []}`, nil, "appManager.array.apps: " + noAppWarning},
		{
			"misspelled variables", `{` + oneApp + `}`,
			[]string{"WEBHOOKS_BATCHING=1", "QUEUE_DRIVR=redis", "WEBHOOK_BATCH_SIZE=5", "REDIS_URI=redis://h", "DB_REDIS_HOST=h", "QUEUE_REDIS_URL=redis://:hidden@h", "SOKETI_QUEUE_DRIVE=x", "DATABASE_REDIS_PASS=hidden"},
			`DATABASE_REDIS_PASS: is not a variable that is read; did you mean DATABASE_REDIS_PASSWORD?
QUEUE_DRIVR: is not a variable that is read; did you mean QUEUE_DRIVER?
QUEUE_REDIS_URL: is not a variable that is read; did you mean REDIS_URL?
REDIS_URI: is not a variable that is read; did you mean REDIS_URL?
SOKETI_QUEUE_DRIVE: is not a variable that is read; did you mean SOKETI_QUEUE_DRIVER?
WEBHOOKS_BATCHING: is not a variable that is read; did you mean WEBHOOK_BATCHING_ENABLED?
WEBHOOK_BATCH_SIZE: is not a variable that is read; did you mean WEBHOOK_BATCHING_SIZE?`,
		},
		{
			"names of the reference's documentation", `{` + oneApp + `, "webhooks": {"timeout_ms": 5000, "batching_enabled": true}}`, nil,
			`webhooks.timeout_ms: is passed over, as by the reference; it is webhooks.request_timeout_ms that is read
webhooks.batching_enabled: is passed over, as by the reference; it is webhooks.batching.enabled that is read`,
		},
		{
			"Redis somewhere", `{` + oneApp + `, "queue": {"driver": "redis"}}`, nil,
			"queue.redis.url: no server is named, so 127.0.0.1:6379 is used, as by the reference; name it there or in database.redis, " +
				"or set REDIS_URL or DATABASE_REDIS_HOST",
		},
		{
			"any certificate", `{` + oneApp + `, "queue": {"driver": "redis"}, "database": {"redis": {"host": "h", "master_tls": {"enabled": true, "accept_invalid_certs": true}}}}`, nil,
			"database.redis.master_tls.accept_invalid_certs: is true, so any server is trusted",
		},
		{
			"apps without webhooks in the wrong place", `{` + oneApp + `, "apps": [{"id": "b"}]}`, nil,
			"apps: is passed over, as by the reference; apps belong to app_manager.array.apps",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(parsed(t, tt.file, tt.env...).Warnings, "\n"); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestTheKindOfAFile(t *testing.T) {
	t.Parallel()
	const jsonText, tomlText = `{"webhooks": {"concurrency": 7}}`, "[webhooks]\nconcurrency = 7\n"
	tests := []struct{ name, text, want string }{
		{"a.json", jsonText, ""},
		{"a.toml", tomlText, ""},
		{"A.TOML", tomlText, ""},
		{"a.conf", jsonText, ""},
		{"a.conf", tomlText, ""},
		{"a.conf", "# a comment\n" + tomlText, ""},
		{"a", "\ufeff" + tomlText, ""},
		{"a.json", "\ufeff" + jsonText, ""},
		{"a.json", tomlText, "is TOML, but is read as JSON; let its name end in .toml"},
		{"a.toml", jsonText, "is JSON, but is read as TOML; let its name end in .json"},
		{"a.toml", "[webhooks]\nconcurrency = = 7\n", "line 2, column 15: "},
		{"a.toml", "[webhooks]\nconcurrency = inf\n", "webhooks.concurrency: is +Inf; must be a finite number"},
		{"a.json", "\xff\xfe{\x00}\x00", "is encoded as UTF-16; save it as UTF-8"},
		{"a.json", "{\"a\": \"\xe9\"}", "line 1, column 8: the byte 0xe9 is not UTF-8; save the file as UTF-8"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), tt.name)
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, nil)
		if got := problemLines(t, err); tt.want == "" && got != "" || !strings.HasPrefix(strings.TrimPrefix(got, ": "), tt.want) {
			t.Errorf("%s, %q: got %q, want %q", tt.name, tt.text, got, tt.want)
		}
		if err == nil && c.Webhooks.Concurrency != 7 {
			t.Errorf("%s, %q: got %+v", tt.name, tt.text, c.Webhooks)
		}
	}
}

func TestAMissingVariableIsNamedWithItsPath(t *testing.T) {
	t.Parallel()
	const said = ": the variable of ${SECRET} is not set; set it, or write ${SECRET:-default}"
	for text, want := range map[string]string{
		`{"app_manager": {"array": {"apps": [{"id": "a"}, {"secret": "${SECRET}"}]}}}`:                  "app_manager.array.apps[1].secret" + said,
		"[[app_manager.array.apps]]\nid = 'a'\nsecret = 'x${SECRET}'":                                   "app_manager.array.apps[0].secret" + said,
		`{"webhooks": {"concurrency": ${SECRET}, "batching": {"size": ${SIZE:-3}, "x": "${SIZE:-3}"}}}`: "webhooks.concurrency" + said,
		`{"a": ["${SECRET}", ${SECRET}], "b": "c: ${SECRET}, d"}`:                                       "a[0]" + said + "\na[1]" + said + "\nb" + said,
		`{"a": "${SECRET}" "b"}`: strings.TrimPrefix(said, ": "), // no JSON
	} {
		_, err := Parse([]byte(text), nil)
		if got := problemLines(t, err); got != want {
			t.Errorf("%s: got %s", text, got)
		}
	}
}

func TestAYAMLFileIsRefusedByName(t *testing.T) {
	t.Parallel()
	const yaml = "webhooks:\n  concurrency: 7\n"
	for name, want := range map[string]string{
		"config.yaml": "is YAML by its name, which is not read; JSON or TOML is expected",
		"config.YML":  "is YAML by its name, which is not read; JSON or TOML is expected",
		"config":      "line 1, column 1: invalid character 'w' looking for beginning of value; JSON or TOML is expected",
		"config.json": "line 1, column 1: invalid character 'w' looking for beginning of value; JSON or TOML is expected",
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path, nil)
		if got := problemLines(t, err); got != want {
			t.Errorf("%s: got %s", name, got)
		}
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(`{"webhooks": {"concurrency": 7}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(path, nil); err != nil || c.Webhooks.Concurrency != 7 {
		t.Errorf("JSON in a file of that name: %+v, %v", c, err)
	}
}

func TestAFieldThatIsKnownByAnotherNameIsSuggested(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"webhooks": {"workers": 50}}`:     `webhooks.workers: unknown field; did you mean "concurrency"?`,
		`{"webhooks": {"max_workers": 50}}`: `webhooks.max_workers: unknown field; did you mean "concurrency"?`,
		`{"webhooks": {"timeout": 50}}`:     `webhooks.timeout: unknown field; did you mean "request_timeout_ms"?`,
	} {
		_, err := Parse([]byte(text), nil)
		if got := problemLines(t, err); got != want {
			t.Errorf("%s: got %s", text, got)
		}
	}
}

func TestVariablesInAFile(t *testing.T) {
	t.Parallel()
	const jsonText = `{"queue": {"redis": {"prefix": "${P}", "concurrency": ${N:-3}}}}`
	const tomlText = "# ${NOT_READ}\n[queue.redis]\nprefix = '${P}'\nconcurrency = 3"
	for _, text := range []string{jsonText, tomlText} {
		c := parsed(t, text, `P=a"\${P}`, "N=")
		if r := c.Queue.Redis; r.Prefix != `a"\${P}` || r.Concurrency != 3 {
			t.Errorf("%s: got %+v", text, r)
		}
		_, err := Parse([]byte(strings.ReplaceAll(text, "${P}", "${P} ${P} ${Q}")), []string{"P="})
		want := "queue.redis.prefix: the variable of ${P} is not set; set it, or write ${P:-default}\n" +
			"queue.redis.prefix: the variable of ${Q} is not set; set it, or write ${Q:-default}"
		if got := problemLines(t, err); got != want {
			t.Errorf("%s: got %s", text, got)
		}
	}
	if c := parsed(t, `{"queue": {"redis": {"prefix": "$P ${1} ${P-x} ${}"}}}`); c.Queue.Redis.Prefix != "$P ${1} ${P-x} ${}" {
		t.Errorf("got %q", c.Queue.Redis.Prefix)
	}
}
