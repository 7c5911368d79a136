package webhook

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pushhooks/webhook/dispatch"
)

// stringFields is how the official .NET library reads a webhook's events.
type stringFields struct {
	Events []map[string]string `json:"events"`
}

func TestUserInfoIsAStringForWebhooksThatWantIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		a := testApp("http://dotnet.test/", "http://other.test/")
		a.Webhooks[0].UserInfoAsString = true
		e := start(t, to, apps(a), func(o *Options) { o.EventTypes = []EventType{"own"} })
		emit(t, e,
			MemberUpdated("my-app", "presence-c", "u", ` { "name" : "\u00c4nn" } `), MemberUpdated("my-app", "presence-c", "u", `[1,"\ud800"]`),
			MemberUpdated("my-app", "presence-c", "u", `"text"`), MemberUpdated("my-app", "presence-c", "u", `7`),
			MemberUpdated("my-app", "presence-c", "u", "null"), MemberUpdated("my-app", "presence-c", "u", ""),
			MemberAdded("my-app", "presence-c", "u"))
		drain(t, e)
		for _, a := range to.got() {
			var got stringFields
			err := json.Unmarshal(a.Body, &got)
			if strings.Contains(a.URL, "other") {
				if want := `"user_info":{"name":"\u00c4nn"}},`; err == nil || !strings.Contains(string(a.Body), want) {
					t.Errorf("the other webhook got %s, want %s", a.Body, want)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", a.Body, err)
			}
			want := []string{`{"name":"\u00c4nn"}`, `[1,"\ufffd"]`, "text", "7", "", "", ""}
			for i, e := range got.Events {
				if info, set := e["user_info"]; info != want[i] || set != (want[i] != "") {
					t.Errorf("event %d has user_info %q, want %q", i, info, want[i])
				}
			}
			if len(got.Events) != len(want) {
				t.Errorf("%d events, want %d", len(got.Events), len(want))
			}
			for _, e := range a.payload(t, testKey).Events[:1] {
				if e.UserInfo != `"{\"name\":\"\\u00c4nn\"}"` {
					t.Errorf("Verify returns %s", e.UserInfo)
				}
			}
		}
		if n := e.outbox.used.Load(); n != 0 || len(to.got()) != 2 {
			t.Errorf("%d bytes are still held; %d attempts", n, len(to.got()))
		}
	})
}

// The form that takes more room is the one that counts, whichever webhook has room.
func TestUserInfoThatIsTooLongAsAStringIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		a := testApp("http://dotnet.test/", "http://other.test/")
		e := start(t, to, apps(a))
		ev := MemberUpdated("my-app", "presence-c", "u", `["`+strings.Repeat(`\\`, 60_000)+`"]`)
		emit(t, e, ev)
		a.Webhooks[0].UserInfoAsString = true
		set(t, e, a)
		if err := e.Emit(ev); err == nil || !strings.Contains(err.Error(), "bytes in JSON, at most") {
			t.Errorf("got %v", err)
		}
		drain(t, e)
		if n := e.outbox.used.Load(); n != 0 {
			t.Errorf("%d bytes are still held", n)
		}
	})
}

func TestExtraIsSentBesideTheOtherFieldsAndVerified(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(dispatch.Outcome{Verdict: dispatch.TooLarge, Status: 413}, status(200))}
		a := testApp("http://receiver.test/")
		a.Webhooks[0].EventTypes = []EventType{"order_paid"}
		e := start(t, to, apps(a), func(o *Options) { o.EventTypes = []EventType{"order_paid"} })
		ev := CustomEvent("my-app", "order_paid", "orders")
		ev.Extra = ` {"total": 5.50, "items": [{"name": "a, b"}, null], "note": null} `
		emit(t, e, ev, ev)
		drain(t, e)
		want := `{"name":"order_paid","channel":"orders","total":5.50,"items":[{"name":"a, b"},null],"note":null}`
		got := to.got()
		for _, a := range got[1:] { // the halves
			if !strings.Contains(string(a.Body), `"events":[`+want+`]`) {
				t.Errorf("sent %s", a.Body)
			}
			back := a.payload(t, testKey).Events[0]
			if back.Extra != `{"total":5.50,"items":[{"name":"a, b"},null],"note":null}` {
				t.Errorf("Verify returns %q", back.Extra)
			}
			back.AppID = "my-app"
			text, err := json.Marshal(back)
			var again Event
			if err != nil || json.Unmarshal(text, &again) != nil || again != back {
				t.Errorf("%s, %v, is read as %+v", text, err, again)
			}
		}
		if len(got) != 3 {
			t.Errorf("%d attempts, want 3", len(got))
		}
	})
}

func TestAMadeUpEventIsOneThatEmitWouldTake(t *testing.T) {
	t.Parallel()
	e := start(t, &endpoint{}, func(o *Options) { o.EventTypes = []EventType{"own"} })
	for _, typ := range append(knownTypes[:len(knownTypes):len(knownTypes)], "own") {
		for _, prefix := range []string{"", "presence-cache-", "private-"} {
			a := testApp("http://receiver.test/")
			a.Webhooks[0].EventTypes, a.Webhooks[0].Filter.ChannelPrefix = []EventType{typ}, prefix
			set(t, e, a)
			ev := testEvent(e.apps.get("my-app").hooks[0])
			_, _, on := typ.rules()
			if err := ev.Validate(); (err != nil) == on.allows(ev.Channel) {
				t.Errorf("%s with prefix %q: %+v: %v", typ, prefix, ev, err)
			}
			if prefix == "" && !on.allows(ev.Channel) {
				t.Errorf("%s is made up on %s", typ, ev.Channel)
			}
		}
	}
}
