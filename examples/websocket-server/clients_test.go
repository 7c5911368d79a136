package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pushhooks/webhook/internal/nodeserver"
)

//go:embed testdata/clients
var clientFiles embed.FS

// officials is a process with the official libraries.
type officials struct {
	url string
}

func startOfficials(t *testing.T) *officials {
	t.Helper()
	files, err := fs.Sub(clientFiles, "testdata/clients")
	if err != nil {
		t.Fatal(err)
	}
	credentials := encode(object{"appId": "my-app", "key": testKey.Key, "secret": string(testKey.Secret)})
	return &officials{nodeserver.Start(t, files, "PUSHER_APP="+string(credentials))}
}

// reply is what came of a command.
type reply struct {
	Result json.RawMessage
	Error  string
	Status int    // of the HTTP API, where it answered with an error
	Body   string // of that answer
}

// which leaves no connection behind
var plain = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (o *officials) try(t *testing.T, op string, args object) (r reply) {
	t.Helper()
	command := object{"op": op}
	for name, value := range args {
		command[name] = value
	}
	answer, err := plain.Post(o.url, "application/json", bytes.NewReader(encode(command)))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// do runs a command that has to succeed, and stores its result in into, if that is not nil.
func (o *officials) do(t *testing.T, op string, args object, into any) {
	t.Helper()
	r := o.try(t, op, args)
	if r.Error != "" {
		t.Fatalf("%s %v: %s %s", op, args, r.Error, r.Body)
	}
	if into != nil {
		if err := json.Unmarshal(r.Result, into); err != nil {
			t.Fatalf("%s: %s: %v", op, r.Result, err)
		}
	}
}

// browser is a pusher-js client.
type browser struct {
	t    *testing.T
	o    *officials
	name string
}

// seen is what a client got: an event of a channel, or a state of the connection.
type seen struct {
	Channel, Event, User string
	Data                 json.RawMessage
}

func address(addr string) object {
	host, port, _ := net.SplitHostPort(addr)
	return object{"host": host, "port": port}
}

// browse connects a client. more are further arguments of the command.
func (o *officials) browse(t *testing.T, addr, name string, more object) *browser {
	t.Helper()
	args := address(addr)
	args["client"], args["user"] = t.Name()+name, name
	for key, value := range more {
		args[key] = value
	}
	o.do(t, "connect", args, nil)
	t.Cleanup(func() { o.do(t, "disconnect", object{"client": t.Name() + name}, nil) })
	return &browser{t, o, t.Name() + name}
}

func (b *browser) do(op string, args object, into any) {
	b.t.Helper()
	args["client"] = b.name
	b.o.do(b.t, op, args, into)
}

func (b *browser) seen() (events []seen) {
	b.t.Helper()
	b.do("events", object{}, &events)
	return events
}

// wait returns the first event of the channel with the name, from the n-th on, when the client has
// it.
func (b *browser) wait(channel, event string, n int) seen {
	b.t.Helper()
	var found []seen
	eventually(b.t, fmt.Sprintf("%s %s for the %d. time at %s", channel, event, n, b.name), func() bool {
		found = slices.DeleteFunc(b.seen(), func(s seen) bool { return s.Channel != channel || s.Event != event })
		return len(found) >= n
	})
	return found[n-1]
}

// join subscribes, and waits until that has succeeded.
func (b *browser) join(channel string) seen {
	b.t.Helper()
	b.do("subscribe", object{"channel": channel}, nil)
	return b.wait(channel, "pusher:subscription_succeeded", 1)
}

func (b *browser) leave(channel string) {
	b.t.Helper()
	b.do("unsubscribe", object{"channel": channel}, nil)
}

func (b *browser) send(channel, event string, data any) {
	b.t.Helper()
	b.do("send", object{"channel": channel, "event": event, "data": data}, nil)
}

func (b *browser) members(channel string) string {
	b.t.Helper()
	var ids []string
	b.do("members", object{"channel": channel}, &ids)
	return strings.Join(ids, " ")
}

func (b *browser) count(channel, event string) int {
	b.t.Helper()
	return len(slices.DeleteFunc(b.seen(), func(s seen) bool { return s.Channel != channel || s.Event != event }))
}
