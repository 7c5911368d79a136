package occupancy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/occupancy"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/webhooktest"
)

var everything = []webhook.EventType{
	webhook.TypeChannelOccupied, webhook.TypeChannelVacated, webhook.TypeMemberAdded, webhook.TypeMemberRemoved,
	webhook.TypeSubscriptionCount,
}

// emitter returns an emitter for a webhook that wants everything, and its receiver, in a bubble.
func emitter(t *testing.T, o webhook.Options) (*webhook.Emitter, *webhooktest.Receiver) {
	t.Helper()
	key := webhook.Key{Key: "my-key", Secret: "my-secret"}
	r := webhooktest.NewMemoryReceiver(t, key)
	sender, err := dispatch.NewHTTP(dispatch.HTTPOptions{DialContext: r.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	o.HTTP, o.Logger = sender, slog.New(slog.DiscardHandler)
	o.Apps = []webhook.App{{
		ID: "my-app", Key: key.Key, Secret: key.Secret,
		Webhooks: []webhook.Webhook{{ID: "all", URL: r.URL, EventTypes: everything, Ordered: true}},
	}}
	em, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { em.Close(); sender.Close() })
	return em, r
}

func short(events []webhook.Event) (texts []string) {
	for _, ev := range events {
		texts = append(texts, fmt.Sprint(ev.Type, " ", ev.Channel, " ", ev.UserID, ev.SubscriptionCount))
	}
	return texts
}

func on(channel, socket, user string) occupancy.Subscription {
	return occupancy.Subscription{AppID: "my-app", Channel: channel, SocketID: socket, UserID: user}
}

// A user who reloads the page is not told of, with the Emitter's debounce.
func TestDebounceWorksOnATrackersEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		em, r := emitter(t, webhook.Options{Debounce: 3 * time.Second})
		tr := occupancy.New(em)
		ok := func(err error) {
			if err != nil {
				t.Error(err)
			}
		}
		ok(tr.Join(on("presence-x", "1", "ann")))
		time.Sleep(10 * time.Second)
		ok(tr.Gone("1"))
		time.Sleep(time.Second)
		ok(tr.Join(on("presence-x", "2", "ann")))
		time.Sleep(10 * time.Second)
		want := []string{"channel_occupied presence-x 0", "member_added presence-x ann0"}
		if got := short(r.Events()); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if s := em.Stats(); s.Suppressed != 4 {
			t.Errorf("%d events were suppressed, want 4", s.Suppressed)
		}
		ok(tr.Gone("2"))
		time.Sleep(10 * time.Second)
		want = append(want, "member_removed presence-x ann0", "channel_vacated presence-x 0")
		if got := short(r.Events()); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestCountIntervalWorksOnATrackersEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		em, r := emitter(t, webhook.Options{CountInterval: 5 * time.Second})
		tr := occupancy.New(em)
		for i := range 1000 {
			if err := tr.Join(on("news", fmt.Sprint(i), "")); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(time.Minute)
		got := short(r.Events())
		// 100 counts of a small channel, the first above, and the last.
		if len(got) != 1+100+1+1 || got[len(got)-1] != "subscription_count news 1000" {
			t.Errorf("got %d events, the last %q", len(got), got[len(got)-1])
		}
	})
}

// The queue is away until the outbox is full. When it is back, the webhook hears the truth.
func TestNoEventIsLostWhileTheEmitterHasNoRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		memory, err := queue.NewMemory(queue.MemoryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		q := &awayQueue{memory, make(chan struct{})}
		em, r := emitter(t, webhook.Options{OutboxBytes: 40_000, Queue: q})
		tr := occupancy.New(em)
		const sockets = 2000
		refused := 0
		for i := range sockets {
			if err := tr.Join(on(fmt.Sprint("presence-", i%100), fmt.Sprint(i), fmt.Sprint("user-", i))); errors.Is(err, webhook.ErrOverflow) {
				refused++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		for i := range sockets / 2 {
			_ = tr.Gone(fmt.Sprint(i))
		}
		if refused < sockets/2 || em.Stats().Overflowed == 0 {
			t.Fatalf("%d of %d joins were refused: the outbox was not full", refused, sockets)
		}
		close(q.back)
		for tr.Retry() != nil {
			time.Sleep(time.Second)
		}
		if err := em.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{}
		for _, ev := range r.Events() {
			key := ev.Channel + " " + ev.UserID
			if added := ev.Type == webhook.TypeMemberAdded || ev.Type == webhook.TypeChannelOccupied; added == there[key] {
				t.Fatalf("%s %s is no news", ev.Type, key)
			}
			there[key] = !there[key]
		}
		for i := range sockets {
			if there[fmt.Sprintf("presence-%d user-%d", i%100, i)] != (i >= sockets/2) {
				t.Fatalf("the webhook is wrong about user-%d", i)
			}
		}
	})
}

// awayQueue takes nothing until it is back.
type awayQueue struct {
	*queue.Memory
	back chan struct{}
}

func (q *awayQueue) Enqueue(ctx context.Context, jobs []queue.Job) error {
	select {
	case <-q.back:
		return q.Memory.Enqueue(ctx, jobs)
	default:
		return errors.New("away")
	}
}
