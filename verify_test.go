package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// signedHeader returns the headers of a delivery of body.
func signedHeader(body []byte, key, secret string) http.Header {
	h := http.Header{}
	h.Set("X-Pusher-Key", key)
	h.Set("X-Pusher-Signature", string(newSigner(Secret(secret)).appendSignature(nil, body)))
	return h
}

// payloadOf returns a payload with the events.
func payloadOf(timeMS int64, events ...Event) []byte {
	body := strconv.AppendInt([]byte(`{"time_ms":`), timeMS, 10)
	body = append(body, `,"events":[`...)
	for i := range events {
		if i > 0 {
			body = append(body, ',')
		}
		body = events[i].appendJSON(body)
	}
	return append(body, `]}`...)
}

// everyEvent is an event of each type, with an empty app id, as a receiver sees it.
func everyEvent() []Event {
	client := ClientEvent("", "presence-c", ClientMessage{Name: "client-e", Data: "{\"x\":\"\u2028<&>\"}", SocketID: "1.2"})
	client.UserID = "u"
	custom := CustomEvent("", "server_started", "c")
	custom.Extra = `{"by":{"name":"\u00c4nn"},"on":null}`
	return []Event{
		ChannelOccupied("", "c"),
		ChannelVacated("", "c"),
		MemberAdded("", "presence-c", "u"),
		MemberRemoved("", "presence-c", "u"),
		MemberUpdated("", "presence-c", "u", `{"n":1}`),
		client,
		CacheMiss("", "cache-c"),
		SubscriptionCount("", "c", 0),
		custom,
	}
}

func TestVerifyReturnsTheEvents(t *testing.T) {
	t.Parallel()
	want := everyEvent()
	body := payloadOf(1707744000000, want...)
	p, err := Verify(body, signedHeader(body, "k2", "s2"), Key{"k1", "s1"}, Key{"k2", "s2"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Events, want) {
		t.Errorf("got %+v\nwant %+v", p.Events, want)
	}
	if p.Key != "k2" || p.TimeMS != 1707744000000 || !p.Time().Equal(time.UnixMilli(1707744000000)) || !bytes.Equal(p.Body, body) {
		t.Errorf("got %+v", p)
	}
}

func TestVerifyTakesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	body := []byte(`{"time_ms":1,"extra":{},"events":[{"name":"new","channel":"c","colour":1},
		{"name":"client_event","channel":"c","data":{"x":1},"user_id":7,"user_info":null,"socket_id":null}]}`)
	p, err := Verify(body, signedHeader(body, "k", "s"), Key{"k", "s"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{
		{Type: "new", Channel: "c", Extra: `{"colour":1}`},
		{Type: TypeClientEvent, Channel: "c", Data: `{"x":1}`, UserID: "7"},
	}
	if !slices.Equal(p.Events, want) {
		t.Errorf("got %+v\nwant %+v", p.Events, want)
	}
}

func TestVerifyTakesUpperCaseSignatures(t *testing.T) {
	t.Parallel()
	v := pusherVectors[0]
	h := http.Header{"X-Pusher-Key": {"k"}, "X-Pusher-Signature": {strings.ToUpper(v.signature)}}
	if _, err := Verify([]byte(v.body), h, Key{"k", Secret(v.secret)}); err != nil {
		t.Error(err)
	}
}

func TestVerifyTriesEverySecretOfAKey(t *testing.T) {
	t.Parallel()
	body := payloadOf(1)
	if _, err := Verify(body, signedHeader(body, "k", "new"), Key{"k", "old"}, Key{"k", "new"}); err != nil {
		t.Error(err)
	}
}

func TestVerifyTellsWhyItRefuses(t *testing.T) {
	t.Parallel()
	body := payloadOf(1, ChannelOccupied("", "c"))
	good := signedHeader(body, "k", "s")
	without := func(name string) http.Header {
		h := good.Clone()
		h.Del(name)
		return h
	}
	twice := good.Clone()
	twice.Add("X-Pusher-Key", "k")
	notJSON, wrongType := []byte(`{"time_ms"`), []byte(`{"time_ms":1,"events":{}}`)
	tests := []struct {
		name   string
		body   []byte
		header http.Header
		keys   []Key
		want   error
	}{
		{"no key", body, without("X-Pusher-Key"), []Key{{"k", "s"}}, ErrUnsigned},
		{"no signature", body, without("X-Pusher-Signature"), []Key{{"k", "s"}}, ErrUnsigned},
		{"two keys", body, twice, []Key{{"k", "s"}}, ErrUnsigned},
		{"no known key", body, good, nil, ErrUnknownKey},
		{"another key", body, good, []Key{{"other", "s"}}, ErrUnknownKey},
		{"an empty secret", body, signedHeader(body, "k", ""), []Key{{"k", ""}}, ErrUnknownKey},
		{"an empty key", body, signedHeader(body, "", "s"), []Key{{"", "s"}}, ErrUnknownKey},
		{"another secret", body, good, []Key{{"k", "other"}}, ErrBadSignature},
		{"an altered body", append(body[:len(body):len(body)], ' '), good, []Key{{"k", "s"}}, ErrBadSignature},
		{"no JSON", notJSON, signedHeader(notJSON, "k", "s"), []Key{{"k", "s"}}, ErrBadPayload},
		{"no payload", wrongType, signedHeader(wrongType, "k", "s"), []Key{{"k", "s"}}, ErrBadPayload},
	}
	for _, tt := range tests {
		p, err := Verify(tt.body, tt.header, tt.keys...)
		if !errors.Is(err, tt.want) || p != nil {
			t.Errorf("%s: got %v, %v, want %v", tt.name, p, err, tt.want)
		}
	}
}

func TestReceiverRefusesWhatIsTooOldOrFromTheFuture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rc := Receiver{Keys: []Key{{"k", "s"}}, MaxAge: 5 * time.Minute}
		for age, want := range map[time.Duration]error{
			0:                            nil,
			5 * time.Minute:              nil,
			5*time.Minute + time.Second:  ErrStale,
			-5 * time.Minute:             nil,
			-5*time.Minute - time.Second: ErrStale,
		} {
			body := payloadOf(time.Now().Add(-age).UnixMilli())
			if _, err := rc.Verify(body, signedHeader(body, "k", "s")); !errors.Is(err, want) {
				t.Errorf("%v old: got %v, want %v", age, err, want)
			}
		}
	})
}

