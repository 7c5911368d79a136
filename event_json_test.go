package webhook

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestUnmarshalEventReadsEveryField(t *testing.T) {
	t.Parallel()
	const text = ` {"app_id":"a","name":"n","channel":"c","event":"e","data":"d","socket_id":"1.2","user_id":"u",
		"user_info":{"x": 1},"subscription_count":3,"extra":{"y": [2]}} `
	want := Event{
		AppID: "a", Type: "n", Channel: "c", Event: "e", Data: "d", SocketID: "1.2", UserID: "u",
		UserInfo: `{"x": 1}`, SubscriptionCount: 3, Extra: `{"y": [2]}`,
	}
	got := Event{Data: "old"}
	if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestUnmarshalEventTakesDataAsTextWhateverItIs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"{\"x\":1}"`: `{"x":1}`,
		`{"x": [1]}`:  `{"x": [1]}`,
		`[1, 2]`:      `[1, 2]`,
		`1.50`:        `1.50`,
		`true`:        `true`,
		`""`:          ``,
		`null`:        ``,
	} {
		var e Event
		if err := json.Unmarshal([]byte(`{"data":`+in+`}`), &e); err != nil || e.Data != want {
			t.Errorf("%s: got %q, %v, want %q", in, e.Data, err, want)
		}
	}
}

func TestUnmarshalEventTakesANumberAsAUsersDigits(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`7`: "7", `0`: "0", `-12`: "-12", `12345678901234567890123`: "12345678901234567890123", `"007"`: "007", `"1e3"`: "1e3",
	} {
		var e Event
		if err := json.Unmarshal([]byte(`{"user_id":`+in+`}`), &e); err != nil || e.UserID != want {
			t.Errorf("%s: got %q, %v, want %q", in, e.UserID, err, want)
		}
	}
}

func TestUnmarshalEventTakesNullAsAbsent(t *testing.T) {
	t.Parallel()
	const text = `{"app_id":null,"name":null,"channel":null,"event":null,"data":null,"socket_id":null,"user_id":null,
		"user_info":null,"subscription_count":null,"extra":null}`
	got := ChannelOccupied("a", "c")
	if err := json.Unmarshal([]byte(text), &got); err != nil || got != (Event{}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestUnmarshalEventNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"chanel":"c"}`:                    `chanel: unknown field; did you mean "channel"?`,
		`{"userId":"u"}`:                    `userId: unknown field; did you mean "user_id"?`,
		`{"time_ms":1}`:                     `time_ms: unknown field; known are app_id, `,
		`{"user_id":7.5}`:                   `user_id: must be a string or a whole number, not 7.5`,
		`{"user_id":1e3}`:                   `user_id: must be a string or a whole number, not 1e3`,
		`{"user_id":true}`:                  `user_id: must be a string, not true`,
		`{"user_id":[7]}`:                   `user_id: must be a string, not an array`,
		`{"extra":"{}"}`:                    `extra: must be an object, not a string`,
		`{"extra":{"a":1,"a":2}}`:           `extra.a: is there twice`,
		`{"channel":["c"]}`:                 `channel: must be a string, not an array`,
		`{"subscription_count":"3"}`:        `subscription_count: must be a whole number, not "3"`,
		`{"subscription_count":1.5}`:        `subscription_count: must be a whole number`,
		`{"channel":"c","channel":"d"}`:     `channel: is there twice`,
		`{"channel":7,"socket_id":{"x":1}}`: `channel: must be a string, not 7; socket_id: must be a string, not an object`,
		`[]`:                                `must be an object, not an array`,
	} {
		var e Event
		err := json.Unmarshal([]byte(in), &e)
		if !errors.Is(err, ErrInvalidEvent) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

func TestMarshalEventRefusesWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	bad := CustomEvent("a", "own", "c")
	bad.Extra = "[1]"
	for _, e := range []Event{MemberUpdated("a", "c", "u", "{"), bad} {
		if _, err := json.Marshal(e); !errors.Is(err, ErrInvalidEvent) {
			t.Errorf("got %v", err)
		}
	}
}

