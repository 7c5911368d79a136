package webhook

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// scanEvent reads an event in the form that most programs write: an object with known fields, each
// there once, that are strings, and a count and a user_id of plain digits. Of all else, valid or
// not, it says that it can't, and package strict has to read it; that takes more than ten times as
// long, which matters to a host that reads many events from a pipe.
func scanEvent(text []byte) (e Event, ok bool) {
	s := scanner{rest: text}
	var seen uint16
	s.take('{')
	for more := true; more; more = s.skip(',') {
		name := s.text()
		s.take(':')
		dst, bit := e.field(name)
		if bit == 0 || seen&bit != 0 {
			return Event{}, false
		}
		seen |= bit
		switch {
		case dst == nil:
			e.SubscriptionCount = s.count()
		case dst == &e.UserID && s.atDigit():
			e.UserID = s.digits()
		default:
			*dst = s.text()
		}
	}
	s.take('}')
	return e, s.atEnd()
}

// field returns where to put the field's text, and a bit of its own; no pointer for the count, and
// no bit for a field that is not known.
func (e *Event) field(name string) (dst *string, bit uint16) {
	switch name {
	case "app_id":
		return &e.AppID, 1 << 0
	case "name":
		return (*string)(&e.Type), 1 << 1
	case "channel":
		return &e.Channel, 1 << 2
	case "event":
		return &e.Event, 1 << 3
	case "data":
		return &e.Data, 1 << 4
	case "socket_id":
		return &e.SocketID, 1 << 5
	case "user_id":
		return &e.UserID, 1 << 6
	case "subscription_count":
		return nil, 1 << 7
	}
	return nil, 0
}

// scanner takes tokens from JSON text. After a failure it finds nothing more.
type scanner struct {
	rest   []byte
	failed bool
}

// skip takes the character c, and the space before it, if that is what comes next.
func (s *scanner) skip(c byte) bool {
	s.space()
	if s.failed || len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// take is skip for what must come next.
func (s *scanner) take(c byte) {
	s.failed = !s.skip(c)
}

func (s *scanner) space() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\t' || s.rest[0] == '\n' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}

func (s *scanner) atEnd() bool {
	s.space()
	return !s.failed && len(s.rest) == 0
}

// text takes a string.
func (s *scanner) text() (value string) {
	if s.take('"'); s.failed {
		return ""
	}
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			value, s.rest = string(s.rest[:i]), s.rest[i+1:]
			s.failed = !utf8.ValidString(value)
			return value
		case c == '\\':
			return s.escapedText()
		case c < ' ':
			s.failed = true
			return ""
		}
	}
	s.failed = true
	return ""
}

// escapedText takes the rest of a string that has an escape in it.
func (s *scanner) escapedText() (value string) {
	for i := 0; i < len(s.rest); i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			quoted := append([]byte{'"'}, s.rest[:i+1]...)
			s.failed = json.Unmarshal(quoted, &value) != nil
			s.rest = s.rest[i+1:]
			return value
		}
	}
	s.failed = true
	return ""
}

// atDigit reports whether a digit comes next, after space.
func (s *scanner) atDigit() bool {
	s.space()
	return len(s.rest) > 0 && '0' <= s.rest[0] && s.rest[0] <= '9'
}

// digits takes a whole number without sign, fraction, exponent or leading zeros.
func (s *scanner) digits() string {
	s.space()
	i := 0
	for i < len(s.rest) && '0' <= s.rest[i] && s.rest[i] <= '9' {
		i++
	}
	text := string(s.rest[:i])
	s.failed = s.failed || i == 0 || i > 1 && text[0] == '0'
	s.rest = s.rest[i:]
	return text
}

// count takes what digits takes and an int can be.
func (s *scanner) count() int {
	n, err := strconv.Atoi(s.digits())
	s.failed = s.failed || err != nil
	return n
}
