package interop

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pusher/pusher-http-go/v5"

	"github.com/pushhooks/webhook"
)

// mostAge is how far time_ms may be from the receiver's clock: Pusher's library for Python refuses the rest.
const mostAge = 5 * time.Minute

func everyEvent() []webhook.Event {
	typing := webhook.ClientEvent(appID, "presence-chat", webhook.ClientMessage{Name: "client-typing", Data: `{"in":"chat"}`, SocketID: "1.2"})
	typing.UserID = "u1"
	custom := webhook.CustomEvent(appID, customType, "servers")
	custom.Data = "eu-1"
	return []webhook.Event{
		webhook.ChannelOccupied(appID, "chat"),
		webhook.ChannelVacated(appID, "private-chat"),
		webhook.MemberAdded(appID, "presence-chat", "u1"),
		webhook.MemberRemoved(appID, "presence-cache-chat", "u1"),
		webhook.MemberUpdated(appID, "presence-chat", "u1", `{"name":"Ann","n":[1.50,null]}`),
		webhook.ClientEvent(appID, "private-chat", webhook.ClientMessage{Name: "client-empty"}),
		typing,
		webhook.CacheMiss(appID, "cache-chat"),
		webhook.SubscriptionCount(appID, "chat", 0),
		webhook.SubscriptionCount(appID, "chat", 1<<31),
		custom,
	}
}

// oddTexts are what an encoder may get wrong.
var oddTexts = []string{
	`"quoted" \ back / slash`, "\b\f\n\r\t", "\x00\x01\x1f\x7f", "<script>&amp;</script>", "\u2028\u2029\u0085\ufeff",
	"\ufffd\ufffe\uffff", "Zoë Łódź 東京 עברית", "e\u0301", "👩‍👩‍👧\U0001f600\U0010ffff", `\u0041 \ud83d`, `{"a":"\u2028","b":{}}`, " ", "null",
}

// oddEvents have each of the odd texts in each field that is free.
func oddEvents() []webhook.Event {
	var events []webhook.Event
	for _, s := range oddTexts {
		client := webhook.ClientEvent(appID, "presence-"+s, webhook.ClientMessage{Name: "client-" + s, Data: s, SocketID: s})
		client.UserID = s
		events = append(events, client, webhook.MemberAdded(appID, "presence-"+s, s))
	}
	return events
}

// seen is what the official library has of an event.
func seen(e webhook.Event) pusher.WebhookEvent {
	return pusher.WebhookEvent{
		Name: string(e.Type), Channel: e.Channel, Event: e.Event, Data: e.Data, SocketID: e.SocketID, UserID: e.UserID,
	}
}

// judge gives the attempt to the official library once with each key. The one that the attempt names must do, and it alone.
func judge(t *testing.T, a attempt) *pusher.Webhook {
	t.Helper()
	var valid *pusher.Webhook
	for _, k := range []webhook.Key{oldKey, newKey} {
		client := pusher.Client{Key: k.Key, Secret: string(k.Secret)}
		got, err := client.Webhook(a.header, a.body)
		if named := a.header.Get("X-Pusher-Key") == k.Key; named != (err == nil) {
			t.Fatalf("with %s: %v\nheader %v\nbody %s", k.Key, err, a.header, a.body)
		}
		if err == nil {
			valid = got
		}
	}
	if valid == nil {
		t.Fatalf("signed with neither key: header %v", a.header)
	}
	if age := a.at.Sub(time.UnixMilli(int64(valid.TimeMs))); age.Abs() > mostAge {
		t.Errorf("time_ms is %d at %v: that is %v ago", valid.TimeMs, a.at, age)
	}
	return valid
}

// check has every attempt judged, and those that were accepted bring each of the events once.
func check(t *testing.T, attempts []attempt, events []webhook.Event) {
	t.Helper()
	var got, want []pusher.WebhookEvent
	for _, a := range attempts {
		if valid := judge(t, a); a.accepted {
			got = append(got, valid.Events...)
		}
	}
	for _, e := range events {
		want = append(want, seen(e))
	}
	sortEvents(got)
	sortEvents(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func sortEvents(events []pusher.WebhookEvent) {
	slices.SortFunc(events, func(a, b pusher.WebhookEvent) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// eachWay runs the test with events that travel together, and with each of them alone.
func eachWay(t *testing.T, f func(t *testing.T, b webhook.Batching)) {
	t.Helper()
	for _, alone := range []bool{false, true} {
		t.Run(fmt.Sprint("alone ", alone), func(t *testing.T) {
			t.Parallel()
			f(t, webhook.Batching{Disabled: alone})
		})
	}
}

func atOnce(*testing.T, *webhook.Emitter, *endpoint) {}

func TestTheOfficialGoLibraryTakesEveryEventType(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		check(t, tell(t, everyEvent(), b, delivered, atOnce), everyEvent())
	})
}

func TestTheOfficialGoLibraryReadsOddTexts(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		check(t, tell(t, oddEvents(), b, delivered, atOnce), oddEvents())
	})
}

