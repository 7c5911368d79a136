package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/pushhooks/webhook"
)

func TestKindOfChannel(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]kind{
		"news":                       {},
		"privates":                   {},
		"cache-news":                 {cache: true},
		"private-room":               {private: true},
		"private-cache-room":         {private: true, cache: true},
		"private-encrypted-room":     {private: true, encrypted: true},
		"private-encrypted-cache-x":  {private: true, encrypted: true, cache: true},
		"presence-room":              {presence: true},
		"presence-cache-room":        {presence: true, cache: true},
		"presence-encrypted-room":    {presence: true},
		"private-presence-room":      {private: true},
		"presence-private-room":      {presence: true},
		"cache-private-not-a-prefix": {cache: true},
	} {
		if got := kindOf(name); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		// The library has to see the same cache and presence channels.
		if err := webhook.CacheMiss("my-app", name).Validate(); (err == nil) != want.cache {
			t.Errorf("%s: cache is %v, and the library says %v", name, want.cache, err)
		}
		if err := webhook.MemberAdded("my-app", name, "ann").Validate(); (err == nil) != want.presence {
			t.Errorf("%s: presence is %v, and the library says %v", name, want.presence, err)
		}
	}
}

func TestConnectionIsRefusedWithACode(t *testing.T) {
	t.Parallel()
	disabled := app()
	disabled.ID, disabled.Key, disabled.Disabled = "disabled", "disabled-key", true
	s := start(t, nil, app(), disabled)
	for path, code := range map[string]int{
		"/app/my-key":                  codeNoVersion,
		"/app/my-key?protocol=x":       codeVersion,
		"/app/my-key?protocol=4":       codeVersion,
		"/app/my-key?protocol=8":       codeVersion,
		"/app/no-key?protocol=7":       codeUnknownApp,
		"/app/disabled-key?protocol=7": codeDisabled,
	} {
		c := dialRaw(t, s, path)
		var data struct{ Code int }
		if err := json.Unmarshal([]byte(c.next("pusher:error")), &data); err != nil || data.Code != code {
			t.Errorf("%s: pusher:error has %d, %v, want %d", path, data.Code, err, code)
		}
		if got := c.ends(); got != code {
			t.Errorf("%s: closed with %d, want %d", path, got, code)
		}
	}
}

// Nothing that a client says ends its connection, or is taken for something else.
func TestMessagesThatAreWrongAreAnswered(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, nil, app()), "my-key")
	c.subscribe("private-room", "")
	long := strings.Repeat("x", 250)
	for text, want := range map[string]string{
		`nonsense`:                     "pusher:error",
		`{}`:                           "pusher:error",
		`{"event":7}`:                  "pusher:error",
		`{"event":"pusher:signin"}`:    "pusher:error",
		`{"event":"message"}`:          "pusher:error",
		`{"event":"pusher:ping"}`:      "pusher:pong",
		`{"event":"pusher:subscribe"}`: "pusher:error",
		`{"event":"pusher:subscribe","data":{"channel":7}}`:                                           "pusher:error",
		`{"event":"pusher:subscribe","data":{}}`:                                                      "pusher:subscription_error",
		`{"event":"pusher:subscribe","data":{"channel":"a b"}}`:                                       "pusher:subscription_error",
		`{"event":"pusher:subscribe","data":{"channel":"a\n"}}`:                                       "pusher:subscription_error",
		`{"event":"pusher:subscribe","data":{"channel":"` + long + `"}}`:                              "pusher:subscription_error",
		`{"event":"pusher:subscribe","data":{"channel":"private-x"}}`:                                 "pusher:subscription_error",
		`{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"my-key:x"}}`:               "pusher:subscription_error",
		`{"event":"client-x","channel":"news","data":{}}`:                                             "pusher:error",
		`{"event":"client-x","channel":"private-other","data":{}}`:                                    "pusher:error",
		`{"event":"client-x","channel":"private-encrypted-x","data":{}}`:                              "pusher:error",
		`{"event":"client-` + long + `","channel":"private-room","data":{}}`:                          "pusher:error",
		`{"event":"client-x","channel":"private-room","data":"` + strings.Repeat("x", maxData) + `"}`: "pusher:error",
	} {
		c.write(text)
		if m, err := c.read(); err != nil || m.Event != want {
			t.Fatalf("%.100s: got %s %s, %v, want %s", text, m.Event, m.Data, err, want)
		}
	}
	for _, data := range []string{``, `{}`, `{"user_id":""}`, `{"user_id":null}`, `{"user_id":{}}`, `{"user_id":"` + long + `"}`, `{"user_id":"x","user_info":"` + strings.Repeat("x", maxUserInfo) + `"}`} {
		auth := testKey.Key + ":" + hmacHex(testKey.Secret, c.id+":presence-room:"+data)
		c.write(string(encode(object{"event": "pusher:subscribe", "data": object{"channel": "presence-room", "auth": auth, "channel_data": data}})))
		if got := c.next("pusher:subscription_error"); !strings.Contains(got, "channel_data") {
			t.Errorf("%.50s: got %s", data, got)
		}
	}
	c.write(c.subscription("private-room", ""))
	if got := c.next("pusher:subscription_error"); !strings.Contains(got, "Existing subscription") {
		t.Errorf("got %s", got)
	}
}

