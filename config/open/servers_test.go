package open

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/internal/testsqs"
)

// TestMain gives the AWS SDK's default chain what it would find on a real machine.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	testredis.Main(m)
}

func TestRedisIsOpened(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	admin := server.Client()
	defer admin.Close()
	if err := admin.ConfigSet(t.Context(), "requirepass", "secret").Err(); err != nil {
		t.Fatal(err)
	}
	q := roundTrip(t, parse(t, map[string]any{
		"driver": "redis",
		"redis":  map[string]any{"url": "redis://:secret@" + server.Addr + "/1", "prefix": "opened:"},
	}))
	if !q.Traits().Durable || q.Traits().AtMostOnce {
		t.Errorf("traits are %+v", q.Traits())
	}
}

func TestRedisAtMostOnceIsOpened(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	q := roundTrip(t, parse(t, map[string]any{
		"driver": "redis",
		"redis":  map[string]any{"url": "redis://" + server.Addr, "at_most_once": true},
	}))
	if !q.Traits().AtMostOnce {
		t.Errorf("traits are %+v", q.Traits())
	}
}

func TestRedisClusterIsOpened(t *testing.T) {
	t.Parallel()
	cluster := testredis.SharedCluster(t)
	roundTrip(t, parse(t, map[string]any{
		"driver":        "redis-cluster",
		"redis_cluster": map[string]any{"nodes": cluster.Addrs(), "prefix": "opened:"},
	}))
}

func TestSQSIsOpenedWithoutMessageGroups(t *testing.T) {
	t.Parallel()
	target, err := url.Parse(testsqs.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.ErrorLog = log.New(io.Discard, "", 0)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || bytes.Contains(body, []byte("MessageGroupId")) {
			t.Errorf("the request is %s, %v; want no MessageGroupId", body, err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r)
	}))
	defer front.Close()
	roundTrip(t, parse(t, map[string]any{
		"driver": "sqs",
		"sqs": map[string]any{
			"region": testsqs.Region, "endpoint_url": front.URL, "queue_name": "ungrouped", "wait_time_seconds": 1, "no_message_groups": true,
		},
	}))
}

func TestSQSIsOpenedAndMadeWhereItIsMissing(t *testing.T) {
	t.Parallel()
	server := testsqs.Start(t)
	for _, fifo := range []bool{false, true} {
		q := roundTrip(t, parse(t, map[string]any{
			"driver": "sqs",
			"sqs":    map[string]any{"region": testsqs.Region, "endpoint_url": server, "fifo": fifo, "wait_time_seconds": 1},
		}))
		if q.Traits().Ordered != fifo {
			t.Errorf("FIFO is %t, traits are %+v", fifo, q.Traits())
		}
	}
}
