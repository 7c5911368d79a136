package occupancy_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/occupancy"
	"github.com/pushhooks/webhook/webhooktest"
)

// setCount sets a node's count in KEYS[1], a hash of each node's, and returns whether the sum
// became or left zero, and the sum.
var setCount = redis.NewScript(`
local before = redis.call('HLEN', KEYS[1])
if ARGV[2] == '0' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
local sum = 0
for _, n in ipairs(redis.call('HVALS', KEYS[1])) do sum = sum + n end
return {(before == 0) ~= (sum == 0) and 1 or 0, sum}`)

// nodes makes of one node's events those of all nodes. It is the Emitter of the node's Tracker.
type nodes struct {
	id     string // of this node and this start of it
	redis  redis.UniversalClient
	em     *webhook.Emitter
	events chan webhook.Event // such as make(chan webhook.Event, 10_000)
}

// Emit is called with a lock held, so it leaves the round trip to run.
func (n *nodes) Emit(ev webhook.Event) error {
	select {
	case n.events <- ev:
		return nil
	default:
		return webhook.ErrOverflow // the Tracker keeps the event
	}
}

// run emits what is news for all nodes, until the host closes n.events.
func (n *nodes) run(ctx context.Context) error {
	for ev := range n.events {
		kind, count := "channel", 1
		switch ev.Type {
		case webhook.TypeChannelVacated, webhook.TypeMemberRemoved:
			count = 0
		case webhook.TypeSubscriptionCount:
			kind, count = "count", ev.SubscriptionCount
		}
		key := fmt.Sprintf("occupancy:%s:%q:%q:%q", kind, ev.AppID, ev.Channel, ev.UserID)
		reply, err := n.set(ctx, key, count)
		if err != nil {
			return err
		}
		if ev.Type == webhook.TypeSubscriptionCount {
			ev.SubscriptionCount = int(reply[1])
		} else if reply[0] == 0 {
			continue // not the first node, or not the last one
		}
		if err := n.em.EmitWait(ctx, ev); err != nil {
			return err
		}
	}
	return nil
}

// set asks Redis until it answers or ctx ends.
func (n *nodes) set(ctx context.Context, key string, count int) ([]int64, error) {
	for {
		reply, err := setCount.Run(ctx, n.redis, []string{key}, n.id, count).Int64Slice()
		if err == nil || ctx.Err() != nil {
			return reply, err
		}
		time.Sleep(time.Second)
	}
}

func TestNodesShareChannels(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	t.Cleanup(func() { client.Close() })
	r := webhooktest.NewReceiver(t, webhook.Key{Key: "my-key", Secret: "my-secret"})
	app := testApp(r.URL)
	app.Webhooks[0].EventTypes, app.Webhooks[0].Ordered = everything, true
	// one for both, so that the order is known
	em, err := webhook.New(webhook.Options{Apps: []webhook.App{app}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { em.Close() })
	a, b := startNode(t, "a", client, em), startNode(t, "b", client, em)
	for _, call := range []func() error{
		func() error { return a.Join(on("presence-x", "a1", "ann")) },
		func() error { return b.Join(on("presence-x", "b1", "ann")) },
		func() error { return a.Gone("a1") },
		func() error { return b.Join(on("c", "b2", "")) },
		func() error { return a.Join(on("c", "a2", "")) },
		func() error { return a.Gone("a2") },
		func() error { return b.Gone("b1") },
		func() error { return b.Gone("b2") },
	} {
		_ = call() // refused, since run takes one event at a time here
		a.settle(t)
		b.settle(t)
	}
	want := []string{
		"channel_occupied presence-x 0", "member_added presence-x ann0",
		"channel_occupied c 0", "subscription_count c 1", "subscription_count c 2", "subscription_count c 1",
		"member_removed presence-x ann0", "channel_vacated presence-x 0", "subscription_count c 0", "channel_vacated c 0",
	}
	if got := short(r.WaitEvents(len(want), 30*time.Second)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if keys := client.Keys(t.Context(), "*").Val(); len(keys) > 0 {
		t.Errorf("%q are left in Redis", keys)
	}
}

// node is a node and its Tracker.
type node struct {
	*occupancy.Tracker
	nodes *nodes
}

func startNode(t *testing.T, id string, client redis.UniversalClient, em *webhook.Emitter) *node {
	t.Helper()
	n := &nodes{id: id, redis: client, em: em, events: make(chan webhook.Event)}
	done := make(chan error, 1)
	go func() { done <- n.run(context.Background()) }()
	t.Cleanup(func() {
		close(n.events)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &node{occupancy.New(n), n}
}

// settle returns when the node has emitted all that it has to.
func (n *node) settle(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); n.Retry() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the node is stuck")
		}
	}
	// no news; taken when run is done with all else
	n.nodes.events <- webhook.ChannelVacated("my-app", "unknown")
}
