package main

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/occupancy"
)

// server is the hubs of all apps, and what they share.
type server struct {
	em       *webhook.Emitter
	tracker  *occupancy.Tracker
	log      *slog.Logger
	activity time.Duration // after which a silent client is pinged
	byKey    map[string]*hub
	byID     map[string]*hub
}

func newServer(em *webhook.Emitter, apps []webhook.App, log *slog.Logger) *server {
	s := &server{
		em: em, tracker: occupancy.New(em), log: log, activity: 2 * time.Minute,
		byKey: map[string]*hub{}, byID: map[string]*hub{},
	}
	for _, app := range apps {
		h := &hub{
			app: app, em: em, tracker: s.tracker, log: log,
			sockets: map[string]*socket{}, channels: map[string]*channel{}, cached: map[string]cached{},
		}
		s.byKey[app.Key], s.byID[app.ID] = h, h
	}
	return s
}

// handler serves clients and their backends: sockets and the HTTP API.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /app/{key}", s.serveSocket)
	mux.HandleFunc("POST /apps/{app}/events", s.api(publish))
	mux.HandleFunc("POST /apps/{app}/batch_events", s.api(publish))
	mux.HandleFunc("GET /apps/{app}/channels", s.api(listChannels))
	mux.HandleFunc("GET /apps/{app}/channels/{channel}", s.api(showChannel))
	mux.HandleFunc("GET /apps/{app}/channels/{channel}/users", s.api(listUsers))
	return mux
}

// retry emits what was refused, once a second until ctx ends.
func (s *server) retry(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.tracker.Retry(); err != nil {
				s.log.Warn("webhook events wait", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// shutdown closes all sockets and delivers what webhooks are told of that. Its caller has stopped
// the listener. A client that does not read takes 20 seconds, whatever ctx says.
func (s *server) shutdown(ctx context.Context) error {
	var closing sync.WaitGroup
	for _, h := range s.byID {
		closing.Go(h.close)
	}
	closing.Wait() // each socket has called Gone
	for s.tracker.Retry() != nil && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond) // until there was room for all events
	}
	return s.em.Shutdown(ctx)
}
