package webhookui

import (
	"context"
	"errors"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// site is a page under test: its emitter, the handler, and what it was made of.
type site struct {
	em *webhook.Emitter
	http.Handler
}

// outcomes answers attempts by webhook ID; those that are not named are delivered.
type outcomes map[string]dispatch.Outcome

func (o outcomes) Send(_ context.Context, r *dispatch.Request) dispatch.Outcome {
	if out, ok := o[r.WebhookID]; ok {
		return out
	}
	return dispatch.Outcome{Verdict: dispatch.Delivered, Status: 200}
}

var (
	gone = dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone", Err: errors.New("410 Gone")}
	down = dispatch.Outcome{Verdict: dispatch.Retry, Status: 503, Reason: "status", Err: errors.New("503 Service Unavailable")}
)

// app has webhooks with these IDs, whose URLs and headers hold secrets.
func app(ids ...string) webhook.App {
	a := webhook.App{ID: "my-app", Key: "my-key", Secret: "app-secret"}
	for _, id := range ids {
		a.Webhooks = append(a.Webhooks, webhook.Webhook{
			ID: id, URL: "https://user:url-password@hooks.example.com/url-path?token=url-token",
			EventTypes: []webhook.EventType{webhook.TypeChannelOccupied, webhook.TypeClientEvent},
			Headers:    webhook.Headers{"X-Token": "header-value"},
		})
	}
	return a
}

// secrets must not be on any page.
var secrets = []string{"app-secret", "url-password", "url-path", "url-token", "header-value", "my-key"}

func newSite(t testing.TB, q queue.Queue, o Options, sender dispatch.Sender, apps ...webhook.App) *site {
	t.Helper()
	em, err := webhook.New(webhook.Options{
		Apps: apps, Queue: q, HTTP: sender, Batching: webhook.Batching{Disabled: true}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = em.Close() })
	if o.Access == nil {
		o.Access = Everyone
	}
	h, err := New(em, o)
	if err != nil {
		t.Fatal(err)
	}
	return &site{em, h}
}

func (s *site) emit(t testing.TB, events ...webhook.Event) {
	t.Helper()
	for _, ev := range events {
		if err := s.em.Emit(ev); err != nil {
			t.Fatal(err)
		}
	}
}

// dead waits until the webhook has so many dead letters, and returns them.
func (s *site) dead(t testing.TB, id string, n int) (list []webhook.DeadLetter) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		list = nil
		for d, err := range s.em.DeadLetters(t.Context(), webhook.DeadLetterQuery{AppID: "my-app", WebhookID: id}) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, d)
		}
		if len(list) == n {
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has %d dead letters, not %d", id, len(list), n)
		}
	}
}

// answer is what the handler answered.
type answer struct {
	*httptest.ResponseRecorder
	text string
}

func (s *site) do(r *http.Request) answer {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return answer{w, w.Body.String()}
}

func (s *site) get(address string) answer { return s.do(httptest.NewRequest("GET", address, nil)) }

func (s *site) post(address string, form url.Values) answer {
	r := httptest.NewRequest("POST", address, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return s.do(r)
}

// follow gets the page to which a POST leads, which must be relative.
func (s *site) follow(t testing.TB, a answer) answer {
	t.Helper()
	to := a.Header().Get("Location")
	if a.Code != http.StatusSeeOther || strings.HasPrefix(to, "/") || strings.Contains(to, "://") {
		t.Fatalf("%d leads to %q: %s", a.Code, to, a.text)
	}
	return s.get("/" + to)
}

func (a answer) wants(t testing.TB, status int, texts ...string) {
	t.Helper()
	if a.Code != status {
		t.Errorf("status %d, want %d: %s", a.Code, status, a.text)
	}
	for _, text := range texts {
		if !strings.Contains(a.text, text) {
			t.Errorf("%q is missing in\n%s", text, a.text)
		}
	}
}

func (a answer) lacks(t testing.TB, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.text, text) || strings.Contains(html.UnescapeString(a.text), text) {
			t.Errorf("%q is in\n%s", text, a.text)
		}
	}
}

func occupied(channel string) webhook.Event { return webhook.ChannelOccupied("my-app", channel) }