// A user_id that is a number is that number's digits, and another user may not take another's name.
func TestMemberMayHaveANumber(t *testing.T) {
	t.Parallel()
	c := dial(t, start(t, nil, app()), "my-key")
	data := `{"user_id":12345678901234567890,"user_info":{"name":"ann"}}`
	auth := testKey.Key + ":" + hmacHex(testKey.Secret, c.id+":presence-room:"+data)
	c.write(string(encode(object{"event": "pusher:subscribe", "data": object{"channel": "presence-room", "auth": auth, "channel_data": data}})))
	want := `{"presence":{"count":1,"hash":{"12345678901234567890":{"name":"ann"}},"ids":["12345678901234567890"]}}`
	if got := c.next("pusher_internal:subscription_succeeded"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLimitsOfChannelsAndMembers(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	c := dial(t, s, "my-key")
	for i := range maxChannels {
		c.subscribe(fmt.Sprint("channel-", i), "")
	}
	c.write(c.subscription("one-more", ""))
	c.next("pusher:subscription_error")
	for i := range maxMembers {
		dial(t, s, "my-key").subscribe("presence-room", fmt.Sprint("user-", i))
	}
	last := dial(t, s, "my-key")
	last.write(last.subscription("presence-room", "one more"))
	last.next("pusher:subscription_error")
	last.subscribe("presence-room", "user-7") // who is there already
}

func TestClientThatIsSilentIsPingedAndCutOff(t *testing.T) {
	t.Parallel()
	s := start(t, func(s *server) { s.activity = 50 * time.Millisecond }, app())
	c := dial(t, s, "my-key")
	c.next("pusher:ping")
	c.write(`{"event":"pusher:pong"}`)
	c.next("pusher:ping") // it was heard, so that another silence begins

	dead := &socket{
		waiting: make(chan []byte, 1), closing: make(chan *failure, 1),
		activity: time.Hour, silence: time.NewTimer(time.Hour),
	}
	dead.ping()
	if len(dead.waiting) != 1 || len(dead.closing) != 0 {
		t.Error("the first silence cuts the client off")
	}
	dead.ping()
	if f := <-dead.closing; f.code != codeNoPong {
		t.Errorf("closed with %d", f.code)
	}
}

// A client that does not read is cut off, and another one does not wait for it.
func TestSlowClientHoldsUpNobody(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	slow := dial(t, s, "my-key")
	slow.subscribe("private-room", "")
	fast := dial(t, s, "my-key")
	fast.subscribe("private-room", "")
	var got atomic.Int64
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for {
			if _, err := fast.read(); err != nil {
				return
			}
			got.Add(1)
		}
	}()
	h, data := s.byKey["my-key"], strings.Repeat("x", maxData)
	sent := int64(0)
	eventually(t, "the slow client is cut off", func() bool {
		for range 100 {
			h.publish("private-room", event{Name: "x", Data: data})
			sent++
			eventually(t, "the fast client has the event", func() bool { return got.Load() == sent })
		}
		return s.tracker.Count("my-app", "private-room") == 1
	})
	fast.ws.CloseNow()
	<-reading
}

func TestSlowClientIsToldWhyItIsCutOff(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	c := dial(t, s, "my-key")
	c.subscribe("private-room", "")
	h := s.byKey["my-key"]
	h.mu.Lock()
	text := encode(message{Event: "x", Data: encode(strings.Repeat("x", maxData))})
	for sock := h.sockets[c.id]; len(sock.closing) == 0; {
		sock.send(text) // until more waits than may
	}
	h.mu.Unlock()
	if code := c.ends(); code != codeTooSlow {
		t.Errorf("closed with %d", code)
	}
}

func TestMessageThatIsTooLargeOrNoTextEndsTheConnection(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	for name, c := range map[string]struct {
		kind websocket.MessageType
		text string
		code websocket.StatusCode
	}{
		"too large": {websocket.MessageText, strings.Repeat(" ", maxMessage+1), websocket.StatusMessageTooBig},
		"binary":    {websocket.MessageBinary, `{"event":"pusher:ping"}`, websocket.StatusUnsupportedData},
		"not UTF-8": {websocket.MessageText, "{\"event\":\"client-x\",\"data\":\"\xff\"}", websocket.StatusUnsupportedData},
	} {
		client := dial(t, s, "my-key")
		if err := client.ws.Write(t.Context(), c.kind, []byte(c.text)); err != nil {
			t.Error(err)
		}
		if got := client.ends(); got != int(c.code) {
			t.Errorf("%s: closed with %d, want %d", name, got, c.code)
		}
	}
}

func TestSocketsAreClosedSoThatClientsConnectAgainAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	c := dial(t, s, "my-key")
	code := make(chan int)
	go func() { code <- c.ends() }()
	s.stop(t)
	if got := <-code; got != codeReconnect {
		t.Errorf("closed with %d", got)
	}
	if h := s.byKey["my-key"]; h.add(&socket{id: "late"}) {
		t.Error("a socket was accepted after the shutdown")
	}
}

