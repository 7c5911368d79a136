package open

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/internal/testredis"
)

// lineBuffer is a log that tests may read while it is written.
type lineBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lineBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lineBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func TestOpeningWaitsForRedis(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	server.Kill()
	log := &lineBuffer{}
	cfg := parse(t, map[string]any{"driver": "redis", "redis": map[string]any{"url": "redis://nobody:hidden@" + server.Addr + "?max_retries=-1"}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		q, err := Opener{Logger: slog.New(slog.NewTextHandler(log, nil))}.Queue(ctx, cfg)
		if err == nil {
			err = q.Close()
		}
		failed <- err
	}()
	for !strings.Contains(log.String(), "waiting for a server") {
		select {
		case err := <-failed:
			t.Fatalf("did not wait: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	server.Start()
	// The server has no such user. That is no reason to wait.
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), server.Addr) || strings.Contains(log.String(), "hidden") {
		t.Errorf("the log is %s", log)
	}

	cfg = parse(t, map[string]any{"driver": "redis", "redis": map[string]any{"url": "redis://" + server.Addr}})
	server.Kill()
	go func() {
		q, err := Opener{}.Queue(ctx, cfg)
		if err == nil {
			err = q.Close()
		}
		failed <- err
	}()
	server.Start()
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

func TestOpeningWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	cfg := &config.Config{Queue: config.Queue{Driver: config.DriverRedisCluster, RedisCluster: config.RedisCluster{
		Nodes: []config.URL{"127.0.0.1:1", "redis://:hidden@127.0.0.1:2"},
	}}}
	begun := time.Now()
	_, err := Opener{Logger: slog.New(slog.DiscardHandler)}.Queue(ctx, cfg)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 20*time.Second {
		t.Errorf("after %v: %v", time.Since(begun), err)
	}
	if text := fmt.Sprint(err); !strings.Contains(text, "Redis at 127.0.0.1:1, 127.0.0.1:2") || strings.Contains(text, "hidden") {
		t.Errorf("got %v", err)
	}
}

func TestTheServerOfTheSectionDatabaseIsOpened(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	admin := server.Client()
	defer admin.Close()
	if err := admin.ConfigSet(t.Context(), "requirepass", "a/b#c").Err(); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(server.Addr, ":")
	cfg, err := config.Parse([]byte(`{"queue": {"driver": "redis"}, "database": {"redis": {"host": "`+host+`", "db": 1}}}`),
		[]string{"DATABASE_REDIS_PORT=" + port, "DATABASE_REDIS_PASSWORD=a/b#c"})
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, cfg)
	if keys, err := admin.Do(t.Context(), "INFO", "keyspace").Text(); err != nil || !strings.Contains(keys, "db1:") {
		t.Errorf("got %q, %v", keys, err)
	}
}

func TestNodesOfTheSectionDatabaseAreOpened(t *testing.T) {
	t.Parallel()
	cluster := testredis.SharedCluster(t)
	cfg, err := config.Parse([]byte(`{"queue.driver": "redis", "queue.redis.clusterMode": true, "database.redis.keyPrefix": "soketi:"}`),
		[]string{"DATABASE_REDIS_CLUSTER_NODES=" + strings.Join(cluster.Addrs(), ",")})
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, cfg)
}

func TestSentinelOptions(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse([]byte(`{"queue": {"driver": "redis"}, "database": {"redis": {
		"sentinels": [{"host": "s1"}, {"host": "s2", "port": 5000}], "name": "main", "db": 2,
		"username": "u", "password": "p", "sentinel_username": "su", "sentinel_password": "sp"
	}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	o, err := sentinelOptions(cfg)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintln(o.SentinelAddrs, o.MasterName, o.DB, o.Username, o.Password, o.SentinelUsername, o.SentinelPassword)
	if want := "[s1:26379 s2:5000] main 2 u p su sp\n"; got != want {
		t.Errorf("got %s", got)
	}
}