// serve gives one request to a receiver's handler and returns the answer and what next got.
func serve(rc *Receiver, r *http.Request) (answer *httptest.ResponseRecorder, got *Payload) {
	answer = httptest.NewRecorder()
	rc.Handler(func(w http.ResponseWriter, _ *http.Request, p *Payload) {
		got = p
		w.WriteHeader(http.StatusNoContent)
	}).ServeHTTP(answer, r)
	return answer, got
}

func post(body []byte, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	r.Header = header
	return r
}

func TestHandlerHandsDeliveriesOn(t *testing.T) {
	t.Parallel()
	body := payloadOf(1, everyEvent()...)
	answer, got := serve(&Receiver{Keys: []Key{{"k", "s"}}}, post(body, signedHeader(body, "k", "s")))
	if answer.Code != http.StatusNoContent || got == nil || !slices.Equal(got.Events, everyEvent()) {
		t.Errorf("got %d, %+v", answer.Code, got)
	}
}

func TestHandlerRejectsWithAClearStatus(t *testing.T) {
	t.Parallel()
	body := payloadOf(1, ChannelOccupied("", "c"))
	good := signedHeader(body, "k", "s")
	broken := post(body, good)
	broken.Body = io.NopCloser(iotest.ErrReader(errors.New("connection lost")))
	tests := []struct {
		name    string
		request *http.Request
		status  int
		text    string
	}{
		{"a GET", httptest.NewRequest(http.MethodGet, "/", nil), http.StatusMethodNotAllowed, "POST"},
		{"a large body", post(append(body, bytes.Repeat([]byte(" "), 100)...), good), http.StatusRequestEntityTooLarge, "too large"},
		{"no signature", post(body, http.Header{}), http.StatusUnauthorized, "not signed"},
		{"an unknown key", post(body, signedHeader(body, "x", "s")), http.StatusUnauthorized, "unknown key: \"x\""},
		{"a bad signature", post(body, signedHeader(body, "k", "x")), http.StatusUnauthorized, "bad signature"},
		{"no payload", post([]byte("[]"), signedHeader([]byte("[]"), "k", "s")), http.StatusBadRequest, "not a payload"},
		{"a lost connection", broken, http.StatusBadRequest, "connection lost"},
	}
	for _, tt := range tests {
		answer, got := serve(&Receiver{Keys: []Key{{"k", "s"}}, MaxBody: int64(len(body))}, tt.request)
		if answer.Code != tt.status || !strings.Contains(answer.Body.String(), tt.text) || got != nil {
			t.Errorf("%s: got %d %q, want %d %q", tt.name, answer.Code, answer.Body, tt.status, tt.text)
		}
	}
}

func TestHandlerReadsNoMoreThanTheBound(t *testing.T) {
	t.Parallel()
	endless := &countingReader{}
	r := httptest.NewRequest(http.MethodPost, "/", endless)
	answer, _ := serve(&Receiver{Keys: []Key{{"k", "s"}}}, r)
	if answer.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", answer.Code)
	}
	if endless.n > 1<<20+1 {
		t.Errorf("%d bytes were read", endless.n)
	}
}

// countingReader gives zeros without an end and counts them.
type countingReader struct{ n int }

func (c *countingReader) Read(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}

// Whatever an event holds, its signature holds at the receiver, which reads what was meant.
func FuzzFault42SignedIsWhatIsVerified(f *testing.F) {
	f.Add("c\u2028<&>\"", "\xff\xfe", "9007199254740993", "k", "s")
	f.Fuzz(func(t *testing.T, channel, data, userInfo, key, secret string) {
		if key == "" || secret == "" {
			return
		}
		e := CustomEvent("", "own", channel)
		e.Data = data
		if json.Valid([]byte(userInfo)) {
			e.UserInfo = userInfo
		}
		body := payloadOf(1, e)
		p, err := Verify(body, signedHeader(body, key, secret), Key{key, Secret(secret)})
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		got := p.Events[0]
		if got.Channel != decoded(channel) || got.Data != decoded(data) {
			t.Fatalf("got %+v, want %+v", got, e)
		}
	})
}

// decoded returns s as a receiver reads it: what was not UTF-8 is replaced.
func decoded(s string) string { return string([]rune(s)) }
