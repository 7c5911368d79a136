package webhook

import (
	"bytes"
	"encoding/json"
)

// EventType is the name of a kind of event, as a webhook's event_types and the payload write it.
type EventType string

// The event types that the library knows. A host can declare more in Options.EventTypes.
const (
	TypeChannelOccupied   EventType = "channel_occupied"
	TypeChannelVacated    EventType = "channel_vacated"
	TypeMemberAdded       EventType = "member_added"
	TypeMemberRemoved     EventType = "member_removed"
	TypeMemberUpdated     EventType = "member_updated"
	TypeClientEvent       EventType = "client_event"
	TypeCacheMiss         EventType = "cache_miss"
	TypeSubscriptionCount EventType = "subscription_count"
)

// The event types that Sockudo 5 has besides Pusher's, about AI runs, versioned messages and
// annotations. The library knows their names, so that a configuration may ask for them. Make their
// events with [CustomEvent].
const (
	TypeAIRunStarted EventType = "ai_run_started" // a run began
	TypeAIRunEnded   EventType = "ai_run_ended"   // a run ended or failed
	// the older name of ai_run_started
	TypeAITurnStarted EventType = "ai_turn_started"
	// the older name of ai_run_ended
	TypeAITurnEnded EventType = "ai_turn_ended"
	// a client asked to cancel a run
	TypeAICancelRequested EventType = "ai_cancel_requested"
	// a streaming message was cancelled
	TypeAIStreamCancelled EventType = "ai_stream_cancelled"
	// the stream of a publisher that went away was closed
	TypeAIStreamOrphaned EventType = "ai_stream_orphaned"
	// a message was created, changed, appended to or deleted
	TypeMessageVersionCreated EventType = "message_version_created"
	TypeAnnotationCreated     EventType = "annotation_created" // a message was annotated
	TypeAnnotationDeleted     EventType = "annotation_deleted" // an annotation was removed
)

// Event is something that happened on a channel. Make it with one of the constructors, such as
// [ChannelOccupied]. It is a plain comparable value.
//
// The comments name the types that a field is for. A field that is not for the event's type must be
// empty: see [Event.Validate]. Events of a type that the host declared may have any of them.
type Event struct {
	AppID   string    // the app that it belongs to; required, not sent
	Type    EventType // sent as "name"; required
	Channel string    // required
	// member events: required. client_event: set it for presence channels
	UserID   string
	UserInfo string // member_updated: any JSON text; "" or null for none
	// client_event: the client event's own name, such as "client-typing"; required
	Event string
	// client_event: what the client sent; an object's JSON text when it was an object
	Data              string
	SocketID          string // client_event: the connection that sent it
	SubscriptionCount int    // subscription_count: at least 0, which is sent too
	// types that the host declared: a JSON object's text, whose members are sent beside the other
	// fields
	Extra string
}

// ChannelOccupied says that the channel got its first subscriber.
func ChannelOccupied(appID, channel string) Event {
	return Event{AppID: appID, Type: TypeChannelOccupied, Channel: channel}
}

// ChannelVacated says that the channel lost its last subscriber.
func ChannelVacated(appID, channel string) Event {
	return Event{AppID: appID, Type: TypeChannelVacated, Channel: channel}
}

// MemberAdded says that a user joined a presence channel.
func MemberAdded(appID, channel, userID string) Event {
	return Event{AppID: appID, Type: TypeMemberAdded, Channel: channel, UserID: userID}
}

// MemberRemoved says that a user left a presence channel.
func MemberRemoved(appID, channel, userID string) Event {
	return Event{AppID: appID, Type: TypeMemberRemoved, Channel: channel, UserID: userID}
}

// MemberUpdated says that a member's information changed. userInfo is any JSON text. See
// Webhook.UserInfoAsString for receivers that cannot read an object there.
func MemberUpdated(appID, channel, userID, userInfo string) Event {
	return Event{AppID: appID, Type: TypeMemberUpdated, Channel: channel, UserID: userID, UserInfo: userInfo}
}

// ClientMessage is what a client sent on a channel, for [ClientEvent].
type ClientMessage struct {
	Name     string // the event's name, such as "client-typing"; required
	Data     string // sent as a JSON string, whatever it holds; ClientData makes it of JSON
	SocketID string // the connection that sent it
	UserID   string // presence channels: the user that sent it
}

// ClientEvent says that a client sent m on a private or presence channel.
func ClientEvent(appID, channel string, m ClientMessage) Event {
	return Event{
		AppID: appID, Type: TypeClientEvent, Channel: channel,
		Event: m.Name, Data: m.Data, SocketID: m.SocketID, UserID: m.UserID,
	}
}

// ClientData returns the text that Pusher sends as the data of a client event, made of the JSON
// that the client sent: the string itself if it is a string, and the JSON text of anything else. It
// is empty if raw is empty.
func ClientData(raw json.RawMessage) string {
	text := bytes.TrimSpace(raw)
	var s string
	if len(text) > 0 && text[0] == '"' && json.Unmarshal(text, &s) == nil {
		return s
	}
	return string(text)
}

// CacheMiss says that somebody subscribed to a cache channel that holds nothing.
func CacheMiss(appID, channel string) Event {
	return Event{AppID: appID, Type: TypeCacheMiss, Channel: channel}
}

// SubscriptionCount says how many subscribers the channel has now. Presence channels have none of
// these.
func SubscriptionCount(appID, channel string, count int) Event {
	return Event{AppID: appID, Type: TypeSubscriptionCount, Channel: channel, SubscriptionCount: count}
}

// CustomEvent is an event of a type that the host declared in Options.EventTypes. Fields may be set
// on the result; those that are not empty are sent. What the type has besides them is in Extra.
func CustomEvent(appID string, t EventType, channel string) Event {
	return Event{AppID: appID, Type: t, Channel: channel}
}
