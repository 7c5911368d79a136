package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pushhooks/webhook"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(child())
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // commands log what fails, as it should here
	goleak.VerifyTestMain(m)
}

var testKey = webhook.Key{Key: "my-key", Secret: "my-secret"}

var everything = []webhook.EventType{
	webhook.TypeChannelOccupied, webhook.TypeChannelVacated, webhook.TypeMemberAdded, webhook.TypeMemberRemoved,
	webhook.TypeClientEvent, webhook.TypeCacheMiss, webhook.TypeSubscriptionCount,
}

// app returns an app with a webhook to each URL, which gets events in order.
func app(urls ...string) webhook.App {
	a := webhook.App{ID: "my-app", Key: testKey.Key, Secret: testKey.Secret}
	for _, url := range urls {
		a.Webhooks = append(a.Webhooks, webhook.Webhook{ID: "backend", URL: url, EventTypes: everything, Ordered: true})
	}
	return a
}

// running is a server of a test.
type running struct {
	*server
	addr string
	http *http.Server
	once bool
}

// start runs a server of the apps until the test ends. set, if it is not nil, changes it before.
func start(t *testing.T, set func(*server), apps ...webhook.App) *running {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	em, err := webhook.New(webhook.Options{Apps: apps, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { em.Close() })
	s := newServer(em, apps, log)
	if set != nil {
		set(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{server: s, addr: l.Addr().String(), http: &http.Server{Handler: s.handler()}}
	go r.http.Serve(l)
	t.Cleanup(func() {
		if !r.once {
			r.stop(t)
		}
	})
	return r
}

// stop ends the server in good order.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.once = true
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(r.http.Shutdown(ctx), r.shutdown(ctx)); err != nil {
		t.Error(err)
	}
}

// eventually fails the test unless the condition is met within 30 seconds.
func eventually(t *testing.T, what string, met func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !met(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 30 seconds: ", what)
		}
	}
}