func TestTheOfficialGoLibraryTakesFullBatches(t *testing.T) {
	t.Parallel()
	var events []webhook.Event
	for n := range 250 {
		events = append(events, webhook.SubscriptionCount(appID, fmt.Sprint("chat-", n), n))
	}
	attempts := tell(t, events, webhook.Batching{}, delivered, atOnce)
	check(t, attempts, events)
	if len(attempts) != 3 {
		t.Errorf("%d requests, want 3", len(attempts))
	}
}

func rotate(t *testing.T, e *webhook.Emitter) {
	t.Helper()
	if err := e.SetApp(app(hook, newKey, oldKey)); err != nil {
		t.Fatal(err)
	}
}

func TestTheOfficialGoLibraryTakesBothKeysOfARotation(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		var rotated time.Time
		attempts := tell(t, everyEvent(), b, down, func(t *testing.T, e *webhook.Emitter, to *endpoint) {
			time.Sleep(500 * time.Millisecond)
			rotated = time.Now()
			rotate(t, e)
			to.answers(delivered)
		})
		check(t, attempts, everyEvent())
		for _, a := range attempts {
			want := oldKey.Key
			if a.at.After(rotated) {
				want = newKey.Key
			}
			if key := a.header.Get("X-Pusher-Key"); key != want || a.accepted != a.at.After(rotated) {
				t.Errorf("accepted %t, signed with %s, want %s", a.accepted, key, want)
			}
		}
	})
}

func TestTheOfficialGoLibraryTakesALateRetry(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		attempts := tell(t, everyEvent(), b, down, func(_ *testing.T, _ *webhook.Emitter, to *endpoint) {
			time.Sleep(30 * time.Minute)
			to.answers(delivered)
		})
		check(t, attempts, everyEvent())
		for _, a := range attempts {
			if late := a.at.Sub(attempts[0].at) > mostAge; a.accepted && !late {
				t.Errorf("accepted at %v, early", a.at)
			}
		}
	})
}

func TestTheOfficialGoLibraryTakesAReplay(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		attempts := tell(t, everyEvent(), b, gone, func(t *testing.T, e *webhook.Emitter, to *endpoint) {
			time.Sleep(24 * time.Hour)
			to.answers(delivered)
			replayAll(t, e)
		})
		check(t, attempts, everyEvent())
	})
}

func TestTheOfficialGoLibraryTakesAReplayAfterARotation(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		attempts := tell(t, everyEvent(), b, gone, func(t *testing.T, e *webhook.Emitter, to *endpoint) {
			time.Sleep(24 * time.Hour)
			rotate(t, e)
			to.answers(delivered)
			replayAll(t, e)
		})
		check(t, attempts, everyEvent())
		for _, a := range attempts {
			if key := a.header.Get("X-Pusher-Key"); a.accepted && key != newKey.Key {
				t.Errorf("replayed with %s", key)
			}
		}
	})
}

func replayAll(t *testing.T, e *webhook.Emitter) {
	t.Helper()
	if n, err := e.ReplayAll(t.Context()); err != nil || n == 0 {
		t.Fatalf("replayed %d: %v", n, err)
	}
}

func TestTheOfficialGoLibraryRefusesAnyAlteration(t *testing.T) {
	t.Parallel()
	client := pusher.Client{Key: oldKey.Key, Secret: string(oldKey.Secret)}
	for _, a := range tell(t, everyEvent(), webhook.Batching{}, delivered, atOnce) {
		altered := bytes.Replace(a.body, []byte("u1"), []byte("u2"), 1)
		if _, err := client.Webhook(a.header, altered); err == nil || bytes.Equal(altered, a.body) {
			t.Errorf("taken: %s", altered)
		}
	}
}

func TestTheOfficialGoLibraryTakesEveryEventTypeOverASocket(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		var mu sync.Mutex
		var attempts []attempt
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			attempts = append(attempts, attempt{r.Header, body, time.Now(), true})
		}))
		t.Cleanup(server.Close)
		events := append(everyEvent(), oddEvents()...)
		e := start(t, server.URL, nil, b)
		emit(t, e, events)
		finish(t, e)
		server.Close()
		check(t, attempts, events)
	})
}
