package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook"
)

// backend is a receiver that prints what it gets.
func backend(keys ...webhook.Key) *httptest.Server {
	receiver := webhook.Receiver{Keys: keys}
	return httptest.NewServer(receiver.Handler(func(_ http.ResponseWriter, r *http.Request, p *webhook.Payload) {
		for _, ev := range p.Events {
			fmt.Println(strings.TrimSpace(fmt.Sprint(r.URL.Path, " ", ev.Type, " ", ev.Channel, " ", ev.UserID)))
		}
	}))
}

// shutDown delivers what is left, within a minute.
func shutDown(em *webhook.Emitter) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := em.Shutdown(ctx); err != nil {
		log.Print(err)
	}
}

func Example() {
	key := webhook.Key{Key: "my-key", Secret: "my-secret"}
	server := backend(key)
	defer server.Close()

	em, err := webhook.New(webhook.Options{
		Apps: []webhook.App{{
			ID: "my-app", Key: key.Key, Secret: key.Secret,
			Webhooks: []webhook.Webhook{{
				URL:        server.URL + "/presence",
				EventTypes: []webhook.EventType{webhook.TypeMemberAdded, webhook.TypeMemberRemoved},
				Filter:     webhook.Filter{ChannelPrefix: "presence-"},
			}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, ev := range []webhook.Event{
		webhook.MemberAdded("my-app", "presence-chat", "user-123"),
		webhook.ChannelOccupied("my-app", "presence-chat"), // nobody asked for it
		webhook.MemberRemoved("my-app", "presence-chat", "user-123"),
	} {
		if err := em.Emit(ev); err != nil {
			log.Fatal(err)
		}
	}
	shutDown(em)
	// Output:
	// /presence member_added presence-chat user-123
	// /presence member_removed presence-chat user-123
}

// A key is rotated without losing a delivery: jobs that were signed with the old key are signed
// again with the new one.
func ExampleEmitter_SetApp_rotation() {
	old := webhook.Key{Key: "key-1", Secret: "secret-1"}
	next := webhook.Key{Key: "key-2", Secret: "secret-2"}
	server := backend(old, next) // first, receivers accept both
	defer server.Close()
	app := webhook.App{
		ID: "my-app", Key: old.Key, Secret: old.Secret,
		Webhooks: []webhook.Webhook{{URL: server.URL + "/hook", EventTypes: []webhook.EventType{webhook.TypeChannelOccupied}}},
	}
	em, err := webhook.New(webhook.Options{Apps: []webhook.App{app}})
	if err != nil {
		log.Fatal(err)
	}
	if err := em.Emit(webhook.ChannelOccupied("my-app", "before")); err != nil {
		log.Fatal(err)
	}

	app.Key, app.Secret = next.Key, next.Secret
	app.PreviousKeys = []webhook.Key{old}
	if err := em.SetApp(app); err != nil {
		log.Fatal(err)
	}
	if err := em.Emit(webhook.ChannelOccupied("my-app", "after")); err != nil {
		log.Fatal(err)
	}
	shutDown(em)
	// Output:
	// /hook channel_occupied before
	// /hook channel_occupied after
}

// What was given up can be looked at, and tried again.
func ExampleEmitter_DeadLetters() {
	gone := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if gone {
			w.WriteHeader(http.StatusGone)
			return
		}
		fmt.Println("delivered")
	}))
	defer server.Close()
	em, err := webhook.New(webhook.Options{Apps: []webhook.App{{
		ID: "my-app", Key: "my-key", Secret: "my-secret",
		Webhooks: []webhook.Webhook{{ID: "billing", URL: server.URL, EventTypes: []webhook.EventType{webhook.TypeChannelVacated}}},
	}}})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := em.Emit(webhook.ChannelVacated("my-app", "chat")); err != nil {
		log.Fatal(err)
	}
	if err := em.Drain(ctx); err != nil {
		log.Fatal(err)
	}
	for d, err := range em.DeadLetters(ctx, webhook.DeadLetterQuery{WebhookID: "billing"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(d.AppID, d.WebhookID, d.Events, d.Attempts)
	}
	gone = false
	n, err := em.Replay(ctx, webhook.DeadLetterQuery{AppID: "my-app"})
	shutDown(em) // delivers it
	fmt.Println(n, err)
	// Output:
	// my-app billing 1 1
	// delivered
	// 1 <nil>
}

// A status page, and a button "try again now".
func ExampleEmitter_Webhooks() {
	var down atomic.Bool
	down.Store(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	em, err := webhook.New(webhook.Options{
		Batching: webhook.Batching{Disabled: true},
		Apps: []webhook.App{{
			ID: "my-app", Key: "my-key", Secret: "my-secret",
			Webhooks: []webhook.Webhook{{ID: "billing", URL: server.URL, EventTypes: []webhook.EventType{webhook.TypeChannelOccupied}}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for i := range 20 {
		if err := em.Emit(webhook.ChannelOccupied("my-app", fmt.Sprintf("chat-%d", i))); err != nil {
			log.Fatal(err)
		}
	}
	status := func(state webhook.LaneState, waiting int) (s webhook.WebhookStatus) {
		for s.State != state || s.Waiting != waiting {
			time.Sleep(10 * time.Millisecond)
			for s, err = range em.Webhooks(ctx) {
				if err != nil {
					log.Fatal(err)
				}
			}
		}
		return s
	}
	s := status(webhook.LaneHeld, 20)
	reason, _, _ := strings.Cut(s.Reason, ":") // the rest is for people
	fmt.Println(s.AppID, s.WebhookID, "is", s.State, "because of its", reason)
	fmt.Println(s.Waiting, "jobs wait,", s.DeadLetters, "were given up; the last answer here was", s.Here.LastStatus)

	down.Store(false)
	if err := em.Resume(ctx, "my-app", "billing"); err != nil {
		log.Fatal(err)
	}
	s = status(webhook.LaneHealthy, 0)
	fmt.Println(s.AppID, s.WebhookID, "is", s.State)
	report := em.Health(ctx)
	fmt.Println("ready:", report.OK)
	shutDown(em)
	// Output:
	// my-app billing is held because of its status
	// 20 jobs wait, 0 were given up; the last answer here was 503
	// my-app billing is healthy
	// ready: true
}

// Every mistake of a configuration is told at once.
func ExampleConfigError() {
	_, err := webhook.New(webhook.Options{Apps: []webhook.App{{
		ID: "my-app", Key: "my-key", Secret: "my-secret",
		Webhooks: []webhook.Webhook{{URL: "ftp://example.com", EventTypes: []webhook.EventType{"chanel_occupied"}}},
	}}})
	var config *webhook.ConfigError
	if errors.As(err, &config) {
		for _, p := range config.Problems {
			fmt.Println(p)
		}
	}
	// Output:
	// apps[0].webhooks[0].url: is "ftp://example.com"; must begin with https:// or http://
	// apps[0].webhooks[0].event_types[0]: is "chanel_occupied", which is not an event type; did you mean "channel_occupied"?
}

// A button "send a test" in a dashboard.
func ExampleEmitter_Test() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no such tenant", http.StatusNotFound)
	}))
	defer server.Close()
	em, err := webhook.New(webhook.Options{Apps: []webhook.App{{
		ID: "my-app", Key: "my-key", Secret: "my-secret",
		Webhooks: []webhook.Webhook{{ID: "crm", URL: server.URL, EventTypes: []webhook.EventType{webhook.TypeMemberAdded}}},
	}}})
	if err != nil {
		log.Fatal(err)
	}
	defer shutDown(em)
	result, err := em.Test(context.Background(), "my-app", "crm")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v: %d %s", result.Outcome.Verdict, result.Outcome.Status, result.Outcome.Response)
	// Output:
	// retry: 404 no such tenant
}
