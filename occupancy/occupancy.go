// Package occupancy tells webhooks when channels are occupied and vacated, when users join and
// leave presence channels, and how many subscribers the other channels have. It is for hosts:
// servers that know which of their connections are on which channels, and whose channels live in
// one process.
//
// A [Tracker] is told what each socket does and emits what Pusher documents for it:
//
//	the first socket joins a channel                channel_occupied
//	a user's first socket joins a presence channel  member_added
//	any socket joins or leaves another channel      subscription_count
//	a user's last socket leaves a presence channel  member_removed
//	the last socket leaves a channel                channel_vacated
//
// For one Join or Leave they are emitted in this order, so that a channel is occupied before it has
// members and vacated after it has none. Options.Debounce and Options.CountInterval of the Emitter
// work on these events as on any others.
//
// # Refused events
//
// An event that Emit refuses with webhook.ErrOverflow is not lost. The call returns an error that
// names it, and the Tracker emits it before the next events of that channel, or when
// [Tracker.Retry] is called, which a host should do once a second while there are errors, and
// before it shuts down. What is kept is the difference between what webhooks were told and what is
// so: an event and its opposite cancel out if neither was emitted, and a newer count replaces an
// older one. Arrivals that wait are of sockets that are there. Departures that wait are at most
// 100,000 in a Tracker: beyond that those of a channel are dropped, and the error says so.
//
// Events of three kinds wait apart: those of the channel, of its members, and its count. While
// there is no room for member_added, because the webhook that wants it is down, another webhook is
// still told that the channel was vacated. So a webhook that wants several kinds may get them in
// another order after a refusal.
//
// Any other error of Emit is final: the event is named in the returned error and not tried again.
package occupancy

import (
	"errors"
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/pushhooks/webhook"
)

// Emitter takes events. A *webhook.Emitter is one.
//
// Emit is called with a lock held, so that the events of a channel are emitted in the order of what
// happened: it must not wait, and must not call the Tracker. That also goes for Trace.Emitted and
// Trace.Dropped, which a *webhook.Emitter calls inside Emit, and rules out EmitWait.
type Emitter interface {
	Emit(webhook.Event) error
}

// Subscription says which socket is on which channel, and for whom.
type Subscription struct {
	AppID   string // required
	Channel string // required; its name makes it a presence channel: "presence-"…

	// SocketID names the connection. It must be unique in the Tracker, over all apps. Required.
	SocketID string

	// UserID is required to Join a presence channel. It is ignored for other channels and by Leave.
	UserID string
}

// Tracker counts the subscriptions of one process and emits an event when a channel or a user comes
// or goes. All methods may be called from many goroutines at once. Calls for different channels do
// not wait for each other, but for one in 256 pairs of channels. The zero value is not usable: see
// [New].
//
// A Tracker has no goroutine and needs no closing. A channel takes memory until no socket is on it
// and webhooks were told so; a socket, until it is on no channel.
type Tracker struct {
	emitter  Emitter
	seed     maphash.Seed
	waiting  departures
	channels [shards]channelShard
	sockets  [shards]socketShard
}

// New returns a Tracker whose events go to em, usually a *webhook.Emitter.
func New(em Emitter) *Tracker {
	t := &Tracker{emitter: em, seed: maphash.MakeSeed(), waiting: departures{limit: maxDepartures}}
	for i := range shards {
		t.channels[i].byKey = newTable[key, *channel]()
		t.channels[i].untold = newTable[*channel, struct{}]()
		t.channels[i].waiting = &t.waiting
		t.sockets[i].bySocket = newTable[string, map[*channel]*member]()
	}
	return t
}

// ErrNotJoined is returned by Join when the socket was not put on the channel: the subscription
// lacks an ID, no event can be made of it, or the socket is on the channel as another user. The
// text names the field, its value and what would be right.
var ErrNotJoined = errors.New("occupancy: not joined")

// Join puts a socket on a channel. If it is on the channel already, nothing happens.
//
// Unless the error is ErrNotJoined, the socket is on the channel, and the error names the events of
// the channel that Emit refused, and wraps Emit's errors.
func (t *Tracker) Join(s Subscription) error {
	if err := s.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrNotJoined, err)
	}
	r := round{emitter: t.emitter}
	t.channelShard(key{s.AppID, s.Channel}).join(s, t.socketShard(s.SocketID), &r)
	return r.err()
}

// Leave takes a socket off a channel. If it is not on the channel, nothing happens. The error names
// the events of the channel that Emit refused, and wraps Emit's errors; the socket is off the
// channel all the same.
func (t *Tracker) Leave(s Subscription) error {
	r := round{emitter: t.emitter}
	t.leave(key{s.AppID, s.Channel}, s.SocketID, &r)
	return r.err()
}

// Gone takes a socket off all channels, in no particular order: call it when the connection has
// ended, after the last Join of that socket has returned. The error is like that of Leave.
func (t *Tracker) Gone(socketID string) error {
	r := round{emitter: t.emitter}
	sockets := t.socketShard(socketID)
	for on := sockets.channelsOf(socketID); len(on) > 0; on = sockets.channelsOf(socketID) {
		for _, c := range on {
			t.leave(c.key, socketID, &r)
		}
	}
	return r.err()
}

// Retry emits what Emit has refused, and returns an error that names what it refuses again. A
// channel on which nothing happens any more has no other occasion to be told of.
func (t *Tracker) Retry() error {
	r := round{emitter: t.emitter}
	for i := range t.channels {
		t.channels[i].retry(&r)
	}
	return r.err()
}

// Count returns how many sockets are on a channel.
func (t *Tracker) Count(appID, channel string) int {
	k := key{appID, channel}
	return t.channelShard(k).count(k)
}

func (t *Tracker) leave(k key, socketID string, r *round) {
	t.channelShard(k).leave(k, socketID, t.socketShard(socketID), r)
}

func (t *Tracker) channelShard(k key) *channelShard {
	return &t.channels[maphash.Comparable(t.seed, k)%shards]
}

func (t *Tracker) socketShard(socketID string) *socketShard {
	return &t.sockets[maphash.String(t.seed, socketID)%shards]
}

// validate reports what no event could be made of.
func (s *Subscription) validate() error {
	if s.SocketID == "" {
		return errors.New("socket_id is empty, every subscription needs the id of its connection")
	}
	if isPresence(s.Channel) {
		return webhook.MemberAdded(s.AppID, s.Channel, s.UserID).Validate()
	}
	return webhook.ChannelOccupied(s.AppID, s.Channel).Validate()
}

func isPresence(channel string) bool { return strings.HasPrefix(channel, "presence-") }
