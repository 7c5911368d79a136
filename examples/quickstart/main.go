// Command quickstart shows the whole way in one process: a receiver that verifies, an emitter, a
// few events, and what arrived.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"github.com/pushhooks/webhook"
)

func main() {
	if err := run(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(out io.Writer) error {
	// The receiving side, usually another program: it gets only requests whose signature is right.
	key := webhook.Key{Key: "my-key", Secret: "my-secret"}
	receiver := webhook.Receiver{Keys: []webhook.Key{key}}
	backend := httptest.NewServer(receiver.Handler(show(out)))
	defer backend.Close()

	// The WebSocket server's side.
	em, err := webhook.New(webhook.Options{
		Apps: []webhook.App{{
			ID: "my-app", Key: key.Key, Secret: key.Secret,
			Webhooks: []webhook.Webhook{
				{URL: backend.URL + "/all", EventTypes: []webhook.EventType{
					webhook.TypeChannelOccupied, webhook.TypeChannelVacated, webhook.TypeClientEvent,
				}},
				{
					URL:        backend.URL + "/members",
					EventTypes: []webhook.EventType{webhook.TypeMemberAdded, webhook.TypeMemberRemoved},
					Filter:     webhook.Filter{ChannelPrefix: "presence-"},
					Headers:    webhook.Headers{"Authorization": "Bearer my-token"},
				},
			},
		}},
	})
	if err != nil {
		return err
	}
	for _, ev := range []webhook.Event{
		webhook.ChannelOccupied("my-app", "presence-chat"),
		webhook.MemberAdded("my-app", "presence-chat", "user-123"),
		webhook.ClientEvent("my-app", "presence-chat", webhook.ClientMessage{Name: "client-typing", Data: `{"typing":true}`, SocketID: "123.456"}),
		webhook.MemberRemoved("my-app", "presence-chat", "user-123"),
		webhook.ChannelVacated("my-app", "presence-chat"),
	} {
		if err := em.Emit(ev); err != nil { // never waits
			return err
		}
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := em.Shutdown(ctx); err != nil { // delivers what is left
		return err
	}
	s := em.Stats()
	fmt.Fprintf(out, "%d events emitted, %d delivered in %d requests\n", s.Emitted, s.Delivered, s.Attempts)
	return nil
}

// show returns a handler that prints deliveries, which the receiver has verified.
func show(out io.Writer) func(http.ResponseWriter, *http.Request, *webhook.Payload) {
	var mu sync.Mutex
	return func(_ http.ResponseWriter, r *http.Request, p *webhook.Payload) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(out, "POST", r.URL.Path)
		for _, name := range []string{
			"Content-Type", "X-Pusher-Key", "X-Pusher-Signature", "Webhook-Id", "Webhook-Attempt", "Authorization",
		} {
			if value := r.Header.Get(name); value != "" {
				fmt.Fprintf(out, "  %s: %s\n", name, value)
			}
		}
		fmt.Fprintf(out, "  %s\n  signature verified with the secret of %q, %d events\n\n", p.Body, p.Key, len(p.Events))
	}
}
