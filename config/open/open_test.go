package open

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/queue"
)

// parse makes a configuration with the section "queue".
func parse(t *testing.T, section map[string]any) *config.Config {
	t.Helper()
	data, err := json.Marshal(map[string]any{"queue": section})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// roundTrip opens the queue, sends a job through it, and closes the queue twice.
func roundTrip(t *testing.T, cfg *config.Config) queue.Queue {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	q, err := Queue(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for range 2 {
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	if err := q.Enqueue(ctx, []queue.Job{{ID: "j1", Lane: "app/webhook", Data: []byte(`{"a":1}`)}}); err != nil {
		t.Fatal(err)
	}
	leases, err := q.Receive(ctx, queue.Want{Max: 1, MaxPerLane: 1, MaxUntried: 1})
	if err != nil || len(leases) != 1 || leases[0].ID != "j1" {
		t.Fatalf("received %v, %v", leases, err)
	}
	if err := q.Ack(ctx, leases); err != nil {
		t.Fatal(err)
	}
	return q
}

func TestMemoryIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, cfg := range []*config.Config{{}, parse(t, nil), parse(t, map[string]any{"driver": "memory"})} {
		if q := roundTrip(t, cfg); q.Traits().Durable {
			t.Errorf("%q is durable", cfg.Queue.Driver)
		}
	}
}

func TestNoneIsOff(t *testing.T) {
	t.Parallel()
	q, err := Queue(t.Context(), parse(t, map[string]any{"driver": "none"}))
	if err != nil || !q.Traits().Disabled {
		t.Errorf("got %v, %v", q, err)
	}
}

func TestDiskKeepsItsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "queue.db")
	q := roundTrip(t, parse(t, map[string]any{"driver": "disk", "disk": map[string]any{"path": path}}))
	if _, err := os.Stat(path); err != nil || !q.Traits().Durable {
		t.Errorf("durable is %t, %v", q.Traits().Durable, err)
	}
}

func TestOptionsCarryTheQueueAndTheCloserClosesIt(t *testing.T) {
	t.Parallel()
	cfg := parse(t, nil)
	cfg.Apps = []webhook.App{{ID: "a", Key: "k", Secret: "s", Webhooks: []webhook.Webhook{{
		URL: "https://example.com", EventTypes: []webhook.EventType{webhook.TypeChannelOccupied},
	}}}}
	o, closer, err := Options(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Validate(); err != nil || o.Queue == nil || o.Lambda != nil || len(o.Apps) != 1 {
		t.Errorf("options are %+v, %v", o, err)
	}
	if err := closer.Close(); err != nil {
		t.Error(err)
	}
	if err := o.Queue.Enqueue(t.Context(), []queue.Job{{ID: "j", Lane: "l", Data: []byte("{}")}}); err == nil {
		t.Error("the queue is still open")
	}
}

func TestWhatCannotBeOpenedIsNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		queue config.Queue
		want  string
	}{
		{"an unknown driver", config.Queue{Driver: "kafka"}, `config/open: "kafka" is not a queue driver`},
		{
			"a directory that is not there",
			config.Queue{Driver: config.DriverDisk, Disk: config.Disk{Path: "/nonexistent/q.db"}},
			`config/open: queue driver "disk": `,
		},
		{
			"a URL with a password",
			config.Queue{Driver: config.DriverRedis, Redis: config.Redis{URL: "redis://:top#secret@h"}},
			`config/open: queue driver "redis": url: cannot be parsed; must be a URL such as`,
		},
		{
			"an unknown option in the URL",
			config.Queue{Driver: config.DriverRedis, Redis: config.Redis{URL: "redis://:secret@h?colour=red"}},
			`config/open: queue driver "redis": url: has a scheme, a path or an option behind the "?" that the Redis client does not know, or an option with a value`,
		},
		{
			"a server that is not there",
			config.Queue{Driver: config.DriverRedis, Redis: config.Redis{URL: "redis://:secret@127.0.0.1:1?max_retries=-1"}},
			`config/open: queue driver "redis": waited `,
		},
		{
			"nodes that disagree",
			config.Queue{
				Driver:       config.DriverRedisCluster,
				RedisCluster: config.RedisCluster{Nodes: []config.URL{"h:1", "redis://:secret@h:2", "rediss://:secret@h:3"}},
			},
			`config/open: queue driver "redis-cluster": nodes[2]: user, password and TLS must be those of the other nodes`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, closer, err := Options(ctx, &config.Config{Queue: tt.queue})
			if err == nil || closer != nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %s…", err, tt.want)
			}
		})
	}
}

func TestClusterNodesMayBeURLs(t *testing.T) {
	t.Parallel()
	o, err := clusterOptions(&config.Config{Queue: config.Queue{RedisCluster: config.RedisCluster{
		Nodes: []config.URL{"a:1", "rediss://user:pw@b:2", "rediss://user:pw@c:3"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(o.Addrs, " "); got != "a:1 b:2 c:3" || o.Username != "user" || o.Password != "pw" || o.TLSConfig == nil {
		t.Errorf("got %s, user %q, TLS %t", got, o.Username, o.TLSConfig != nil)
	}
	if o.TLSConfig.ServerName != "" {
		t.Errorf("every node would have to be %s", o.TLSConfig.ServerName)
	}
}
