package interop

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pushhooks/webhook"
)

// attemptsWith emits the events for an app that was changed, and returns the attempts.
func attemptsWith(t *testing.T, change func(*webhook.Webhook), events ...webhook.Event) []attempt {
	t.Helper()
	to := &endpoint{answer: delivered}
	synctest.Test(t, func(t *testing.T) {
		e := start(t, hook, to, webhook.Batching{})
		changed := app(hook, oldKey)
		change(&changed.Webhooks[0])
		if err := e.SetApp(changed); err != nil {
			t.Fatal(err)
		}
		emit(t, e, events)
		finish(t, e)
	})
	return to.attempts
}

func TestOfficialLibrariesTakeAWebhookThatExcludesEncryptedChannels(t *testing.T) {
	t.Parallel()
	events := []webhook.Event{
		webhook.ChannelOccupied(appID, "private-encrypted-chat"), webhook.CacheMiss(appID, "private-encrypted-cache-chat"),
		webhook.ChannelOccupied(appID, "private-chat"),
	}
	attempts := attemptsWith(t, func(w *webhook.Webhook) { w.Filter.ChannelExcludePrefix = "private-encrypted-" }, events...)
	checkEach(t, attempts, events[2:])
}

func TestOfficialLibrariesTakeUserInfoAsAString(t *testing.T) {
	t.Parallel()
	const info = `{"name":"Ann","n":[1.50,null]}`
	attempts := attemptsWith(t, func(w *webhook.Webhook) { w.UserInfoAsString = true },
		webhook.MemberUpdated(appID, "presence-chat", "u1", info))
	eachLibrary(t, func(t *testing.T, by library) {
		for _, a := range attempts {
			v := by.judge(t, a)
			if !v.Valid || len(v.Events) != 1 {
				t.Fatalf("got %+v", v)
			}
			// nil if the library drops it
			want := by.keeps(map[string]any{"user_info": info})["user_info"]
			if got := v.Events[0]["user_info"]; got != want {
				t.Errorf("user_info is %v, want %v", got, want)
			}
		}
	})
}

// What a library refuses in a user_info is refused when the event is emitted, before it costs a
// batch.
func TestEmitRefusesTheUserInfoThatLibrariesRefuse(t *testing.T) {
	t.Parallel()
	e := start(t, hook, &endpoint{answer: delivered}, webhook.Batching{})
	for _, info := range []string{nested(98), nested(509), `{"\u0000a":1}`, strings.Repeat("9", 5000), `1e400`} {
		if err := e.Emit(webhook.MemberUpdated(appID, "presence-chat", "u1", info)); !errors.Is(err, webhook.ErrInvalidEvent) {
			t.Errorf("%.20s…: %v", info, err)
		}
	}
}
