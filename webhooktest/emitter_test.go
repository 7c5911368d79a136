package webhooktest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/webhooktest"
)

// This is how a host's test waits out minutes of backoff in no time.
func TestAnEmitterDeliversToAMemoryReceiverInVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := webhooktest.NewMemoryReceiver(t, webhook.Key{Key: "my-key", Secret: "my-secret"})
		r.Script(webhooktest.Times(5, webhooktest.Status(503))...)
		sender, err := dispatch.NewHTTP(dispatch.HTTPOptions{DialContext: r.DialContext})
		if err != nil {
			t.Fatal(err)
		}
		em, err := webhook.New(webhook.Options{
			HTTP: sender,
			Apps: []webhook.App{{
				ID: "my-app", Key: "my-key", Secret: "my-secret",
				Webhooks: []webhook.Webhook{{URL: r.URL, EventTypes: []webhook.EventType{webhook.TypeMemberAdded}}},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := em.Emit(webhook.MemberAdded("my-app", "presence-chat", "u1")); err != nil {
			t.Fatal(err)
		}

		events := r.WaitEvents(1, 5*time.Minute)
		if want := webhook.MemberAdded("", "presence-chat", "u1"); events[0] != want {
			t.Errorf("got %v, want %v", events[0], want)
		}
		attempts := r.Deliveries()
		for i, d := range attempts {
			if d.Attempt != i+1 || d.ID != attempts[0].ID {
				t.Errorf("request %d is attempt %d of %s", i+1, d.Attempt, d.ID)
			}
		}
		if took := attempts[5].At.Sub(attempts[0].At); took < 31*time.Second {
			t.Errorf("the sixth attempt came after %v, sooner than five backoffs allow", took)
		}
		if err := em.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		sender.Close()
	})
}