// A peer that never answers the close frame delays the end, and does not prevent it.
func TestShutdownEndsWithAClientThatHangs(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	fmt.Fprintf(raw, "GET /app/my-key?protocol=7 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	h := s.byKey["my-key"]
	eventually(t, "it is connected", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.sockets) == 1
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s.once = true
	s.http.Close()
	if err := s.shutdown(ctx); err != nil || ctx.Err() != nil {
		t.Errorf("got %v, %v", err, ctx.Err())
	}
}

func TestCacheForgetsWhatIsOld(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	h := s.byKey["my-key"]
	h.publish("cache-old", event{Name: "x"})
	last := h.cached["cache-old"]
	last.until = time.Now()
	h.cached["cache-old"] = last
	c := dial(t, s, "my-key")
	c.subscribe("cache-old", "")
	c.next("pusher:cache_miss")
	for i := range maxCached + 10 {
		h.publish(fmt.Sprint("cache-", i), event{Name: "x"})
	}
	if _, ok := h.cached["cache-old"]; ok || len(h.cached) != maxCached {
		t.Errorf("%d events are kept, the old one too: %v", len(h.cached), ok)
	}
	h.publish("cache-0", event{Name: "newer"})
	if last, ok := h.lastEvent("cache-0"); !ok || !strings.Contains(string(last.message), "newer") {
		t.Errorf("got %s", last.message)
	}
}
