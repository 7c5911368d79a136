package config

import (
	"encoding/json"
	"errors"
	"fmt"
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

// loader reads into a Config, and holds what is needed for that alone.
type loader struct {
	*Config
	appsPath    string // where the apps are in the file
	keyPrefix   string // Soketi's database.redis.keyPrefix, which its queue uses
	clusterMode bool   // Soketi's queue.redis.clusterMode
	sentinelTLS TLS
	urlOverride bool // queue.redis.url_override was read
}

// parse reads a file's content and the environment.
func parse(data []byte, k kind, environ []string) (*Config, error) {
	l := &loader{Config: &Config{Queue: Queue{Driver: DriverMemory}}, appsPath: "app_manager.array.apps"}
	env := newEnvironment(environ)
	text, problems := toJSON(data, k, env)
	if len(problems) > 0 {
		return nil, configError(problems)
	}
	problems = strict.Read(text, l.decode)
	set := l.readEnvironment(env)
	for _, v := range set {
		problems = append(problems, v.problems...)
	}
	l.complete()
	if problems = append(problems, l.check(problems, set)...); len(problems) > 0 {
		return nil, configError(problems)
	}
	l.warn(env)
	return l.Config, nil
}

func configError(problems []strict.Problem) error {
	list := &webhook.ConfigError{Problems: make([]webhook.Problem, len(problems))}
	for i, p := range problems {
		list.Problems[i] = webhook.Problem(p)
	}
	return list
}

// complete fills in what follows from other fields.
func (l *loader) complete() {
	if l.clusterMode && l.Queue.Driver == DriverRedis {
		l.Queue.Driver = DriverRedisCluster
	}
	if l.Queue.Redis.Prefix == "" {
		l.Queue.Redis.Prefix = l.keyPrefix
	}
	if l.Queue.RedisCluster.Prefix == "" {
		l.Queue.RedisCluster.Prefix = l.keyPrefix
	}
	if s := &l.Queue.SQS; strings.HasSuffix(string(s.QueueURL), ".fifo") {
		s.FIFO = true
	}
	if l.Queue.Driver == DriverRedis && l.Queue.Redis.URL == "" && !l.Database.Redis.named() {
		l.Database.Redis.Host = "127.0.0.1"
		l.warnf("queue.redis.url", "no server is named, so 127.0.0.1:6379 is used, as by the reference; name it there or in "+
			"database.redis, or set REDIS_URL or DATABASE_REDIS_HOST")
	}
	l.Database.Redis.setDefaults()
}

// warnf notes what is doubtful but harmless.
func (l *loader) warnf(path, format string, args ...any) {
	l.Warnings = append(l.Warnings, path+": "+fmt.Sprintf(format, args...))
}

// ignore accepts any value.
func ignore(strict.Value) {}

func (l *loader) decode(v strict.Value) {
	apps := strict.Object{"array": strict.Object{"apps": l.decodeApps}.Read}
	strict.Object{
		"app_manager": apps.ReadOpen,
		"appManager":  apps.ReadOpen, // Soketi's
		"apps":        l.misplacedApps,
		"webhooks":    l.decodeWebhooks,
		"queue":       l.decodeQueue,
		"database":    l.decodeDatabase,
	}.ReadOpen(v)
}

// misplacedApps refuses apps where the reference passes them over, if they have webhooks.
func (l *loader) misplacedApps(v strict.Value) {
	var apps []webhook.App
	if json.Unmarshal(v.Raw(), &apps) == nil && !slices.ContainsFunc(apps, func(a webhook.App) bool { return len(a.Webhooks) > 0 }) {
		l.warnf(v.Path(), "is passed over, as by the reference; apps belong to app_manager.array.apps")
		return
	}
	v.Fail("is not read here; it belongs to app_manager.array.apps")
}

// passedOver is for a field that the reference's documentation names and the reference passes over
// too.
func (l *loader) passedOver(instead string) strict.Field {
	return func(v strict.Value) {
		l.warnf(v.Path(), "is passed over, as by the reference; it is %s that is read", instead)
	}
}

func (l *loader) decodeApps(v strict.Value) {
	l.appsPath = v.Path()
	strict.Array(func(v strict.Value) {
		l.Apps = append(l.Apps, webhook.App{})
		into(&l.Apps[len(l.Apps)-1])(v)
	})(v)
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

func (l *loader) decodeWebhooks(v strict.Value) {
	w := &l.Webhooks
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
		"custom_event_types": strict.List(&w.EventTypes),

		// Names that the reference's page on webhooks has and its server does not.
		"enabled":           l.passedOver(`"queue.driver": "none", which turns webhooks off,`),
		"batching_enabled":  l.passedOver("webhooks.batching.enabled"),
		"max_batch_size":    l.passedOver("webhooks.batching.size"),
		"flush_interval_ms": l.passedOver("webhooks.batching.duration"),
		"timeout_ms":        l.passedOver("webhooks.request_timeout_ms"),
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
