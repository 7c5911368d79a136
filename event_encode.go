package webhook

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// appendJSON appends the event as the payload has it. The event is valid: see validate. What is
// absent is omitted, as is a UserInfo of null, but a client event always has data and a count is
// sent when it is 0.
//
// The text is more careful than JSON asks for: besides control characters it escapes DEL, U+2028,
// U+2029, U+FFFE and U+FFFF, so that it may stand in a script and in any queue's message, and what
// is not UTF-8 becomes U+FFFD.
func (e *Event) appendJSON(dst []byte) []byte { return e.appendJSONWith(dst, false) }

// appendJSONWith is appendJSON with user_info as JSON or, for receivers that read strings alone, as
// a string that holds it.
func (e *Event) appendJSONWith(dst []byte, infoAsText bool) []byte {
	dst = append(dst, '{')
	dst = e.appendFields(dst, infoAsText)
	if e.Extra != "" {
		dst = appendMembers(dst, e.Extra)
	}
	return append(dst, '}')
}

// appendFields appends what appendJSONWith puts between the braces, without Extra.
func (e *Event) appendFields(dst []byte, infoAsText bool) []byte {
	dst = append(dst, `"name":`...)
	dst = appendString(dst, string(e.Type))
	dst = append(dst, `,"channel":`...)
	dst = appendString(dst, e.Channel)
	dst = appendField(dst, `,"event":`, e.Event)
	if e.Data != "" || e.Type == TypeClientEvent {
		dst = append(dst, `,"data":`...)
		dst = appendString(dst, e.Data)
	}
	dst = appendField(dst, `,"socket_id":`, e.SocketID)
	dst = appendField(dst, `,"user_id":`, e.UserID)
	if e.UserInfo != "" && strings.TrimSpace(e.UserInfo) != "null" {
		dst = append(dst, `,"user_info":`...)
		dst = appendInfo(dst, e.UserInfo, infoAsText)
	}
	if e.SubscriptionCount != 0 || e.Type == TypeSubscriptionCount {
		dst = append(dst, `,"subscription_count":`...)
		dst = strconv.AppendInt(dst, int64(e.SubscriptionCount), 10)
	}
	return dst
}

// appendInfo appends a user_info. As a text, one that is a string already stays as it is.
func appendInfo(dst []byte, info string, asText bool) []byte {
	if !asText || strings.TrimSpace(info)[0] == '"' {
		return appendCompact(dst, info)
	}
	return appendString(dst, string(appendCompact(nil, info)))
}

// appendMembers appends a comma and the members of object, which is valid JSON, or nothing if it
// has none.
func appendMembers(dst []byte, object string) []byte {
	object = strings.TrimSpace(object)
	before := len(dst)
	dst = append(dst, ',')
	if dst = appendCompact(dst, object[1:len(object)-1]); len(dst) == before+1 {
		return dst[:before]
	}
	return dst
}

// appendField appends label and value, or nothing if there is no value.
func appendField(dst []byte, label, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, label...)
	return appendString(dst, value)
}

// plain tells of each byte whether a JSON string may hold it as it is, whatever stands beside it.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf-1; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n := plainPrefix(s)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return append(dst, '"')
		}
		dst, n = appendSpecial(dst, s, n)
		s = s[n:]
	}
}

// plainPrefix returns how many plain bytes s begins with. It looks at eight at a time, which halves
// the cost of an event.
func plainPrefix(s string) int {
	n := 0
	for len(s)-n >= 8 && allPlain(loadWord(s[n:])) {
		n += 8
	}
	for n < len(s) && plain[s[n]] {
		n++
	}
	return n
}

// loadWord returns the first eight bytes of s, each in a lane of its own.
func loadWord(s string) uint64 {
	_ = s[7] // one bounds check for all
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// allPlain says whether all eight bytes of w are plain. A subtraction sets a lane's high bit when
// the lane held less than was taken from it; w itself has the bit where a byte is not ASCII.
func allPlain(w uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	control := w - each*' '
	quote := (w ^ each*'"') - each
	backslash := (w ^ each*'\\') - each
	del := (w ^ each*0x7f) - each
	return (w|control|quote|backslash|del)&high == 0
}

// appendSpecial appends what stands for the character at s[i], which is not a plain one, and
// returns where the next one begins.
func appendSpecial(dst []byte, s string, i int) ([]byte, int) {
	switch c := s[i]; c {
	case '"', '\\':
		return append(dst, '\\', c), i + 1
	case '\n':
		return append(dst, `\n`...), i + 1
	case '\r':
		return append(dst, `\r`...), i + 1
	case '\t':
		return append(dst, `\t`...), i + 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	if mustEscape(r) {
		return appendHex(dst, r), i + size
	}
	return utf8.AppendRune(dst, r), i + size
}

// mustEscape says which characters other than the quote and the backslash are never sent as they
// are.
func mustEscape(r rune) bool {
	switch r {
	case 0x7f, 0x2028, 0x2029, 0xfffe, 0xffff:
		return true
	}
	return r < ' '
}

// appendHex appends r, which is at most U+FFFF, as \uXXXX.
func appendHex(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&0xf], digits[r>>8&0xf], digits[r>>4&0xf], digits[r&0xf])
}

// appendCompact appends text, which is valid JSON, without the space between its tokens and with
// the characters of its strings as careful as appendString has them.
func appendCompact(dst []byte, text string) []byte {
	quoted := false
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\\':
			dst, i = appendEscape(dst, text, i)
			continue
		case c > '~':
			dst, i = appendSpecial(dst, text, i)
			continue
		case c == '"':
			quoted = !quoted
		}
		if c > ' ' || quoted {
			dst = append(dst, c)
		}
		i++
	}
	return dst
}

// appendEscape appends the escape at text[i] and returns where the next character begins. Half of a
// surrogate pair becomes U+FFFD, as encoding/json reads it: PHP's and Swift's decoders refuse a
// payload that has one.
func appendEscape(dst []byte, text string, i int) ([]byte, int) {
	if text[i+1] != 'u' {
		return append(dst, text[i:i+2]...), i + 2
	}
	r := hexRune(text[i+2:])
	if !utf16.IsSurrogate(r) {
		return append(dst, text[i:i+6]...), i + 6
	}
	if i+12 <= len(text) && text[i+6:i+8] == `\u` && utf16.DecodeRune(r, hexRune(text[i+8:])) != utf8.RuneError {
		return append(dst, text[i:i+12]...), i + 12
	}
	return append(dst, `\ufffd`...), i + 6
}

// hexRune returns the rune that the first four bytes of s spell in hexadecimal digits.
func hexRune(s string) rune {
	n, _ := strconv.ParseUint(s[:4], 16, 16) // valid JSON has four digits here
	return rune(n)
}
