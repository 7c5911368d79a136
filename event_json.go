package webhook

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pushhooks/webhook/internal/strict"
)

// MarshalJSON returns the event as UnmarshalJSON reads it: what is sent, with the app's id in "app_id". It fails
// if UserInfo is not JSON.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.UserInfo != "" && !json.Valid([]byte(e.UserInfo)) {
		return nil, invalidEvent("user_info is %q, it must be JSON", shorten(e.UserInfo))
	}
	dst := []byte{'{'}
	if e.AppID != "" {
		dst = append(appendField(dst, `"app_id":`, e.AppID), ',')
	}
	return append(e.appendFields(dst), '}'), nil
}

// UnmarshalJSON reads an object with the fields app_id, name, channel, event, data, socket_id, user_id, user_info and
// subscription_count, all of them optional here: [Event.Validate] says what is missing. null is as good as absent. data may be
// any JSON: a string is taken as it is, anything else as its JSON text. An unknown field, a field that is there twice and a
// value of the wrong type are errors that wrap [ErrInvalidEvent] and name the field.
func (e *Event) UnmarshalJSON(text []byte) error {
	if read, ok := scanEvent(text); ok {
		*e = read
		return nil
	}
	read, problems := readEvent(text)
	if len(problems) > 0 {
		return invalidJSON(problems)
	}
	*e = read
	return nil
}

// readEvent reads an event and finds every mistake.
func readEvent(text []byte) (read Event, problems []strict.Problem) {
	problems = strict.Read(text, strict.Object{
		"app_id":             strict.String(&read.AppID),
		"name":               strict.String(&read.Type),
		"channel":            strict.String(&read.Channel),
		"event":              strict.String(&read.Event),
		"data":               readData(&read.Data),
		"socket_id":          strict.String(&read.SocketID),
		"user_id":            strict.String(&read.UserID),
		"user_info":          func(v strict.Value) { read.UserInfo = string(v.Raw()) },
		"subscription_count": readCount(&read.SubscriptionCount),
	}.Read)
	return read, problems
}

// readData reads a string as it is and anything else as its text.
func readData(dst *string) strict.Field {
	return func(v strict.Value) {
		if v.Raw()[0] == '"' {
			strict.String(dst)(v)
			return
		}
		*dst = string(v.Raw())
	}
}

// readCount reads a whole number of any size that an int has; what it must not be is for Validate.
func readCount(dst *int) strict.Field {
	return func(v strict.Value) {
		if json.Unmarshal(v.Raw(), dst) != nil {
			v.Fail("must be a whole number, not %s", shorten(string(v.Raw())))
		}
	}
}

// invalidJSON makes one error of all mistakes in an event's text.
func invalidJSON(problems []strict.Problem) error {
	var b strings.Builder
	for i, p := range problems {
		if i > 0 {
			b.WriteString("; ")
		}
		if p.Path != "" {
			b.WriteString(p.Path + ": ")
		}
		b.WriteString(p.Message)
	}
	return fmt.Errorf("%w: %s", ErrInvalidEvent, b.String())
}
