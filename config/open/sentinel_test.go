package open

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// When the master that sentinels know is killed, its replica takes over, and the emitter delivers
// everything: what the queue held, and what is emitted meanwhile.
func TestEmitterOutlivesTheMasterThatSentinelsKnow(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T, sentinel string) queue.Queue{
		"configuration": queueOfSentinels,
		"host's client": func(t *testing.T, sentinel string) queue.Queue {
			t.Helper()
			client := redis.NewFailoverClient(&redis.FailoverOptions{
				MasterName: testredis.SentinelMaster, SentinelAddrs: []string{sentinel},
			})
			q, err := redisqueue.New(t.Context(), client, redisqueue.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return &ownedRedis{q, client}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master := testredis.StartServer(t, testredis.Options{})
			testredis.StartReplica(t, master)
			sentinel := testredis.StartSentinel(t, master)
			testredis.WaitForReplicas(t, sentinel)
			outlive(t, open(t, sentinel), master)
		})
	}
}

// queueOfSentinels opens the queue that a configuration with a sentinel names.
func queueOfSentinels(t *testing.T, sentinel string) queue.Queue {
	t.Helper()
	cfg, err := config.Parse(fmt.Appendf(nil, `{"queue": {"driver": "redis"}, "database": {"redis": {
		"host": "nowhere.invalid", "name": %q, "sentinels": [%q]
	}}}`, testredis.SentinelMaster, sentinel), nil)
	if err != nil {
		t.Fatal(err)
	}
	q, err := Queue(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// outlive emits events, kills the master, and emits more.
func outlive(t *testing.T, q queue.Queue, master *testredis.Server) {
	t.Helper()
	r := &occupied{channels: make(map[string]bool)}
	server := httptest.NewServer(r)
	defer server.Close()
	em, err := webhook.New(webhook.Options{
		Queue: q,
		Apps: []webhook.App{{ID: "a", Key: "k", Secret: "s", Webhooks: []webhook.Webhook{{
			URL: server.URL, EventTypes: []webhook.EventType{webhook.TypeChannelOccupied},
			Retry: webhook.Retry{InitialBackoff: 100 * time.Millisecond, MaxBackoff: time.Second},
		}}}},
		Batching: webhook.Batching{Size: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	emit := func(from, to int) {
		for i := from; i < to; i++ {
			if err := em.Emit(webhook.ChannelOccupied("a", fmt.Sprintf("c%d", i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	const events = 200
	emit(0, events/2)
	if err := em.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	master.Replicate() // a replica that is promoted has what it was sent
	master.Kill()
	r.open()
	emit(events/2, events)
	for deadline := time.After(60 * time.Second); r.count() < events; {
		select {
		case <-deadline:
			t.Fatalf("%d of %d events were delivered; the statistics are %+v", r.count(), events, em.Stats())
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := em.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}

// occupied is a receiver that fails until it is opened, and then notes the channels of events.
type occupied struct {
	mu       sync.Mutex
	opened   bool
	channels map[string]bool
}

func (r *occupied) open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = true
}

func (r *occupied) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.channels)
}

func (r *occupied) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Events []struct {
			Channel string `json:"channel"`
		} `json:"events"`
	}
	err := json.NewDecoder(req.Body).Decode(&body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || !r.opened {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	for _, e := range body.Events {
		r.channels[e.Channel] = true
	}
}

func TestTheMasterThatSentinelsKnowIsOpened(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	sentinel := testredis.StartSentinel(t, server) // may not listen yet: opening waits
	q := queueOfSentinels(t, sentinel)
	if err := q.Enqueue(t.Context(), []queue.Job{{ID: "j", Lane: "l", Data: []byte("{}")}}); err != nil {
		t.Error(err)
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
}
