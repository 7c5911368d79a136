package strict

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// scanner walks over an object or array whose text is known to be valid JSON, and cuts it into
// pieces without copying. A json.Decoder for every level would be ten times slower.
type scanner struct {
	text []byte
	pos  int
}

// scan returns a scanner that stands behind the opening bracket of raw.
func scan(raw []byte) *scanner { return &scanner{text: raw, pos: 1} }

// more reports whether there is another element, and stands before it.
func (s *scanner) more() bool {
	s.skip(" \t\r\n,")
	return s.text[s.pos] != ']' && s.text[s.pos] != '}'
}

// name returns the name of the field, and stands before its value.
func (s *scanner) name() (name string) {
	raw := s.value()
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		name = string(raw[1 : len(raw)-1])
	} else {
		_ = json.Unmarshal(raw, &name) // it is a valid string
	}
	s.skip(" \t\r\n:")
	return name
}

func (s *scanner) skip(chars string) {
	for strings.IndexByte(chars, s.text[s.pos]) >= 0 {
		s.pos++
	}
}

// value returns the value's text, and stands behind it.
func (s *scanner) value() []byte {
	start := s.pos
	for depth := 0; ; {
		switch s.text[s.pos] {
		case '{', '[':
			depth++
			s.pos++
		case '}', ']':
			depth--
			s.pos++
		case '"':
			s.skipString()
		case ' ', '\t', '\r', '\n', ',', ':':
			s.pos++
		default:
			s.skipWord()
		}
		if depth == 0 {
			return s.text[start:s.pos:s.pos]
		}
	}
}

func (s *scanner) skipString() {
	for s.pos++; s.text[s.pos] != '"'; s.pos++ {
		if s.text[s.pos] == '\\' {
			s.pos++
		}
	}
	s.pos++
}

// skipWord skips a number, true, false or null.
func (s *scanner) skipWord() {
	for s.pos < len(s.text) && strings.IndexByte(" \t\r\n,:]}", s.text[s.pos]) < 0 {
		s.pos++
	}
}
