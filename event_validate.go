package webhook

import (
	"fmt"
	"strings"
)

// maxEventBytes bounds what the fields of one event hold together, so that an event fits a batch of
// the default size. Its encoding may be larger, which Emit checks.
const maxEventBytes = 190 << 10

// maxChannelBytes bounds a channel's name, and so what a webhook's pattern has to look at. Pusher
// takes 164 characters, and Sockudo 200 unless it is told otherwise.
const maxChannelBytes = 4 << 10

// fieldSet says which of an event's fields, other than the three that all have, are meant.
type fieldSet uint8

const (
	fieldEvent fieldSet = 1 << iota
	fieldData
	fieldSocketID
	fieldUserID
	fieldUserInfo
	fieldSubscriptionCount
	fieldExtra

	allFields fieldSet = 1<<iota - 1
)

// fieldNames are the names of the fields in the order of their bits.
var fieldNames = [...]string{"event", "data", "socket_id", "user_id", "user_info", "subscription_count", "extra"}

// rules returns the fields that an event of type t must have, those that it may have, and the
// channels that it is for.
func (t EventType) rules() (need, may fieldSet, on channelRule) {
	switch t {
	case TypeChannelOccupied, TypeChannelVacated:
		return 0, 0, anyChannel
	case TypeCacheMiss:
		return 0, 0, cacheChannel
	case TypeMemberAdded, TypeMemberRemoved:
		return fieldUserID, fieldUserID, presenceChannel
	case TypeMemberUpdated:
		return fieldUserID, fieldUserID | fieldUserInfo, presenceChannel
	case TypeClientEvent:
		return fieldEvent, fieldEvent | fieldData | fieldSocketID | fieldUserID, guardedChannel
	case TypeSubscriptionCount:
		return 0, fieldSubscriptionCount, notPresence
	}
	return 0, allFields, anyChannel
}

// fields returns which fields are not empty.
func (e *Event) fields() (set fieldSet) {
	if e.Event != "" {
		set |= fieldEvent
	}
	if e.Data != "" {
		set |= fieldData
	}
	if e.SocketID != "" {
		set |= fieldSocketID
	}
	if e.UserID != "" {
		set |= fieldUserID
	}
	if e.UserInfo != "" {
		set |= fieldUserInfo
	}
	if e.SubscriptionCount != 0 {
		set |= fieldSubscriptionCount
	}
	if e.Extra != "" {
		set |= fieldExtra
	}
	return set
}

// size returns how many bytes the fields hold together.
func (e *Event) size() int {
	return len(e.Type) + len(e.Channel) + len(e.UserID) + len(e.UserInfo) + len(e.Event) + len(e.Data) + len(e.SocketID) + len(e.Extra)
}

// Validate reports whether Emit takes the event, as far as that depends on the event alone: AppID,
// Type and Channel are set, and of the other fields those that the type needs and none that it does
// not have; the channel is of a kind that the type is for and has at most 4,096 bytes; a client
// event's name begins with "client-"; UserInfo is JSON and Extra a JSON object, which nest at most
// 60 levels, with numbers that a float64 has, of at most 100 characters; Extra has no member twice
// and none with the name of a field; SubscriptionCount is not negative; and the fields hold at most
// 190 KiB together. Whether the type is one that the host declared is for the emitter to say.
//
// Members are added to, updated in and removed from presence channels. Client events are for
// private and presence channels, cache_miss is for cache channels, and subscription_count is for
// all but presence channels.
//
// The error wraps [ErrInvalidEvent] and names the field, its value and what would be right.
func (e Event) Validate() error { return e.validate() }

// validate is Validate without the copy, for Emit: a valid event costs a few nanoseconds.
func (e *Event) validate() error {
	need, may, on := e.Type.rules()
	set := e.fields()
	if e.AppID == "" || e.Type == "" || e.Channel == "" || len(e.Channel) > maxChannelBytes || set&need != need || set&^may != 0 || e.size() > maxEventBytes {
		return e.misfit(set, need, may)
	}
	if on != anyChannel && !on.allows(e.Channel) {
		return invalidEvent("channel is %q, %s", shorten(e.Channel), on.refusal(e.Type))
	}
	if on == guardedChannel && !strings.HasPrefix(e.Event, "client-") {
		return invalidEvent(`event is %q, the name of a client event begins with "client-"`, shorten(e.Event))
	}
	if set&(fieldSubscriptionCount|fieldUserInfo|fieldExtra) != 0 {
		return e.validateValues()
	}
	return nil
}

// misfit says which field is missing, does not belong to the type, or is too long.
func (e *Event) misfit(set, need, may fieldSet) error {
	switch {
	case e.AppID == "":
		return invalidEvent("app_id is empty, every event needs the id of its app")
	case e.Type == "":
		return invalidEvent("name is empty, every event needs its type, such as %q", TypeMemberAdded)
	case e.Channel == "":
		return invalidEvent("channel is empty, every event needs one")
	case len(e.Channel) > maxChannelBytes:
		return invalidEvent("channel is %q, %d bytes long; at most %d", shorten(e.Channel), len(e.Channel), maxChannelBytes)
	case set&need != need:
		return invalidEvent("%s is empty, %s needs it", firstField(need&^set), e.Type)
	case set&^may != 0:
		return invalidEvent("%s is set, %s does not have it", firstField(set&^may), e.Type)
	}
	return invalidEvent("its fields hold %d bytes, at most %d can be sent; channel is %q",
		e.size(), maxEventBytes, shorten(e.Channel))
}

// validateValues checks the fields that must hold more than just something.
func (e *Event) validateValues() error {
	switch {
	case e.SubscriptionCount < 0:
		return invalidEvent("subscription_count is %d, it must be at least 0", e.SubscriptionCount)
	case e.Extra != "" && e.Type.known():
		return invalidEvent("extra is set, %s does not have it: it is for types that the host declared", e.Type)
	}
	if e.UserInfo != "" {
		if problem := nestedProblem(e.UserInfo); problem != "" {
			return invalidEvent("user_info %s", problem)
		}
	}
	if e.Extra != "" {
		if problem := extraProblem(e.Extra); problem != "" {
			return invalidEvent("extra %s", problem)
		}
	}
	return nil
}

// firstField returns the name of the first field of set.
func firstField(set fieldSet) string {
	for i, name := range fieldNames {
		if set&(1<<i) != 0 {
			return name
		}
	}
	return ""
}

func invalidEvent(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalidEvent}, args...)...)
}
