package sqsqueue

import (
	"errors"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

var errEscape = errors.New("a % that is not followed by two hexadecimal digits")

// charset is a set of characters that a server carries as they are.
type charset int

const (
	// basic is what all servers carry: no control characters, U+FFFE and U+FFFF, which SQS refuses,
	// and nothing beyond U+FFFF, such as emoji, which some emulators refuse. Attributes are written
	// in it.
	basic charset = iota
	// full is what SQS carries.
	full
)

// carries reports whether a character travels as it is.
func (c charset) carries(r rune, size int) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return true
	case r == utf8.RuneError && size == 1: // not UTF-8
		return false
	case r > 0xFFFF:
		return c == full
	}
	return r >= ' ' && r <= 0xFFFD
}

// carriesAll reports whether a whole text travels as it is.
func (c charset) carriesAll(s string) bool {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if !c.carries(r, size) {
			return false
		}
		i += size
	}
	return true
}

// escape writes the bytes of characters that are not carried, and every %, as %XX.
func (c charset) escape(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if c.carries(r, size) && r != '%' {
			b.WriteString(s[i : i+size])
		} else {
			escapeBytes(&b, s[i:i+size])
		}
		i += size
	}
	return b.String()
}

func escapeBytes(b *strings.Builder, s string) {
	for i := range len(s) {
		b.WriteByte('%')
		b.WriteByte(hexDigits[s[i]>>4])
		b.WriteByte(hexDigits[s[i]&15])
	}
}

// unescape is the reverse of escape.
func unescape(s string) (string, error) {
	var b strings.Builder
	b.Grow(len(s))
	for {
		text, rest, found := strings.Cut(s, "%")
		b.WriteString(text)
		if !found {
			return b.String(), nil
		}
		if len(rest) < 2 {
			return "", errEscape
		}
		high, low := strings.IndexByte(hexDigits, rest[0]), strings.IndexByte(hexDigits, rest[1])
		if high < 0 || low < 0 {
			return "", errEscape
		}
		b.WriteByte(byte(high<<4 | low))
		s = rest[2:]
	}
}
