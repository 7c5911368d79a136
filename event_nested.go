package webhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Receivers' parsers have bounds of their own, and one value beyond them costs the whole batch:
// .NET's read 64 levels, Ruby's 100, PHP's and Swift's 512; Go's and Swift's read no number that a
// float64 does not have, and .NET's no longer integer than 380 digits. PHP's refuses a name that
// begins with NUL. A payload has three levels around a user_info, and Lambda's envelope a fourth.
const (
	maxNesting     = 60
	maxNumberBytes = 100
)

// nested is what was found in a JSON text that matters to receivers' parsers.
type nested struct {
	depth, deepest int
	number         string   // the first that is out of range
	badName        bool     // there is a name that begins with NUL
	names          []string // of the outermost object's members
}

// readNested looks through text, which is valid JSON.
func readNested(text string) (n nested) {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			end := stringEnd(text, i)
			n.str(text[i:end], text[end:])
			i = end
		case c == '-' || '0' <= c && c <= '9':
			end := i + 1
			for end < len(text) && strings.IndexByte("0123456789+-.eE", text[end]) >= 0 {
				end++
			}
			n.num(text[i:end])
			i = end
		default:
			n.bracket(c)
			i++
		}
	}
	return n
}

// stringEnd returns where the string that begins at text[i] ends.
func stringEnd(text string, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func (n *nested) bracket(c byte) {
	switch c {
	case '{', '[':
		n.depth++
		n.deepest = max(n.deepest, n.depth)
	case '}', ']':
		n.depth--
	}
}

// str looks at a string, quoted, that rest comes after.
func (n *nested) str(quoted, rest string) {
	if rest = strings.TrimLeft(rest, " \t\r\n"); rest == "" || rest[0] != ':' {
		return
	}
	n.badName = n.badName || strings.HasPrefix(quoted, `"\u0000`)
	if n.depth == 1 {
		name := quoted[1 : len(quoted)-1]
		if strings.IndexByte(name, '\\') >= 0 || !utf8.ValidString(name) {
			_ = json.Unmarshal([]byte(quoted), &name) // it is a valid string
		}
		n.names = append(n.names, name)
	}
}

// num looks at a number. Without an exponent it is in range if it is not too long.
func (n *nested) num(text string) {
	if n.number != "" || len(text) <= maxNumberBytes && !strings.ContainsAny(text, "eE") {
		return
	}
	mantissa := text[:max(0, strings.IndexAny(text, "eE"))]
	x, err := strconv.ParseFloat(text, 64)
	if len(text) > maxNumberBytes || err != nil || x == 0 && strings.ContainsAny(mantissa, "123456789") {
		n.number = text
	}
}

// problem says what a receiver would refuse, "" if it is nothing.
func (n *nested) problem() string {
	switch {
	case n.deepest > maxNesting:
		return fmt.Sprintf("nests %d levels deep, at most %d can be sent: receivers' parsers refuse more", n.deepest, maxNesting)
	case n.number != "":
		return fmt.Sprintf("has the number %s, which receivers' parsers refuse; it must be one that a float64 has, written with at most %d characters",
			shorten(n.number), maxNumberBytes)
	case n.badName:
		return "has a name that begins with NUL, which PHP's parser refuses"
	}
	return ""
}

// nestedProblem says what is wrong with the JSON text of a field, "" if nothing is.
func nestedProblem(text string) string {
	if !json.Valid([]byte(text)) {
		return fmt.Sprintf("is %q, it must be JSON", shorten(text))
	}
	n := readNested(text)
	return n.problem()
}

// extraProblem says what is wrong with an Extra, "" if nothing is.
func extraProblem(text string) string {
	if !isObject(text) {
		return fmt.Sprintf("is %q, it must be a JSON object", shorten(text))
	}
	n := readNested(text)
	slices.Sort(n.names)
	for i, name := range n.names {
		switch {
		case isStandardName(name):
			return fmt.Sprintf("has the member %q, which an event has of its own", shorten(name))
		case i > 0 && name == n.names[i-1]:
			return fmt.Sprintf("has the member %q twice", shorten(name))
		}
	}
	return n.problem()
}

// isStandardName reports whether a member of this name is a field of every event's or some events',
// in any case of its letters: Go's parser takes all for the same.
func isStandardName(name string) bool {
	return strings.EqualFold(name, "name") || strings.EqualFold(name, "channel") ||
		slices.ContainsFunc(fieldNames[:], func(field string) bool { return strings.EqualFold(name, field) })
}
