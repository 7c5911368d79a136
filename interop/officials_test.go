package interop

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
)

// mostAge is how far time_ms may be from the receiver's clock: Pusher's library for Python refuses
// the rest.
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

// seen is what a library that keeps everything has of an event.
func seen(t *testing.T, e webhook.Event) map[string]any {
	t.Helper()
	e.AppID = ""
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// check has the library judge every attempt, and those that were accepted bring each of the events
// once.
func check(t *testing.T, by library, attempts []attempt, events []webhook.Event) {
	t.Helper()
	var got, want []map[string]any
	for _, a := range attempts {
		v := by.judge(t, a)
		key := a.header.Get("X-Pusher-Key")
		if !v.Valid || v.Key != key || (key != oldKey.Key && key != newKey.Key) {
			t.Fatalf("got %+v\nheader %v\nbody %s", v, a.header, a.body)
		}
		if age := a.at.Sub(time.UnixMilli(v.TimeMS)); age.Abs() > mostAge {
			t.Errorf("time_ms is %d at %v: that is %v ago", v.TimeMS, a.at, age)
		}
		if a.accepted {
			got = append(got, v.Events...)
		}
	}
	for _, e := range events {
		want = append(want, by.keeps(seen(t, e)))
	}
	sortEvents(got)
	sortEvents(want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func sortEvents(events []map[string]any) {
	slices.SortFunc(events, func(a, b map[string]any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}

// checkEach checks what each library makes of the attempts.
func checkEach(t *testing.T, attempts []attempt, events []webhook.Event) {
	t.Helper()
	eachLibrary(t, func(t *testing.T, by library) { check(t, by, attempts, events) })
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

func TestOfficialLibrariesTakeEveryEventType(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		checkEach(t, tell(t, everyEvent(), b, delivered, atOnce), everyEvent())
	})
}

func TestOfficialLibrariesReadOddTexts(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		checkEach(t, tell(t, oddEvents(), b, delivered, atOnce), oddEvents())
	})
}

func TestOfficialLibrariesTakeFullBatches(t *testing.T) {
	t.Parallel()
	var events []webhook.Event
	for n := range 250 {
		events = append(events, webhook.SubscriptionCount(appID, fmt.Sprint("chat-", n), n))
	}
	attempts := tell(t, events, webhook.Batching{}, delivered, atOnce)
	checkEach(t, attempts, events)
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

func TestOfficialLibrariesTakeBothKeysOfARotation(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		var rotated time.Time
		attempts := tell(t, everyEvent(), b, down, func(t *testing.T, e *webhook.Emitter, to *endpoint) {
			time.Sleep(500 * time.Millisecond)
			rotated = time.Now()
			rotate(t, e)
			to.answers(delivered)
		})
		checkEach(t, attempts, everyEvent())
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

func TestOfficialLibrariesTakeALateRetry(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		attempts := tell(t, everyEvent(), b, down, func(_ *testing.T, _ *webhook.Emitter, to *endpoint) {
			time.Sleep(30 * time.Minute)
			to.answers(delivered)
		})
		checkEach(t, attempts, everyEvent())
		for _, a := range attempts {
			if late := a.at.Sub(attempts[0].at) > mostAge; a.accepted && !late {
				t.Errorf("accepted at %v, early", a.at)
			}
		}
	})
}

func TestOfficialLibrariesTakeAReplay(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		attempts := tell(t, everyEvent(), b, gone, func(t *testing.T, e *webhook.Emitter, to *endpoint) {
			time.Sleep(24 * time.Hour)
			to.answers(delivered)
			replayAll(t, e)
		})
		checkEach(t, attempts, everyEvent())
	})
}

func TestOfficialLibrariesTakeAReplayAfterARotation(t *testing.T) {
	t.Parallel()
	eachWay(t, func(t *testing.T, b webhook.Batching) {
		attempts := tell(t, everyEvent(), b, gone, func(t *testing.T, e *webhook.Emitter, to *endpoint) {
			time.Sleep(24 * time.Hour)
			rotate(t, e)
			to.answers(delivered)
			replayAll(t, e)
		})
		checkEach(t, attempts, everyEvent())
		for _, a := range attempts {
			if key := a.header.Get("X-Pusher-Key"); a.accepted && key != newKey.Key {
				t.Errorf("replayed with %s", key)
			}
		}
	})
}

func replayAll(t *testing.T, e *webhook.Emitter) {
	t.Helper()
	if n, err := e.Replay(t.Context(), webhook.DeadLetterQuery{}); err != nil || n == 0 {
		t.Fatalf("replayed %d: %v", n, err)
	}
}

func TestOfficialLibrariesRefuseAnyAlteration(t *testing.T) {
	t.Parallel()
	attempts := tell(t, everyEvent(), webhook.Batching{}, delivered, atOnce)
	eachLibrary(t, func(t *testing.T, by library) {
		for _, a := range attempts {
			altered := a
			altered.body = bytes.Replace(a.body, []byte("u1"), []byte("u2"), 1)
			if bytes.Equal(altered.body, a.body) || by.judge(t, altered).Valid {
				t.Errorf("taken: %s", altered.body)
			}
			foreign := a
			foreign.header = a.header.Clone()
			foreign.header.Set("X-Pusher-Key", newKey.Key)
			if by.judge(t, foreign).Valid {
				t.Error("taken with the name of another key")
			}
		}
	})
}

func TestOfficialLibrariesTakeEveryEventTypeOverASocket(t *testing.T) {
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
		checkEach(t, attempts, events)
	})
}
