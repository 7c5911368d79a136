package browsertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/webhookui"
)

// demo is an emitter with webhooks in every state, and a server with its status page.
type demo struct {
	em     *webhook.Emitter
	server *httptest.Server
	mended atomic.Bool // what fails works again

	refuses atomic.Bool // the server answers 503
}

// receivers are the webhooks of the demo, by ID, with what their receivers answer.
var receivers = map[string]dispatch.Outcome{
	"backend":         {Verdict: dispatch.Delivered, Status: 200},
	"presence-mirror": {Verdict: dispatch.Delivered, Status: 204},
	"audit-log":       {Verdict: dispatch.Delivered, Status: 200},
	"analytics":       {Verdict: dispatch.Delivered, Status: 202},
	"billing":         {Verdict: dispatch.Retry, Status: 503, Reason: "status", Err: errors.New("503 Service Unavailable"), Response: "upstream is down"},
	"crm-sync":        {Verdict: dispatch.Retry, Reason: "connect", Err: errors.New("dial tcp 10.20.0.14:443: connect: connection refused")},
	"old-dashboard":   {Verdict: dispatch.Stop, Status: 410, Reason: "gone", Err: errors.New("410 Gone"), Response: "this endpoint was removed"},
	"search-index":    {},
}

func appOf(id string) string {
	switch id {
	case "billing", "crm-sync", "search-index":
		return "shop"
	}
	return "chat"
}

func newDemo(t *testing.T, q queue.Queue, prefix string) *demo {
	t.Helper()
	d := &demo{}
	apps := map[string]*webhook.App{}
	for _, id := range []string{"chat", "shop"} {
		apps[id] = &webhook.App{ID: id, Key: id + "-key", Secret: "a-secret"}
	}
	for id := range receivers {
		a := apps[appOf(id)]
		types := []webhook.EventType{webhook.TypeChannelOccupied, webhook.TypeMemberAdded, webhook.TypeClientEvent}
		if id == "search-index" {
			types = []webhook.EventType{webhook.TypeCacheMiss}
		}
		a.Webhooks = append(a.Webhooks, webhook.Webhook{
			ID: id, URL: "https://" + id + ".example.com/hooks/4711?token=top-secret", EventTypes: types,
			Headers: webhook.Headers{"X-Api-Token": "top-secret"},
		})
	}
	em, err := webhook.New(webhook.Options{
		Apps: []webhook.App{*apps["chat"], *apps["shop"]}, Queue: q, Batching: webhook.Batching{Disabled: true},
		Logger: slog.New(slog.DiscardHandler),
		HTTP: dispatch.SenderFunc(func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
			if d.mended.Load() {
				return dispatch.Outcome{Verdict: dispatch.Delivered, Status: 200}
			}
			return receivers[r.WebhookID]
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.em = em
	ui, err := webhookui.New(em, webhookui.Options{Access: webhookui.Everyone})
	if err != nil {
		t.Fatal(err)
	}
	mounted := http.StripPrefix(prefix, ui)
	d.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.refuses.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/framing" {
			_, _ = w.Write([]byte(`<!DOCTYPE html><title>framing</title><link rel="icon" href="data:,">` + r.URL.Query().Get("frames")))
			return
		}
		mounted.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		d.server.Close()
		_ = em.Close()
	})
	return d
}

// emit emits n events of each app, with texts that do not belong into a page as they are.
func (d *demo) emit(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		for _, app := range []string{"chat", "shop"} {
			for _, ev := range []webhook.Event{
				webhook.MemberAdded(app, "presence-lobby", fmt.Sprintf("user-%d", i)),
				webhook.ClientEvent(app, "private-room", webhook.ClientMessage{
					Name: "client-typing", Data: `{"text":"<script>document.title='owned'</script>"}`, SocketID: "1.1",
				}),
			} {
				if err := d.em.Emit(ev); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// status waits until the webhook has the state.
func (d *demo) status(t *testing.T, id string, is func(webhook.WebhookStatus) bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		s, err := d.em.Webhook(t.Context(), appOf(id), id)
		if err == nil && is(s) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %+v, %v", id, s, err)
		}
	}
}

func (d *demo) held(t *testing.T, id string) {
	t.Helper()
	d.status(t, id, func(s webhook.WebhookStatus) bool { return s.State == webhook.LaneHeld })
}

func (d *demo) dead(t *testing.T, id string, n int) {
	t.Helper()
	d.status(t, id, func(s webhook.WebhookStatus) bool { return s.DeadLetters == n })
}

// longAgo is a queue whose lanes have failed for longer than they have, for a picture.
type longAgo struct{ *queue.Memory }

func (q longAgo) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	infos, err := q.Memory.Lanes(ctx, after, limit)
	for i := range infos {
		if infos[i].Health == queue.Failing {
			infos[i].Since = infos[i].Since.Add(-time.Duration(4+9*strings.Count(infos[i].Lane, "b")) * time.Minute)
		}
	}
	return infos, err
}
