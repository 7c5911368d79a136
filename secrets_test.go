package webhook

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestNoSecretIsStoredLoggedOrTold(t *testing.T) {
	t.Parallel()
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusInternalServerError)
	}))
	defer failing.Close()
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	defer gone.Close()
	fine := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer fine.Close()
	shut := httptest.NewServer(nil)
	shut.Close()

	withSecrets := func(u string) string {
		return strings.Replace(u, "http://", "http://hidden-user:hidden-password@", 1) + "/path?token=hidden-token"
	}
	a := testApp(withSecrets(failing.URL), withSecrets(gone.URL), withSecrets(fine.URL), withSecrets(shut.URL), "http://hidden-host.invalid:0/?token=hidden-token")
	a.Webhooks = a.Webhooks[:4]
	a.Secret = "hidden-secret"
	a.PreviousKeys = []Key{{Key: "older", Secret: "hidden-older-secret"}}
	for i := range a.Webhooks {
		a.Webhooks[i].Headers = Headers{"X-Route": "hidden-header", "Authorization": "Bearer hidden-bearer"}
	}

	q := rig(t, queue.MemoryOptions{})
	var mu sync.Mutex
	var stored bytes.Buffer
	q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
		mu.Lock()
		defer mu.Unlock()
		for _, j := range jobs {
			fmt.Fprintf(&stored, "%s %s %s\n", j.ID, j.Lane, j.Data)
		}
		return q.Memory.Enqueue(ctx, jobs)
	}
	told := func(info any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&stored, "%+v\n", info)
	}
	log := &logBuffer{}
	e := start(t, nil, with(q), apps(a), debugLog(log), func(o *Options) {
		o.HTTP = nil
		o.Retry = Retry{MaxAttempts: 3, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond}
		o.Trace = &Trace{
			Emitted: func(i EmittedInfo) { told(i) }, Dropped: func(i DroppedInfo) { told(i) }, Enqueued: func(i EnqueuedInfo) { told(i) },
			Attempted: func(i AttemptedInfo) { told(i) }, DeadLettered: func(i DeadLetteredInfo) { told(i) }, LaneChanged: func(i LaneChangedInfo) { told(i) },
		}
	})
	for i := range 5 {
		emit(t, e, occupied(i))
	}
	drain(t, e)
	for _, d := range deadLetters(t, e) {
		told(d)
	}
	bad := a.clone()
	bad.Webhooks[0].Headers["Host"] = "hidden-host-value"
	bad.Webhooks[1].URL = "ftp://hidden-user:hidden-password@x/"
	told(e.SetApp(bad))
	told(e.Shutdown(t.Context()))
	told(e.Stats())
	if s := e.Stats(); s.Delivered == 0 || s.Dead == 0 || !strings.Contains(log.String(), "webhook delivered") || !strings.Contains(log.String(), "attempt failed") {
		t.Fatalf("stats: %+v, log:\n%s", s, log.String())
	}
	mu.Lock()
	defer mu.Unlock()
	for where, text := range map[string]string{"log": log.String(), "job, trace or error": stored.String()} {
		for line := range strings.Lines(text) {
			if strings.Contains(line, "hidden") {
				t.Errorf("in a %s: %.500s", where, line)
			}
		}
	}
}
