package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/occupancy"
)

// hub is an app's sockets and channels. What happens on a channel is told to clients and emitted
// under one lock, so that all hear of it in one order. Nothing in there waits: a socket has a queue,
// and Emit does no I/O.
type hub struct {
	app     webhook.App
	em      *webhook.Emitter
	tracker *occupancy.Tracker
	log     *slog.Logger

	mu       sync.Mutex
	sockets  map[string]*socket  // by ID
	channels map[string]*channel // that have sockets
	cached   map[string]cached   // the last events of cache channels
	closing  bool
	serving  sync.WaitGroup // of sockets
}

type channel struct {
	sockets map[*socket]*member // nil where it is no presence channel
	members map[userID]*member
}

// cached is the last event of a cache channel.
type cached struct {
	message []byte
	data    string
	until   time.Time
}

// add reports false when the server is going down. After true, remove has to be called.
func (h *hub) add(s *socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return false
	}
	h.sockets[s.id] = s
	h.serving.Add(1)
	return true
}

// remove is the last call for a socket.
func (h *hub) remove(s *socket) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range s.channels {
		h.takeOff(s, name)
	}
	h.check(h.tracker.Gone(s.id))
	delete(h.sockets, s.id)
	h.serving.Done()
}

// close closes all sockets, and returns when their leaving was emitted.
func (h *hub) close() {
	h.mu.Lock()
	h.closing = true
	for _, s := range h.sockets {
		s.close(fail(codeReconnect, "The server is restarting"))
	}
	h.mu.Unlock()
	h.serving.Wait()
}

// check logs what Emit refused. Where there was no room, thousands of calls may say so in a second:
// server.retry tells that, and metrics count it.
func (h *hub) check(err error) {
	if err != nil && !errors.Is(err, webhook.ErrOverflow) {
		h.log.Warn("webhook events were refused", "app", h.app.ID, "error", err)
	}
}

// subscribe puts a socket on a channel.
func (h *hub) subscribe(s *socket, sub subscription) *failure {
	m, f := sub.authorize(h.app, s.id)
	if f != nil {
		return f
	}
	place := occupancy.Subscription{AppID: h.app.ID, Channel: sub.Channel, SocketID: s.id}
	if m != nil {
		place.UserID = string(m.ID)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.channels[sub.Channel]
	if c == nil {
		c = &channel{sockets: map[*socket]*member{}, members: map[userID]*member{}}
	}
	switch {
	case s.channels[sub.Channel]:
		return fail(http.StatusConflict, "Existing subscription to channel %s", sub.Channel)
	case len(s.channels) >= maxChannels:
		return fail(http.StatusForbidden, "A connection may have %d channels", maxChannels)
	case m != nil && c.members[m.ID] == nil && len(c.members) >= maxMembers:
		return fail(http.StatusForbidden, "A presence channel may have %d members", maxMembers)
	}
	err := h.tracker.Join(place)
	if errors.Is(err, occupancy.ErrNotJoined) {
		return fail(http.StatusBadRequest, "%s", err)
	}
	h.check(err)
	h.channels[sub.Channel] = c
	s.channels[sub.Channel] = true
	c.join(s, sub.Channel, m)
	h.sendCached(s, sub.Channel)
	return nil
}

// join tells the socket who is there, and the others of a user who has come.
func (c *channel) join(s *socket, name string, m *member) {
	data := object{}
	if m != nil {
		if there := c.members[m.ID]; there != nil {
			m = there
		} else {
			c.members[m.ID] = m
			c.send(nil, notice("pusher_internal:member_added", name, m))
		}
		m.sockets++
		ids, hash := []userID{}, map[userID]json.RawMessage{}
		for id, other := range c.members {
			ids, hash[id] = append(ids, id), other.Info
		}
		data["presence"] = object{"count": len(ids), "ids": ids, "hash": hash}
	}
	c.sockets[s] = m
	s.send(notice("pusher_internal:subscription_succeeded", name, data))
}

func (h *hub) unsubscribe(s *socket, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.channels[name] {
		h.takeOff(s, name)
		h.check(h.tracker.Leave(occupancy.Subscription{AppID: h.app.ID, Channel: name, SocketID: s.id}))
	}
}

// takeOff removes a socket from a channel that it is on. The Tracker has to be told besides.
func (h *hub) takeOff(s *socket, name string) {
	c := h.channels[name]
	m := c.sockets[s]
	delete(c.sockets, s)
	delete(s.channels, name)
	if m != nil {
		if m.sockets--; m.sockets == 0 {
			delete(c.members, m.ID)
			c.send(nil, notice("pusher_internal:member_removed", name, member{ID: m.ID}))
		}
	}
	if len(c.sockets) == 0 {
		delete(h.channels, name)
	}
}

// send delivers a message to all sockets but one.
func (c *channel) send(except *socket, text []byte) {
	for s := range c.sockets {
		if s != except {
			s.send(text)
		}
	}
}

// sendCached gives a new subscriber of a cache channel the last event.
func (h *hub) sendCached(s *socket, name string) {
	if !kindOf(name).cache {
		return
	}
	if last, ok := h.lastEvent(name); ok {
		s.send(last.message)
		return
	}
	s.send(encode(message{Event: "pusher:cache_miss", Channel: name}))
	h.check(h.em.Emit(webhook.CacheMiss(h.app.ID, name)))
}

func (h *hub) lastEvent(name string) (cached, bool) {
	last := h.cached[name]
	return last, time.Now().Before(last.until)
}

// clientEvent passes on what a client sent to the others of the channel.
func (h *hub) clientEvent(s *socket, m message) *failure {
	k := kindOf(m.Channel)
	switch {
	case !k.private && !k.presence || k.encrypted:
		return fail(0, "Client events are for private and presence channels")
	case len(m.Event) > maxEventName || len(m.Data) > maxData:
		return fail(0, "A client event may have a name of %d bytes and data of %d", maxEventName, maxData)
	case !s.mayEmit():
		return fail(codeTooFast, "A client may send %d events a second", maxRate)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !s.channels[m.Channel] {
		return fail(0, "The connection is not subscribed to channel %.250s", m.Channel)
	}
	c := h.channels[m.Channel]
	m.UserID = "" // is not for the client to say
	if user := c.sockets[s]; user != nil {
		m.UserID = string(user.ID)
	}
	c.send(s, encode(m))
	h.check(h.em.Emit(webhook.ClientEvent(h.app.ID, m.Channel, webhook.ClientMessage{
		Name: m.Event, Data: webhook.ClientData(m.Data), SocketID: s.id, UserID: m.UserID,
	})))
	return nil
}

// publish delivers an event of the HTTP API to a channel, and keeps it if it is a cache channel.
func (h *hub) publish(name string, e event) {
	text, now := encode(message{Event: e.Name, Channel: name, Data: encode(e.Data)}), time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if kindOf(name).cache {
		if len(h.cached) >= maxCached {
			maps.DeleteFunc(h.cached, func(_ string, c cached) bool { return now.After(c.until) })
		}
		delete(h.cached, name)
		if len(h.cached) < maxCached {
			h.cached[name] = cached{text, e.Data, now.Add(cacheTTL)}
		}
	}
	if c := h.channels[name]; c != nil {
		c.send(h.sockets[e.SocketID], text)
	}
}
