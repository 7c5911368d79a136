package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
)

// socket is a client's connection. One goroutine reads, and another one writes what waits, so that
// a client that reads slowly delays no other.
type socket struct {
	id       string
	hub      *hub
	conn     *websocket.Conn
	waiting  chan []byte
	closing  chan *failure   // why it ends: the first reason counts
	channels map[string]bool // guarded by the hub's lock

	activity time.Duration // after which a silent client is pinged
	silence  *time.Timer
	pinged   atomic.Bool // since it was last heard of

	second, emitted int64 // client events in that second; the reader's
}

// serveSocket runs a connection until it ends.
func (s *server) serveSocket(w http.ResponseWriter, r *http.Request) {
	// Any page may connect, as with Pusher: what is private needs a signature, not a cookie.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // it has answered
	}
	conn.SetReadLimit(maxMessage)
	c := &socket{
		id:   fmt.Sprintf("%d.%d", rand.Uint32(), rand.Uint32()),
		conn: conn, activity: s.activity,
		waiting: make(chan []byte, maxWaiting), closing: make(chan *failure, 1),
		channels: map[string]bool{}, silence: time.NewTimer(s.activity),
	}
	h, f := s.admit(r)
	if f == nil && !h.add(c) {
		f = fail(codeReconnect, "The server is restarting")
	}
	if f != nil {
		c.end(f)
		return
	}
	defer h.remove(c)
	c.hub = h
	c.run()
}

// admit returns the hub of the app that a client asks for.
func (s *server) admit(r *http.Request) (*hub, *failure) {
	h, version := s.byKey[r.PathValue("key")], r.URL.Query().Get("protocol")
	switch n, err := strconv.Atoi(version); {
	case version == "":
		return nil, fail(codeNoVersion, "No protocol version supplied")
	case err != nil || n < 5 || n > 7:
		return nil, fail(codeVersion, "Unsupported protocol version: 5 to 7 are supported")
	case h == nil:
		return nil, fail(codeUnknownApp, "App key does not exist")
	case h.app.Disabled:
		return nil, fail(codeDisabled, "The app is disabled")
	}
	return h, nil
}

func (s *socket) run() {
	ctx, cancel := context.WithCancel(context.Background())
	written := make(chan struct{})
	s.send(notice("pusher:connection_established", "", object{
		"socket_id": s.id, "activity_timeout": int(s.activity.Seconds()),
	}))
	go func() {
		defer close(written)
		s.write(ctx)
	}()
	s.read()
	cancel()
	<-written
}

// send has a message written. It never waits: a client for which too much waits is cut off.
func (s *socket) send(text []byte) {
	select {
	case s.waiting <- text:
	default:
		s.close(fail(codeTooSlow, "The client reads too slowly"))
	}
}

// close has the connection end soon. It never waits.
func (s *socket) close(why *failure) {
	select {
	case s.closing <- why:
	default:
	}
}

// ping is called when the client was silent for long. It cuts off one that does not answer.
func (s *socket) ping() {
	if s.pinged.Swap(true) {
		s.close(fail(codeNoPong, "Pong reply not received"))
		return
	}
	s.send(notice("pusher:ping", "", object{}))
	s.silence.Reset(pongTimeout)
}

// write writes until the connection or ctx ends.
func (s *socket) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			_ = s.conn.CloseNow()
			return
		case why := <-s.closing:
			s.end(why)
			return
		case <-s.silence.C:
			s.ping()
		case text := <-s.waiting:
			if s.writeNow(text) != nil {
				_ = s.conn.CloseNow() // which ends read
				return
			}
		}
	}
}

func (s *socket) writeNow(text []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, text)
}

// end tells the client why, and closes the connection: within 15 seconds, if the client is slow.
func (s *socket) end(why *failure) {
	if s.writeNow(why.encode()) == nil {
		_ = s.conn.Close(websocket.StatusCode(why.code), why.text)
	}
	_ = s.conn.CloseNow()
}

// encode returns the failure as pusher:error, whose data is an object, unlike that of all others.
func (f *failure) encode() []byte {
	data := object{"code": nil, "message": f.text}
	if f.code != 0 {
		data["code"] = f.code
	}
	return encode(message{Event: "pusher:error", Data: encode(data)})
}

// read handles what the client sends until the connection ends.
func (s *socket) read() {
	for {
		kind, text, err := s.conn.Read(context.Background())
		if err != nil {
			return
		}
		s.pinged.Store(false)
		s.silence.Reset(s.activity)
		// Data is passed on as it is, and a browser ends a connection with text that is no UTF-8.
		if kind != websocket.MessageText || !utf8.Valid(text) {
			s.close(fail(int(websocket.StatusUnsupportedData), "Messages must be UTF-8 text"))
		} else if f := s.handle(text); f != nil {
			s.send(f.encode())
		}
	}
}

// handle does what a client asks for. A failure leaves the connection open.
func (s *socket) handle(text []byte) *failure {
	var m message
	if err := json.Unmarshal(text, &m); err != nil {
		return fail(0, "A message must be an object with event, channel and data: %s", err)
	}
	if strings.HasPrefix(m.Event, "client-") {
		return s.hub.clientEvent(s, m)
	}
	switch m.Event {
	case "pusher:ping":
		s.send(notice("pusher:pong", "", object{}))
	case "pusher:pong":
	case "pusher:subscribe", "pusher:unsubscribe":
		var sub subscription
		if err := json.Unmarshal(m.Data, &sub); err != nil {
			return fail(0, "The data must be an object with channel, auth and channel_data: %s", err)
		}
		if m.Event == "pusher:unsubscribe" {
			s.hub.unsubscribe(s, sub.Channel)
		} else if f := s.hub.subscribe(s, sub); f != nil {
			s.send(notice("pusher:subscription_error", sub.Channel, object{"type": http.StatusText(f.code), "error": f.text, "status": f.code}))
		}
	default:
		return fail(0, "Unknown event %.50q: a client's own begin with client-", m.Event)
	}
	return nil
}

// mayEmit counts a client event, and reports whether the client may send it.
func (s *socket) mayEmit() bool {
	if now := time.Now().Unix(); s.second != now {
		s.second, s.emitted = now, 0
	}
	s.emitted++
	return s.emitted <= maxRate
}
