package webhook

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pushhooks/webhook/internal/strict"
)

// MarshalJSON returns the event as UnmarshalJSON reads it: what is sent, with the app's id in
// "app_id" and Extra in "extra". It fails if UserInfo is not JSON or Extra not a JSON object.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.UserInfo != "" && !json.Valid([]byte(e.UserInfo)) {
		return nil, invalidEvent("user_info is %q, it must be JSON", shorten(e.UserInfo))
	}
	if e.Extra != "" && !isObject(e.Extra) {
		return nil, invalidEvent("extra is %q, it must be a JSON object", shorten(e.Extra))
	}
	dst := []byte{'{'}
	if e.AppID != "" {
		dst = append(appendField(dst, `"app_id":`, e.AppID), ',')
	}
	dst = e.appendFields(dst, false)
	if e.Extra != "" {
		dst = appendCompact(append(dst, `,"extra":`...), e.Extra)
	}
	return append(dst, '}'), nil
}

// UnmarshalJSON reads an object with the fields app_id, name, channel, event, data, socket_id,
// user_id, user_info, subscription_count and extra, all of them optional here: [Event.Validate]
// says what is missing. null counts as absent. data may be any JSON: a string is taken as it is,
// anything else as its JSON text. user_id may be a whole number, whose digits are taken. An unknown
// field, a field that is there twice and a value of the wrong type are errors that wrap
// [ErrInvalidEvent] and name the field.
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
		"user_id":            readID(&read.UserID),
		"user_info":          func(v strict.Value) { read.UserInfo = string(v.Raw()) },
		"subscription_count": readCount(&read.SubscriptionCount),
		"extra":              readExtra(&read.Extra),
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

// readID reads a string, or a whole number as its digits: many hosts number their users.
func readID(dst *string) strict.Field {
	return func(v strict.Value) {
		switch digits := strings.TrimPrefix(string(v.Raw()), "-"); {
		case digits[0] < '0' || digits[0] > '9':
			strict.String(dst)(v)
		case strings.Trim(digits, "0123456789") != "":
			v.Fail("must be a string or a whole number, not %s", shorten(string(v.Raw())))
		default:
			*dst = string(v.Raw())
		}
	}
}

// readExtra reads an object's text; what may be in it is for Validate.
func readExtra(dst *string) strict.Field {
	return func(v strict.Value) {
		strict.Members(func(string, strict.Value) {})(v)
		*dst = string(v.Raw())
	}
}

// isObject reports whether text is a JSON object.
func isObject(text string) bool {
	return strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text))
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
