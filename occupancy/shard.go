package occupancy

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/pushhooks/webhook"
)

// shards is how many locks share the channels, and how many the sockets.
const shards = 256

// channelShard is a part of the channels. Emit is called under its lock, which is what keeps the
// events of a channel in order.
type channelShard struct {
	mu      sync.Mutex
	byKey   table[key, *channel]
	untold  table[*channel, struct{}] // channels with events that Emit refused
	waiting *departures
	_       [80]byte // cache lines are fetched in pairs
}

// socketShard is a part of the sockets, and says on which channels they are. What it says of a
// channel changes under that channel's lock alone. Its own lock comes last and is held for a map
// access, so that no channel waits for an Emit of another one.
type socketShard struct {
	mu       sync.Mutex
	bySocket table[string, map[*channel]*member]
	_        [96]byte
}

func (sh *channelShard) join(s Subscription, sockets *socketShard, r *round) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	k := key{s.AppID, s.Channel}
	c := sh.byKey.m[k]
	if c == nil {
		c = newChannel(k)
		sh.byKey.set(k, c)
	} else if m, on := sockets.get(s.SocketID, c); on {
		if m != nil && m.user != s.UserID {
			r.fail(fmt.Errorf("%w: socket_id %q is on channel %q as user_id %q already, not as %q; it has to leave first",
				ErrNotJoined, s.SocketID, s.Channel, m.user, s.UserID))
		}
		return
	}
	sockets.set(s.SocketID, c, c.join(s.UserID))
	sh.settle(c, r)
}

func (sh *channelShard) leave(k key, socketID string, sockets *socketShard, r *round) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c := sh.byKey.m[k]
	if m, on := sockets.get(socketID, c); on {
		sockets.remove(socketID, c)
		c.leave(m)
		sh.settle(c, r)
	}
}

func (sh *channelShard) retry(r *round) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for c := range sh.untold.m {
		sh.settle(c, r)
	}
}

func (sh *channelShard) count(k key) int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if c := sh.byKey.m[k]; c != nil {
		return c.sockets
	}
	return 0
}

// settle tells webhooks of the channel, and files it, also when a Trace function has ended this
// goroutine.
func (sh *channelShard) settle(c *channel, r *round) {
	defer sh.file(c, r)
	c.tell(r)
}

// file notes whether events of the channel wait, drops departures if too many do, and frees the
// channel if it is empty.
func (sh *channelShard) file(c *channel, r *round) {
	if n := c.departures(); !sh.waiting.update(c, n) {
		c.forget()
		sh.waiting.update(c, 0)
		r.fail(fmt.Errorf("occupancy: departures of app %q, channel %q are dropped (events: %d), because %d wait already: %w",
			c.app, c.channel, n, sh.waiting.limit, webhook.ErrOverflow))
	}
	switch {
	case !c.told():
		sh.untold.set(c, struct{}{})
		return
	case len(sh.untold.m) > 0:
		sh.untold.remove(c)
	}
	if c.sockets == 0 {
		sh.byKey.remove(c.key)
	}
}

// get returns the member that the socket is of on the channel, and whether it is on it.
func (sh *socketShard) get(socketID string, c *channel) (m *member, on bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	m, on = sh.bySocket.m[socketID][c]
	return m, on
}

func (sh *socketShard) set(socketID string, c *channel, m *member) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	on := sh.bySocket.m[socketID]
	if on == nil {
		on = map[*channel]*member{}
		sh.bySocket.set(socketID, on)
	}
	on[c] = m
}

func (sh *socketShard) remove(socketID string, c *channel) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	on := sh.bySocket.m[socketID]
	if delete(on, c); len(on) == 0 {
		sh.bySocket.remove(socketID)
	}
}

func (sh *socketShard) channelsOf(socketID string) []*channel {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return slices.Collect(maps.Keys(sh.bySocket.m[socketID]))
}
