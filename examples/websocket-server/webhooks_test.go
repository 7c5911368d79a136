package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pushhooks/webhook/internal/nodepusher"
)

// hooks is the official library for Node as the webhooks' receiver.
type hooks struct{ *nodepusher.Receiver }

func startHooks(t *testing.T) hooks {
	t.Helper()
	return hooks{nodepusher.Start(t, nodepusher.Token{Key: testKey.Key, Secret: string(testKey.Secret)})}
}

// events returns what the library got out of all deliveries so far, which it has to find valid.
func (h hooks) events(t *testing.T) (texts []string) {
	t.Helper()
	for _, v := range h.Verdicts(t) {
		if !v.Valid {
			t.Error("the library took a delivery for forged")
		}
		for _, ev := range v.Events {
			text, err := json.Marshal(ev)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
		}
	}
	return texts
}

// Real sockets provoke each kind of event of the reference, and the official library validates it.
func TestEveryWebhookOfTheReferenceIsValidForTheOfficialLibrary(t *testing.T) {
	t.Parallel()
	h := startHooks(t)
	o, s := startOfficials(t), start(t, nil, app(h.URL))
	ann, bob := o.browse(t, s.addr, "ann", nil), o.browse(t, s.addr, "bob", nil)
	var annID string
	ann.do("socket", object{}, &annID)
	ann.join("presence-chat")
	eventually(t, "ann has connected", func() bool { ann.do("socket", object{}, &annID); return annID != "" })
	bob.join("presence-chat")
	ann.send("presence-chat", "client-typing", object{"on": true})
	bob.wait("presence-chat", "client-typing", 1)
	bob.leave("presence-chat")
	ann.wait("presence-chat", "pusher:member_removed", 1)
	ann.join("cache-news")
	bob.join("cache-news")
	ann.leave("presence-chat")
	ann.leave("cache-news")
	bob.leave("cache-news")

	want := []string{
		`{"channel":"presence-chat","name":"channel_occupied"}`,
		`{"channel":"presence-chat","name":"member_added","user_id":"ann"}`,
		`{"channel":"presence-chat","name":"member_added","user_id":"bob"}`,
		fmt.Sprintf(`{"channel":"presence-chat","data":"{\"on\":true}","event":"client-typing","name":"client_event","socket_id":%q,"user_id":"ann"}`, annID),
		`{"channel":"presence-chat","name":"member_removed","user_id":"bob"}`,
		`{"channel":"cache-news","name":"channel_occupied"}`,
		`{"channel":"cache-news","name":"subscription_count","subscription_count":1}`,
		`{"channel":"cache-news","name":"cache_miss"}`,
		`{"channel":"cache-news","name":"subscription_count","subscription_count":2}`,
		`{"channel":"cache-news","name":"cache_miss"}`,
		`{"channel":"presence-chat","name":"member_removed","user_id":"ann"}`,
		`{"channel":"presence-chat","name":"channel_vacated"}`,
		`{"channel":"cache-news","name":"subscription_count","subscription_count":1}`,
		`{"channel":"cache-news","name":"subscription_count","subscription_count":0}`,
		`{"channel":"cache-news","name":"channel_vacated"}`,
	}
	// The last Leaves are of two sockets, whose order is open: compare each channel by itself.
	eventually(t, "all webhooks have arrived", func() bool { return len(h.events(t)) >= len(want) })
	for _, channel := range []string{"presence-chat", "cache-news"} {
		got, want := of(channel, h.events(t)), of(channel, want)
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func of(channel string, events []string) string {
	var kept []string
	for _, ev := range events {
		if strings.Contains(ev, `"channel":"`+channel+`"`) {
			kept = append(kept, ev)
		}
	}
	return strings.Join(kept, "\n")
}

// A client that vanishes, and a server that ends, tell webhooks what a client does that leaves.
func TestWebhooksAreToldOfSocketsThatEnd(t *testing.T) {
	t.Parallel()
	h := startHooks(t)
	o, s := startOfficials(t), start(t, nil, app(h.URL))
	relay := newRelay(t, s.addr)
	ann, bob := o.browse(t, relay.addr(), "ann", nil), o.browse(t, s.addr, "bob", nil)
	ann.join("presence-chat")
	bob.join("presence-chat")
	relay.listener.Close() // so that ann stays away
	relay.cut()
	bob.wait("presence-chat", "pusher:member_removed", 1)
	s.stop(t)
	want := strings.Join([]string{
		`{"channel":"presence-chat","name":"channel_occupied"}`,
		`{"channel":"presence-chat","name":"member_added","user_id":"ann"}`,
		`{"channel":"presence-chat","name":"member_added","user_id":"bob"}`,
		`{"channel":"presence-chat","name":"member_removed","user_id":"ann"}`,
		`{"channel":"presence-chat","name":"member_removed","user_id":"bob"}`,
		`{"channel":"presence-chat","name":"channel_vacated"}`,
	}, "\n")
	if got := strings.Join(h.events(t), "\n"); got != want { // all is delivered when stop returns
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
