package occupancy

import (
	"container/list"

	"github.com/pushhooks/webhook"
)

// key names a channel.
type key struct{ app, channel string }

// channel is what is so on a channel, and what webhooks were told of it. They differ while Emit
// refuses events.
type channel struct {
	key
	sockets int
	members *members // nil: not a presence channel

	toldOccupied bool
	toldSockets  int // by subscription_count
	waiting      int // departures, as the Tracker has counted them
}

// members are the users of a presence channel.
type members struct {
	byUser table[string, *member]
	// of *member: of whom webhooks have to be told, in the order of the changes
	untold     list.List
	departures int // of the untold, those who left
}

// member is a user who has sockets on the channel, or of whose leaving webhooks were not told.
type member struct {
	user    string
	sockets int
	told    bool          // that the user is there
	untold  *list.Element // nil: webhooks know
}

func newChannel(k key) *channel {
	c := &channel{key: k}
	if isPresence(k.channel) {
		c.members = &members{byUser: newTable[string, *member]()}
	}
	return c
}

// join adds a socket, and returns the member that it is of.
func (c *channel) join(user string) *member {
	c.sockets++
	if c.members == nil {
		return nil
	}
	m := c.members.byUser.m[user]
	if m == nil {
		m = &member{user: user}
		c.members.byUser.set(user, m)
	}
	if m.sockets++; m.sockets == 1 {
		c.members.changed(m)
	}
	return m
}

// leave removes a socket of the member.
func (c *channel) leave(m *member) {
	c.sockets--
	if m == nil {
		return
	}
	if m.sockets--; m.sockets == 0 {
		c.members.changed(m)
	}
}

// changed notes that a user came or went. Two changes of which webhooks know neither cancel out.
func (ms *members) changed(m *member) {
	if m.untold != nil {
		ms.settled(m)
		return
	}
	m.untold = ms.untold.PushBack(m)
	if m.told {
		ms.departures++
	}
}

// settled notes that there is nothing to tell of the user, and forgets one who is gone.
func (ms *members) settled(m *member) {
	ms.untold.Remove(m.untold)
	m.untold = nil
	if m.told {
		ms.departures--
	}
	if m.sockets == 0 {
		ms.byUser.remove(m.user)
	}
}

// tell emits what webhooks were not told of the channel.
func (c *channel) tell(r *round) {
	if occupied := c.sockets > 0; occupied && !c.toldOccupied {
		c.toldOccupied = r.emit(webhook.ChannelOccupied(c.app, c.channel))
	}
	if c.members != nil {
		c.tellMembers(r)
	} else if c.sockets != c.toldSockets && r.emit(webhook.SubscriptionCount(c.app, c.channel, c.sockets)) {
		c.toldSockets = c.sockets
	}
	if c.sockets == 0 && c.toldOccupied {
		c.toldOccupied = !r.emit(webhook.ChannelVacated(c.app, c.channel))
	}
}

// tellMembers stops at the first event that is refused: others would hardly fare better, and each
// Join of a channel of thousands would try them all.
func (c *channel) tellMembers(r *round) {
	for e := c.members.untold.Front(); e != nil; e = c.members.untold.Front() {
		m := e.Value.(*member)
		ev := webhook.MemberAdded(c.app, c.channel, m.user)
		if m.told {
			ev = webhook.MemberRemoved(c.app, c.channel, m.user)
		}
		if !r.emit(ev) {
			return
		}
		c.members.settled(m)
		m.told = !m.told
	}
}

// told reports whether webhooks were told all that there is to tell.
func (c *channel) told() bool {
	if c.members != nil && c.members.untold.Len() > 0 || c.members == nil && c.toldSockets != c.sockets {
		return false
	}
	return c.toldOccupied == (c.sockets > 0)
}

// departures returns how many events wait that tell of what is there no longer.
func (c *channel) departures() (n int) {
	if c.members != nil {
		n = c.members.departures
	}
	if c.sockets == 0 && c.toldOccupied {
		n++
	}
	if c.sockets == 0 && c.toldSockets > 0 {
		n++
	}
	return n
}

// forget has webhooks not be told of departures.
func (c *channel) forget() {
	if c.sockets == 0 {
		c.toldOccupied, c.toldSockets = false, 0
	}
	if c.members == nil {
		return
	}
	for e := c.members.untold.Front(); e != nil; {
		m := e.Value.(*member)
		if e = e.Next(); m.told {
			c.members.settled(m)
		}
	}
}
