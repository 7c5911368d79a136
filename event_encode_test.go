package webhook

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendJSONWritesEachTypeAsPusherDoes(t *testing.T) {
	t.Parallel()
	presence := ClientEvent("a", "presence-c", ClientMessage{Name: "client-e", Data: `{"x":1}`, SocketID: "1.2"})
	presence.UserID = "u"
	custom := CustomEvent("a", "server_started", "c")
	full := Event{
		AppID: "a", Type: "custom", Channel: "c", Event: "e", Data: "d", SocketID: "s",
		UserID: "u", UserInfo: `{}`, SubscriptionCount: 1, Extra: " { \"a b\" : [ 1, { } ] ,\n \"c\u2028\":null } ",
	}
	bare := CustomEvent("a", "custom", "c")
	bare.Extra = " { } "
	tests := []struct {
		event Event
		want  string
	}{
		{ChannelOccupied("a", "c"), `{"name":"channel_occupied","channel":"c"}`},
		{ChannelVacated("a", "c"), `{"name":"channel_vacated","channel":"c"}`},
		{MemberAdded("a", "presence-c", "u"), `{"name":"member_added","channel":"presence-c","user_id":"u"}`},
		{MemberRemoved("a", "presence-c", "7"), `{"name":"member_removed","channel":"presence-c","user_id":"7"}`},
		{MemberUpdated("a", "presence-c", "u", ""), `{"name":"member_updated","channel":"presence-c","user_id":"u"}`},
		{
			MemberUpdated("a", "presence-c", "u", "{ \"n\" : [1, 2.50,\n null] }"),
			`{"name":"member_updated","channel":"presence-c","user_id":"u","user_info":{"n":[1,2.50,null]}}`,
		},
		{MemberUpdated("a", "presence-c", "u", " null\n"), `{"name":"member_updated","channel":"presence-c","user_id":"u"}`},
		{
			ClientEvent("a", "private-c", ClientMessage{Name: "client-e"}),
			`{"name":"client_event","channel":"private-c","event":"client-e","data":""}`,
		},
		{
			presence,
			`{"name":"client_event","channel":"presence-c","event":"client-e","data":"{\"x\":1}","socket_id":"1.2","user_id":"u"}`,
		},
		{CacheMiss("a", "cache-c"), `{"name":"cache_miss","channel":"cache-c"}`},
		{SubscriptionCount("a", "c", 0), `{"name":"subscription_count","channel":"c","subscription_count":0}`},
		{SubscriptionCount("a", "c", 1<<53+1), `{"name":"subscription_count","channel":"c","subscription_count":9007199254740993}`},
		{custom, `{"name":"server_started","channel":"c"}`},
		{full, `{"name":"custom","channel":"c","event":"e","data":"d","socket_id":"s","user_id":"u","user_info":{},"subscription_count":1,"a b":[1,{}],"c\u2028":null}`},
		{bare, `{"name":"custom","channel":"c"}`},
	}
	for _, tt := range tests {
		if err := tt.event.Validate(); err != nil {
			t.Errorf("%+v: %v", tt.event, err)
		}
		if got := string(tt.event.appendJSON(nil)); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestAppendStringEscapesWhatReceiversAndQueuesStumbleOver(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"", `""`},
		{`a"b\c`, `"a\"b\\c"`},
		{"\x00\x1f\x7f", `"\u0000\u001f\u007f"`},
		{"\n\r\t\b\f", `"\n\r\t\u0008\u000c"`},
		{"\u2028\u2029\ufffe\uffff", `"\u2028\u2029\ufffe\uffff"`},
		{"<a href='x'>&</a>", `"<a href='x'>&</a>"`},
		{"h\u00e9 \u4e16 \U0001f600", "\"h\u00e9 \u4e16 \U0001f600\""},
		{"a\xffb\xc0\xafc\xed\xa0\x80d", "\"a\ufffdb\ufffd\ufffdc\ufffd\ufffd\ufffdd\""},
		{"cut \xe4\xb8", "\"cut \ufffd\ufffd\""},
	}
	for _, tt := range tests {
		if got := string(appendString(nil, tt.in)); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

// Two lanes beside each other are enough to see a borrow that runs from one into the next.
func TestAllPlainAgreesWithTheTable(t *testing.T) {
	t.Parallel()
	for lane := range 7 {
		word := []byte("abcdefgh")
		for x := range 256 {
			for y := range 256 {
				word[lane], word[lane+1] = byte(x), byte(y)
				if got, want := allPlain(loadWord(string(word))), plain[x] && plain[y]; got != want {
					t.Fatalf("%q: got %v, want %v", word, got, want)
				}
			}
		}
	}
}

func TestAppendCompactKeepsTheValue(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{" \t\r\n{ \"a b\" : \" \\\" c \" } ", `{"a b":" \" c "}`},
		{`"\\"`, `"\\"`},
		{`["\\", " "]`, `["\\"," "]`},
		{`"\u00e9\/"`, `"\u00e9\/"`},
		{`"\ud83d\ude00"`, `"\ud83d\ude00"`},
		{`"\uD83D"`, `"\ufffd"`},
		{`"\ude00\ud83d x"`, `"\ufffd\ufffd x"`},
		{`"\ud83d\ud83d\ude00"`, `"\ufffd\ud83d\ude00"`},
		{"\"\u2028\x7f\xff\"", "\"\\u2028\\u007f\ufffd\""},
		{"9007199254740993", "9007199254740993"},
		{"null", "null"},
	}
	for _, tt := range tests {
		if got := string(appendCompact(nil, tt.in)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add("my-channel", "u1", `{"name":"x"}`, "client-e", "<&>\u2028\x7f", "1.2", 3, `{"y":1}`)
	f.Add("\xff\xfe", "\ufffe\uffff", "[1, \"\\ud800 \xff\", 2e9]", "\x00\x1f", "\"\\", "\U0001f600", 0, "{\"\\ud800\": 1, \"\xff\xff\":{}}")
	f.Fuzz(func(t *testing.T, channel, userID, userInfo, event, data, socketID string, count int, extra string) {
		e := Event{
			Type: "custom", Channel: channel, UserID: userID, UserInfo: userInfo,
			Event: event, Data: data, SocketID: socketID, SubscriptionCount: count,
		}
		if !json.Valid([]byte(userInfo)) || strings.TrimSpace(userInfo) == "null" {
			e.UserInfo = ""
		}
		if extraProblem(extra) == "" {
			e.Extra = extra
		}
		got := e.appendJSON([]byte("before"))
		got, ok := bytes.CutPrefix(got, []byte("before"))
		if !ok {
			t.Fatal("what dst held was changed")
		}
		checkText(t, got)
		checkSameValue(t, got, viaEncodingJSON(t, e))
	})
}

// checkText fails unless text is JSON that may travel anywhere.
func checkText(t *testing.T, text []byte) {
	t.Helper()
	if !json.Valid(text) {
		t.Fatalf("not JSON: %q", text)
	}
	if !utf8.Valid(text) {
		t.Fatalf("not UTF-8: %q", text)
	}
	for _, r := range string(text) {
		if mustEscape(r) {
			t.Fatalf("%U in %q", r, text)
		}
	}
}

// checkSameValue fails unless both texts decode to the same value.
func checkSameValue(t *testing.T, got, want []byte) {
	t.Helper()
	if g, w := canonical(t, got), canonical(t, want); g != w {
		t.Fatalf("got  %s\nwant %s", g, w)
	}
}

// canonical decodes text and encodes it again, so that equal values give equal texts.
func canonical(t *testing.T, text []byte) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// viaEncodingJSON encodes a custom event as encoding/json does.
func viaEncodingJSON(t testing.TB, e Event) []byte {
	t.Helper()
	out, err := json.Marshal(plainEventOf(e))
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if e.Extra == "" || json.Unmarshal([]byte(e.Extra), &members) != nil || len(members) == 0 {
		return out
	}
	rest, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return append(append(out[:len(out)-1], ','), rest[1:]...)
}

// plainEvent is an event as encoding/json would write it.
type plainEvent struct {
	Name     string          `json:"name"`
	Channel  string          `json:"channel"`
	Event    string          `json:"event,omitempty"`
	Data     string          `json:"data,omitempty"`
	SocketID string          `json:"socket_id,omitempty"`
	UserID   string          `json:"user_id,omitempty"`
	UserInfo json.RawMessage `json:"user_info,omitempty"`
	Count    int             `json:"subscription_count,omitempty"`
}

func plainEventOf(e Event) plainEvent {
	return plainEvent{
		Name: string(e.Type), Channel: e.Channel, Event: e.Event, Data: e.Data,
		SocketID: e.SocketID, UserID: e.UserID, UserInfo: json.RawMessage(e.UserInfo), Count: e.SubscriptionCount,
	}
}

// benchEvents have encodings of about 140 bytes.
func benchEvents() map[string]Event {
	client := ClientEvent("app", "private-room-0042", ClientMessage{Name: "client-typing", Data: `{"text":"hello"}`, SocketID: "1234.5678"})
	return map[string]Event{
		"member": MemberAdded("app", "presence-"+strings.Repeat("room", 12), "user-"+strings.Repeat("0042", 6)),
		"client": client,
		"utf8":   MemberAdded("app", "presence-"+strings.Repeat("r\u00e4ume", 8), "user-"+strings.Repeat("0042", 6)),
	}
}

func BenchmarkEncodeAppendJSON(b *testing.B) {
	for name, e := range benchEvents() {
		b.Run(name, func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = e.appendJSON(buf[:0])
			}
			b.ReportMetric(float64(len(buf)), "bytes")
		})
	}
}

func BenchmarkEncodeEncodingJSON(b *testing.B) {
	for name, e := range benchEvents() {
		b.Run(name, func(b *testing.B) {
			plain := plainEventOf(e)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := json.Marshal(&plain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
