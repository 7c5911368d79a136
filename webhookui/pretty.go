package webhookui

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pushhooks/webhook/internal/oneline"
)

const (
	// maxShown bounds what a page shows of a dead letter's events, in bytes.
	maxShown = 4 << 10

	maxIndent = 12 // levels; deeper ones are indented as these
)

// pretty returns JSON on several lines, of at most limit bytes, and reports whether it is all of
// it. It goes through the text once and keeps every character, so that what is no JSON is shown
// too. Characters that cannot be seen, such as one that turns the direction of writing, are shown
// as \u escapes.
func pretty(text []byte, limit int) (shown string, whole bool) {
	p := printer{limit: limit}
	for len(text) > 0 && p.b.Len() < limit {
		r, n := utf8.DecodeRune(text)
		p.put(r, n, text)
		text = text[n:]
	}
	if p.b.Len() <= limit {
		return p.b.String(), len(text) == 0
	}
	cut := limit
	for !utf8.RuneStart(p.b.String()[cut]) {
		cut--
	}
	return p.b.String()[:cut], false
}

type printer struct {
	b       strings.Builder
	limit   int
	depth   int
	quoted  bool // in a string
	escaped bool // behind a backslash in a string
}

// put writes the rune that rest begins with, n bytes long.
func (p *printer) put(r rune, n int, rest []byte) {
	if p.quoted || r == '"' {
		p.putQuoted(r, n, rest[0])
		return
	}
	switch r {
	case '{', '[':
		p.b.WriteRune(r)
		p.depth++
		if next := strings.TrimLeft(string(rest[n:min(len(rest), n+8)]), " \t\r\n"); next != "" && next[0] != '}' && next[0] != ']' {
			p.newline()
		}
	case '}', ']':
		p.depth = max(0, p.depth-1)
		if s := p.b.String(); s != "" && s[len(s)-1] != '{' && s[len(s)-1] != '[' {
			p.newline()
		}
		p.b.WriteRune(r)
	case ',':
		p.b.WriteRune(r)
		p.newline()
	case ':':
		p.b.WriteString(": ")
	case ' ', '\t', '\r', '\n':
	default:
		p.visible(r, n, rest[0])
	}
}

func (p *printer) putQuoted(r rune, n int, first byte) {
	switch {
	case p.escaped:
		p.escaped = false
	case r == '\\':
		p.escaped = p.quoted
	case r == '"':
		p.quoted = !p.quoted
	}
	p.visible(r, n, first)
}

// visible writes a rune, or its escape if it cannot be seen.
func (p *printer) visible(r rune, n int, first byte) {
	switch {
	case r == utf8.RuneError && n == 1:
		fmt.Fprintf(&p.b, `\x%02x`, first)
	case !oneline.IsUnseen(r):
		p.b.WriteRune(r)
	case r > 0xffff:
		fmt.Fprintf(&p.b, `\U%08x`, r)
	default:
		fmt.Fprintf(&p.b, `\u%04x`, r)
	}
}

func (p *printer) newline() {
	p.b.WriteByte('\n')
	for range min(p.depth, maxIndent) {
		p.b.WriteString("  ")
	}
}
