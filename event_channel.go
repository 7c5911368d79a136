package webhook

import (
	"fmt"
	"strings"
)

// channelRule says which channels an event type is for, as Pusher's documentation has it.
type channelRule uint8

const (
	anyChannel      channelRule = iota
	presenceChannel             // members come and go in presence channels alone
	guardedChannel              // private or presence: clients cannot send to others
	cacheChannel
	notPresence
)

// allows reports whether the channel is of a kind that the rule names.
func (r channelRule) allows(channel string) bool {
	switch r {
	case presenceChannel:
		return strings.HasPrefix(channel, "presence-")
	case guardedChannel:
		return strings.HasPrefix(channel, "private-") || strings.HasPrefix(channel, "presence-")
	case cacheChannel:
		return isCache(channel)
	case notPresence:
		return !strings.HasPrefix(channel, "presence-")
	}
	return true
}

// prefix begins the names of channels that the rule allows.
func (r channelRule) prefix() string {
	switch r {
	case presenceChannel:
		return "presence-"
	case guardedChannel:
		return "private-"
	case cacheChannel:
		return "cache-"
	}
	return ""
}

func isCache(channel string) bool {
	for _, kind := range []string{"private-encrypted-", "private-", "presence-"} {
		if rest, ok := strings.CutPrefix(channel, kind); ok {
			channel = rest
			break
		}
	}
	return strings.HasPrefix(channel, "cache-")
}

// refusal is the end of a message about an event of type t on a channel that the rule does not
// allow.
func (r channelRule) refusal(t EventType) string {
	switch r {
	case presenceChannel:
		return fmt.Sprintf(`%s is for presence channels, whose names begin with "presence-"`, t)
	case guardedChannel:
		return fmt.Sprintf(`%s is for private and presence channels, whose names begin with "private-" or "presence-"`, t)
	case cacheChannel:
		return fmt.Sprintf(`%s is for cache channels, whose names begin with "cache-", "private-cache-", "presence-cache-" or "private-encrypted-cache-"`, t)
	}
	return fmt.Sprintf("presence channels have no %s", t)
}
