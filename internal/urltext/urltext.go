// Package urltext finds the characters that make a URL another one than its reader sees, or a
// malformed one: white space, invisible and control characters, quotation marks, and what RFC 3986
// has only percent-encoded. net/url takes most of them.
package urltext

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pushhooks/webhook/internal/oneline"
)

// Problem says which character of raw a URL cannot hold, and where it is, counted in characters
// from 1; "" if there is none. Nothing else of raw is shown, because it may hold a password.
func Problem(raw string) string {
	query, position := false, 0
	for i, r := range raw {
		position++
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(raw[i:], string(utf8.RuneError)):
			return fmt.Sprintf("has the byte 0x%02X at position %d, which is not UTF-8; percent-encode it or leave it out", raw[i], position)
		case misplaced(r) || query && r >= utf8.RuneSelf:
			return fmt.Sprintf("has %s at position %d; percent-encode it or leave it out", Name(r), position)
		}
		query = query || r == '?'
	}
	return ""
}

// misplaced reports whether r must not stand in a URL as it is. Letters and signs of other scripts
// may, since a request has them percent-encoded, but not in the query, which is sent as it is.
func misplaced(r rune) bool {
	if r < utf8.RuneSelf {
		return r <= ' ' || r == 0x7f || strings.ContainsRune("\"<>\\^`{|}", r)
	}
	return unicode.IsSpace(r) || oneline.IsUnseen(r) || r == 0x2800 || // BRAILLE PATTERN BLANK
		unicode.In(r, unicode.Pi, unicode.Pf)
}

// Name returns r's code point with its name, or with the kind of character that it is.
func Name(r rune) string {
	if name := names[r]; name != "" {
		return fmt.Sprintf("%U %s", r, name)
	}
	switch {
	case unicode.IsControl(r):
		return fmt.Sprintf("%U (a control character)", r)
	case unicode.IsSpace(r) || unicode.Is(unicode.Zs, r):
		return fmt.Sprintf("%U (a space)", r)
	case oneline.IsUnseen(r):
		return fmt.Sprintf("%U (an invisible character)", r)
	}
	return fmt.Sprintf("%U %c", r, r)
}

// names are the Unicode names of the characters that are pasted by mistake most often.
var names = map[rune]string{
	0x00: "NULL", '\t': "CHARACTER TABULATION", '\n': "LINE FEED", '\v': "LINE TABULATION", '\f': "FORM FEED",
	'\r': "CARRIAGE RETURN", 0x1b: "ESCAPE", 0x7f: "DELETE", 0x85: "NEXT LINE",
	' ': "SPACE", '"': "QUOTATION MARK", '<': "LESS-THAN SIGN", '>': "GREATER-THAN SIGN", '\\': "REVERSE SOLIDUS",
	'^': "CIRCUMFLEX ACCENT", '`': "GRAVE ACCENT", '{': "LEFT CURLY BRACKET", '|': "VERTICAL LINE", '}': "RIGHT CURLY BRACKET",
	0xa0: "NO-BREAK SPACE", 0xab: "LEFT-POINTING DOUBLE ANGLE QUOTATION MARK", 0xad: "SOFT HYPHEN",
	0xbb: "RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK", 0x34f: "COMBINING GRAPHEME JOINER", 0x1680: "OGHAM SPACE MARK",
	0x2002: "EN SPACE", 0x2003: "EM SPACE", 0x2007: "FIGURE SPACE", 0x2008: "PUNCTUATION SPACE", 0x2009: "THIN SPACE",
	0x200a: "HAIR SPACE", 0x200b: "ZERO WIDTH SPACE", 0x200c: "ZERO WIDTH NON-JOINER", 0x200d: "ZERO WIDTH JOINER",
	0x200e: "LEFT-TO-RIGHT MARK", 0x200f: "RIGHT-TO-LEFT MARK", 0x2018: "LEFT SINGLE QUOTATION MARK",
	0x2019: "RIGHT SINGLE QUOTATION MARK", 0x201c: "LEFT DOUBLE QUOTATION MARK", 0x201d: "RIGHT DOUBLE QUOTATION MARK",
	0x2028: "LINE SEPARATOR", 0x2029: "PARAGRAPH SEPARATOR", 0x202a: "LEFT-TO-RIGHT EMBEDDING", 0x202c: "POP DIRECTIONAL FORMATTING",
	0x202d: "LEFT-TO-RIGHT OVERRIDE", 0x202e: "RIGHT-TO-LEFT OVERRIDE", 0x202f: "NARROW NO-BREAK SPACE",
	0x205f: "MEDIUM MATHEMATICAL SPACE", 0x2060: "WORD JOINER", 0x2066: "LEFT-TO-RIGHT ISOLATE", 0x2069: "POP DIRECTIONAL ISOLATE",
	0x2800: "BRAILLE PATTERN BLANK", 0x3000: "IDEOGRAPHIC SPACE", 0x3164: "HANGUL FILLER", 0xfe0f: "VARIATION SELECTOR-16",
	0xfeff: "ZERO WIDTH NO-BREAK SPACE", 0xfffd: "REPLACEMENT CHARACTER",
}
