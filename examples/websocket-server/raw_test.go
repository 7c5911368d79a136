package main

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/pushhooks/webhook"
)

// hmacHex is made apart from the server's own code.
func hmacHex(secret webhook.Secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

func signedQuery(k webhook.Key, method, path, body string, at time.Time) url.Values {
	text := fmt.Sprintf("auth_key=%s&auth_timestamp=%d&auth_version=1.0&body_md5=%x", k.Key, at.Unix(), md5.Sum([]byte(body)))
	query, _ := url.ParseQuery(text)
	query.Set("auth_signature", hmacHex(k.Secret, method+"\n"+path+"\n"+text))
	return query
}

// conn is a client without a library, for what libraries do not do.
type conn struct {
	t  *testing.T
	ws *websocket.Conn
	id string
}

func dialRaw(t *testing.T, s *running, path string) *conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws://"+s.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(1 << 20)
	t.Cleanup(func() { ws.CloseNow() })
	return &conn{t: t, ws: ws}
}

func dial(t *testing.T, s *running, key string) *conn {
	t.Helper()
	c := dialRaw(t, s, "/app/"+key+"?protocol=7")
	var hello struct {
		ID string `json:"socket_id"`
	}
	if err := json.Unmarshal([]byte(c.next("pusher:connection_established")), &hello); err != nil {
		t.Fatal(err)
	}
	c.id = hello.ID
	return c
}

func (c *conn) write(text string) {
	c.t.Helper()
	if err := c.ws.Write(c.t.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Error(err)
	}
}

// read returns the next message, whose data is as pusher-js has it, or the error that ended the connection.
func (c *conn) read() (m message, err error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	_, text, err := c.ws.Read(ctx)
	if err != nil {
		return message{}, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return message{}, err
	}
	var inner string
	if json.Unmarshal(m.Data, &inner) == nil {
		m.Data = json.RawMessage(inner)
	}
	return m, nil
}

// next returns the data of the next message, which has to be the event.
func (c *conn) next(event string) string {
	c.t.Helper()
	m, err := c.read()
	if err != nil || m.Event != event {
		c.t.Fatalf("got %s %s, %v, want %s", m.Event, m.Data, err, event)
	}
	return string(m.Data)
}

// ends reads until the connection ends, and returns the code.
func (c *conn) ends() int {
	c.t.Helper()
	for {
		if _, err := c.read(); err != nil {
			return int(websocket.CloseStatus(err))
		}
	}
}

// subscription returns the message that subscribes, signed for the user.
func (c *conn) subscription(channel, user string) string {
	sub := object{"channel": channel}
	text := c.id + ":" + channel
	k := kindOf(channel)
	if k.presence {
		data := fmt.Sprintf(`{"user_id":%q}`, user)
		sub["channel_data"], text = data, text+":"+data
	}
	if k.presence || k.private {
		sub["auth"] = testKey.Key + ":" + hmacHex(testKey.Secret, text)
	}
	return string(encode(object{"event": "pusher:subscribe", "data": sub}))
}

func (c *conn) subscribe(channel, user string) {
	c.t.Helper()
	c.write(c.subscription(channel, user))
	c.next("pusher_internal:subscription_succeeded")
}