func FuzzEventRoundTrip(f *testing.F) {
	f.Add("a", "client_event", "private-c", "client-e", "{}", "1.2", "u", `{"x":1}`, 0, `{"y":{}}`)
	f.Add("", "subscription_count", "c\xff", "\u2028", "\x00", "<&>", "\"", `"\ud800"`, -1, "{ }")
	f.Fuzz(func(t *testing.T, appID, name, channel, event, data, socketID, userID, userInfo string, count int, extra string) {
		clean := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
		e := Event{
			AppID: clean(appID), Type: EventType(clean(name)), Channel: clean(channel), Event: clean(event),
			Data: clean(data), SocketID: clean(socketID), UserID: clean(userID), SubscriptionCount: count,
		}
		if json.Valid([]byte(userInfo)) && strings.TrimSpace(userInfo) != "null" {
			e.UserInfo = string(appendCompact(nil, userInfo))
		}
		if extraProblem(extra) == "" {
			e.Extra = string(appendCompact(nil, extra))
		}
		text, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back Event
		if err := back.UnmarshalJSON(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if back != e {
			t.Fatalf("%s:\ngot  %+v\nwant %+v", text, back, e)
		}
	})
}

// FuzzUnmarshalEvent looks for text that is read but can't be written again.
func FuzzUnmarshalEvent(f *testing.F) {
	f.Add([]byte(`{"app_id":"a","name":"client_event","channel":"c","data":{"x": 1},"user_info":[ ],"subscription_count":1}`))
	f.Add([]byte(`{"data":"\ud800","user_info":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var e, back Event
		if e.UnmarshalJSON(text) != nil {
			return
		}
		out, err := e.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		checkText(t, out)
		if err := back.UnmarshalJSON(out); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
	})
}

// FuzzScanEvent looks for text that the quick reader reads otherwise than the strict one.
func FuzzScanEvent(f *testing.F) {
	f.Add([]byte(` {"app_id":"a" , "name":"n","channel":"c\u2028","event":"","data":"{\"x\":1}"} `))
	f.Add([]byte(`{"subscription_count":12,"user_id":"\ud800","socket_id":"1.2"}`))
	f.Add([]byte(`{"data":"","data":"x"}`))
	f.Add([]byte(`{"user_id": 7 ,"data":"x"}`))
	f.Add([]byte(`{"user_id":07}`))
	f.Add([]byte(`{"subscription_count":012}`))
	f.Add([]byte("{\"data\":\"\xff\"}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := scanEvent(text)
		if !ok {
			return
		}
		if want, problems := readEvent(text); len(problems) > 0 || got != want {
			t.Fatalf("%q: got %+v, want %+v, %v", text, got, want, problems)
		}
	})
}

func TestScanEventReadsWhatProgramsWrite(t *testing.T) {
	t.Parallel()
	const text = "{ \"app_id\": \"a\", \"name\":\"client_event\",\"channel\":\"p\u00e9\",\"event\":\"client-e\",\r\n" +
		`"data":"{\"x\":\"\u2028\"}", "socket_id":"1.2","user_id":"","subscription_count":0}`
	want := ClientEvent("a", "p\u00e9", ClientMessage{Name: "client-e", Data: "{\"x\":\"\u2028\"}", SocketID: "1.2"})
	if got, ok := scanEvent([]byte(text)); !ok || got != want {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	if got, ok := scanEvent([]byte(`{"user_id": 70,"channel":"c"}`)); !ok || got != (Event{UserID: "70", Channel: "c"}) {
		t.Errorf("got %+v, %v", got, ok)
	}
}

func BenchmarkUnmarshalEvent(b *testing.B) {
	for name, text := range map[string]string{
		"plain":  `{"app_id":"my-app","name":"member_added","channel":"presence-chat","user_id":"u1"}`,
		"strict": `{"app_id":"my-app","name":"member_added","channel":"presence-chat","user_id":"u1","data":null}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var e Event
				if err := e.UnmarshalJSON([]byte(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
