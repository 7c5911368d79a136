package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// call is a request to the HTTP API whose signature is right.
type call struct {
	*hub
	channel, prefix, info string // of the path and the query
	body                  []byte
}

// api returns a handler that answers signed requests with what do returns.
func (s *server) api(do func(call) (any, *failure)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, f := s.receive(w, r)
		var answer any
		if f == nil {
			answer, f = do(c)
		}
		if f != nil {
			http.Error(w, f.text, f.code)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(encode(answer))
	}
}

func (s *server) receive(w http.ResponseWriter, r *http.Request) (call, *failure) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	h, q := s.byID[r.PathValue("app")], r.URL.Query()
	switch {
	case err != nil:
		return call{}, fail(http.StatusRequestEntityTooLarge, "the body must have at most %d bytes", maxBody)
	case h == nil:
		return call{}, fail(http.StatusNotFound, "unknown app")
	}
	if f := checkRequest(h.app, r, body, time.Now()); f != nil {
		return call{}, f
	}
	if h.app.Disabled {
		return call{}, fail(http.StatusForbidden, "the app is disabled")
	}
	return call{h, r.PathValue("channel"), q.Get("filter_by_prefix"), q.Get("info"), body}, nil
}

// event is an event to publish.
type event struct {
	Name     string   `json:"name"`
	Data     string   `json:"data"`
	Channel  string   `json:"channel"`
	Channels []string `json:"channels"`  // instead of Channel
	SocketID string   `json:"socket_id"` // the socket that does not get it
}

// publish takes an event, or a batch of them.
func publish(c call) (any, *failure) {
	var body struct {
		event
		Batch []event `json:"batch"`
	}
	if err := json.Unmarshal(c.body, &body); err != nil {
		return nil, fail(http.StatusBadRequest, "the body must be an event or a batch: %s", err)
	}
	if body.Batch == nil {
		body.Batch = []event{body.event}
	}
	if len(body.Batch) > maxBatch {
		return nil, fail(http.StatusBadRequest, "a batch may have %d events", maxBatch)
	}
	for i := range body.Batch { // all or none
		if f := body.Batch[i].check(); f != nil {
			return nil, f
		}
	}
	for _, e := range body.Batch {
		for _, name := range e.Channels {
			c.publish(name, e)
		}
	}
	return object{}, nil
}

func (e *event) check() *failure {
	if e.Channels == nil {
		e.Channels = []string{e.Channel}
	}
	switch {
	case e.Name == "" || len(e.Name) > maxEventName || strings.HasPrefix(e.Name, "pusher"):
		return fail(http.StatusBadRequest, "name must have 1 to %d bytes and not begin with pusher", maxEventName)
	case len(e.Data) > maxData:
		return fail(http.StatusRequestEntityTooLarge, "data must have at most %d bytes", maxData)
	case len(e.Channels) > maxTargets:
		return fail(http.StatusBadRequest, "an event may have %d channels", maxTargets)
	}
	for _, name := range e.Channels {
		if !channelName.MatchString(name) {
			return fail(http.StatusBadRequest, "channel %.250q must be 1 to 200 letters, digits and _-=@,.;", name)
		}
	}
	return nil
}

func listChannels(c call) (any, *failure) {
	if c.info != "" && !kindOf(c.prefix).presence {
		return nil, fail(http.StatusBadRequest, "info needs a filter_by_prefix that begins with presence-")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	channels := object{}
	for name, ch := range c.channels {
		if strings.HasPrefix(name, c.prefix) {
			channels[name] = ch.describe(name, c.info)
		}
	}
	return object{"channels": channels}, nil
}

func showChannel(c call) (any, *failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch, occupied := c.channels[c.channel]
	answer := ch.describe(c.channel, c.info)
	answer["occupied"] = occupied
	if last, ok := c.lastEvent(c.channel); ok && strings.Contains(c.info, "cache") {
		answer["cache"] = object{"data": last.data, "ttl": int(time.Until(last.until).Seconds())}
	}
	return answer, nil
}

// describe returns those of the attributes that the channel has. A nil channel is one without
// sockets.
func (c *channel) describe(name, info string) object {
	if c == nil {
		c = &channel{}
	}
	answer := object{}
	for _, attribute := range strings.Split(info, ",") {
		switch {
		case attribute == "subscription_count":
			answer[attribute] = len(c.sockets)
		case attribute == "user_count" && kindOf(name).presence:
			answer[attribute] = len(c.members)
		}
	}
	return answer
}

func listUsers(c call) (any, *failure) {
	if !kindOf(c.channel).presence {
		return nil, fail(http.StatusBadRequest, "only presence channels have users")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	users := []object{}
	if ch := c.channels[c.channel]; ch != nil {
		for id := range ch.members {
			users = append(users, object{"id": id})
		}
	}
	return object{"users": users}, nil
}
