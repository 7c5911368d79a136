package main

import (
	"encoding/json"
	"fmt"
	"testing"
)

// Every kind of channel is one that pusher-js subscribes to.
func TestPusherJSSubscribesToEveryKindOfChannel(t *testing.T) {
	t.Parallel()
	o, s := startOfficials(t), start(t, nil, app())
	ann := o.browse(t, s.addr, "ann", nil)
	for _, channel := range []string{"news", "private-room", "presence-room", "cache-news", "private-cache-news", "presence-cache-room"} {
		ann.join(channel)
		o.do(t, "trigger", merged(address(s.addr), object{"channels": []string{channel}, "event": "greet", "data": object{"to": channel}}), nil)
		if got := ann.wait(channel, "greet", 1); string(got.Data) != fmt.Sprintf(`{"to":%q}`, channel) {
			t.Errorf("%s: got %s", channel, got.Data)
		}
		if n, cache := ann.count(channel, "pusher:cache_miss"), kindOf(channel).cache; (n == 1) != cache {
			t.Errorf("%s: got %d cache misses", channel, n)
		}
	}
	bob := o.browse(t, s.addr, "bob", nil)
	for _, channel := range []string{"cache-news", "private-cache-news", "presence-cache-room"} {
		bob.join(channel)
		if got := bob.wait(channel, "greet", 1); string(got.Data) != fmt.Sprintf(`{"to":%q}`, channel) {
			t.Errorf("%s: the cached event is %s", channel, got.Data)
		}
		if n := bob.count(channel, "pusher:cache_miss"); n != 0 {
			t.Errorf("%s: got %d cache misses", channel, n)
		}
	}
}

func merged(objects ...object) object {
	all := object{}
	for _, o := range objects {
		for key, value := range o {
			all[key] = value
		}
	}
	return all
}

func TestPusherJSSeesMembersComeAndGo(t *testing.T) {
	t.Parallel()
	o, s := startOfficials(t), start(t, nil, app())
	const room = "presence-room"
	ann := o.browse(t, s.addr, "ann", nil)
	ann.join(room)
	bob := o.browse(t, s.addr, "bob", nil)
	var there struct {
		Count   int
		Members map[string]struct{ Name string }
		Me      struct{ ID string }
	}
	if err := json.Unmarshal(bob.join(room).Data, &there); err != nil {
		t.Fatal(err)
	}
	if there.Count != 2 || there.Members["ann"].Name != "The ann" || there.Me.ID != "bob" {
		t.Errorf("bob was told %+v", there)
	}
	ann.wait(room, "pusher:member_added", 1)
	again := o.browse(t, s.addr, "bob again", object{"user": "bob"})
	again.join(room)
	bob.leave(room)
	again.do("disconnect", object{}, nil)
	if got := ann.wait(room, "pusher:member_removed", 1); string(got.Data) != `{"id":"bob","info":{"name":"The bob"}}` {
		t.Errorf("got %s", got.Data)
	}
	if n := ann.count(room, "pusher:member_added"); n != 1 || ann.members(room) != "ann" {
		t.Errorf("got %d member_added, and %q is left", n, ann.members(room))
	}
}

func TestPusherJSClientEventsGoToTheOthers(t *testing.T) {
	t.Parallel()
	o, s := startOfficials(t), start(t, nil, app())
	ann, bob := o.browse(t, s.addr, "ann", nil), o.browse(t, s.addr, "bob", nil)
	for _, channel := range []string{"private-room", "presence-room"} {
		ann.join(channel)
		bob.join(channel)
		ann.send(channel, "client-typing", object{"on": true})
		got := bob.wait(channel, "client-typing", 1)
		if wantUser := map[bool]string{true: "ann"}[kindOf(channel).presence]; string(got.Data) != `{"on":true}` || got.User != wantUser {
			t.Errorf("%s: got %s of %q", channel, got.Data, got.User)
		}
		if n := ann.count(channel, "client-typing"); n != 0 {
			t.Errorf("%s: ann heard herself %d times", channel, n)
		}
	}
	ann.join("news")
	ann.send("news", "client-typing", object{})
	if got := ann.wait("", "error", 1); string(got.Data) != `{"code":null,"message":"Client events are for private and presence channels"}` {
		t.Errorf("got %s", got.Data)
	}
	for range maxRate + 1 {
		ann.send("private-room", "client-typing", object{})
	}
	ann.wait("", "error", 2) // more than ten at once
}

func TestPusherJSIsToldWhatItMayNot(t *testing.T) {
	t.Parallel()
	disabled := app()
	disabled.ID, disabled.Key, disabled.Disabled = "disabled", "disabled-key", true
	o, s := startOfficials(t), start(t, nil, app(), disabled)
	for key, want := range map[string]string{
		"no-key":       `{"code":4001,"message":"App key does not exist"}`,
		"disabled-key": `{"code":4003,"message":"The app is disabled"}`,
	} {
		nobody := o.browse(t, s.addr, key, object{"appKey": key})
		if got := nobody.wait("", "error", 1); string(got.Data) != want {
			t.Errorf("%s: got %s", key, got.Data)
		}
	}
	mallory := o.browse(t, s.addr, "mallory", object{"badSecret": "guessed"})
	for _, channel := range []string{"private-room", "presence-room", "private-cache-room"} {
		mallory.do("subscribe", object{"channel": channel}, nil)
		var refused struct{ Status int }
		got := mallory.wait(channel, "pusher:subscription_error", 1)
		if err := json.Unmarshal(got.Data, &refused); err != nil || refused.Status != 401 {
			t.Errorf("%s: got %s, %v", channel, got.Data, err)
		}
	}
	mallory.join("news") // which anybody may
}

// The network fails, and later the server is another one at the same address.
func TestPusherJSConnectsAgain(t *testing.T) {
	t.Parallel()
	o, first := startOfficials(t), start(t, nil, app())
	relay := newRelay(t, first.addr)
	ann := o.browse(t, relay.addr(), "ann", nil)
	ann.join("presence-room")

	relay.cut()
	ann.wait("presence-room", "pusher:subscription_succeeded", 2)

	second := start(t, nil, app())
	relay.lead(second.addr)
	first.stop(t)
	ann.wait("presence-room", "pusher:subscription_succeeded", 3)
	if n := second.tracker.Count("my-app", "presence-room"); n != 1 {
		t.Errorf("%d sockets are on the channel", n)
	}
	if n := first.tracker.Count("my-app", "presence-room"); n != 0 {
		t.Errorf("%d sockets are still on the channel of the first server", n)
	}
}
