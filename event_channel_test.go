package webhook

import (
	"errors"
	"strings"
	"testing"
)

func TestEventTypesGoWithTheirKindsOfChannel(t *testing.T) {
	t.Parallel()
	kinds := []string{
		"chat", "private-chat", "presence-chat", "cache-chat", "private-cache-chat", "presence-cache-chat",
		"private-encrypted-chat", "private-encrypted-cache-chat",
	}
	const presence, guarded, cache, all = "presence-chat presence-cache-chat",
		"private-chat presence-chat private-cache-chat presence-cache-chat private-encrypted-chat private-encrypted-cache-chat",
		"cache-chat private-cache-chat presence-cache-chat private-encrypted-cache-chat", "all"
	tests := []struct {
		event       Event
		takes, want string
	}{
		{ChannelOccupied("a", ""), all, ""},
		{ChannelVacated("a", ""), all, ""},
		{MemberAdded("a", "", "u"), presence, `member_added is for presence channels, whose names begin with "presence-"`},
		{MemberRemoved("a", "", "u"), presence, `member_removed is for presence channels`},
		{MemberUpdated("a", "", "u", "{}"), presence, `member_updated is for presence channels`},
		{ClientEvent("a", "", ClientMessage{Name: "client-x"}), guarded, `client_event is for private and presence channels, whose names begin with "private-" or "presence-"`},
		{CacheMiss("a", ""), cache, `cache_miss is for cache channels, whose names begin with "cache-", "private-cache-", "presence-cache-" or "private-encrypted-cache-"`},
		{SubscriptionCount("a", "", 1), "chat private-chat cache-chat private-cache-chat private-encrypted-chat private-encrypted-cache-chat", `presence channels have no subscription_count`},
		{CustomEvent("a", "own", ""), all, ""},
		{CustomEvent("a", TypeAIRunStarted, ""), all, ""},
	}
	for _, tt := range tests {
		for _, channel := range kinds {
			tt.event.Channel = channel
			err := tt.event.Validate()
			if tt.takes == all || strings.Contains(" "+tt.takes+" ", " "+channel+" ") {
				if err != nil {
					t.Errorf("%s on %s: %v", tt.event.Type, channel, err)
				}
				continue
			}
			if want := `channel is "` + channel + `", ` + tt.want; !errors.Is(err, ErrInvalidEvent) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s on %s: got %v, want %s", tt.event.Type, channel, err, want)
			}
		}
	}
	for _, name := range []string{"typing", "Client-typing", "pusher:subscribe", "client", " client-x"} {
		err := ClientEvent("a", "private-c", ClientMessage{Name: name}).Validate()
		if want := `event is "` + name + `", the name of a client event begins with "client-"`; !errors.Is(err, ErrInvalidEvent) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	own := CustomEvent("a", "own", "c")
	own.Event = "anything"
	if err := own.Validate(); err != nil {
		t.Error(err)
	}
}
