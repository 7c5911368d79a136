package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Limits. Those of events, members and the HTTP API are Pusher's, the others are this server's own.
const (
	maxData      = 10 << 10 // bytes of an event's data
	maxEventName = 200      // bytes
	maxMembers   = 100      // users on a presence channel
	maxUserID    = 128      // bytes
	maxUserInfo  = 1 << 10  // bytes
	maxTargets   = 100      // channels of an event of the HTTP API
	maxBatch     = 10       // events in a batch of the HTTP API
	maxRate      = 10       // client events of a socket in a second

	maxMessage  = 32 << 10 // bytes of what a client sends at once
	maxBody     = 1 << 20  // bytes of a request to the HTTP API
	maxChannels = 100      // of one socket
	maxCached   = 10_000   // channels of an app whose last event is kept
	maxWaiting  = 256      // messages for a slow client

	cacheTTL     = 30 * time.Minute // of a cache channel's last event
	pongTimeout  = 30 * time.Second // for the answer to a ping
	writeTimeout = 5 * time.Second  // for one message
)

// Codes of pusher:error and of close frames. A client does not connect again after 40xx, does after
// a pause after 41xx, and at once after 42xx.
const (
	codeUnknownApp = 4001
	codeDisabled   = 4003
	codeVersion    = 4007
	codeNoVersion  = 4008
	codeForbidden  = 4009
	codeTooSlow    = 4100
	codeReconnect  = 4200
	codeNoPong     = 4201
	codeTooFast    = 4301
)

// failure is what a client, or a caller of the HTTP API, did wrong.
type failure struct {
	code int // one of the above, or a status of the HTTP API
	text string
}

func fail(code int, format string, args ...any) *failure {
	return &failure{code, fmt.Sprintf(format, args...)}
}

// message is what goes over a socket, in both directions.
type message struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel,omitempty"`
	Data    json.RawMessage `json:"data,omitempty"`
	UserID  string          `json:"user_id,omitempty"` // of a client event on a presence channel
}

type object = map[string]any

// encode returns v as JSON. It is for what package json has made itself, or what cannot fail.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// notice returns a message of the server's own. Its data is JSON in a string, as Pusher has it.
func notice(event, channel string, data any) []byte {
	return encode(message{Event: event, Channel: channel, Data: encode(string(encode(data)))})
}

// kind is what a channel's name makes of it.
type kind struct{ private, encrypted, presence, cache bool }

func kindOf(channel string) (k kind) {
	if channel, k.private = strings.CutPrefix(channel, "private-"); k.private {
		channel, k.encrypted = strings.CutPrefix(channel, "encrypted-")
	} else {
		channel, k.presence = strings.CutPrefix(channel, "presence-")
	}
	k.cache = strings.HasPrefix(channel, "cache-")
	return k
}

// channelName is what Pusher lets a channel be called.
var channelName = regexp.MustCompile(`^[A-Za-z0-9_\-=@,.;]{1,200}$`)
