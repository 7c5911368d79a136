package urltext

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestProblemNamesTheCharacterAndItsPosition(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" ": "U+0020 SPACE", "\u00a0": "U+00A0 NO-BREAK SPACE", "\u200b": "U+200B ZERO WIDTH SPACE", "\ufeff": "U+FEFF ZERO WIDTH NO-BREAK SPACE",
		`"`: "U+0022 QUOTATION MARK", "\t": "U+0009 CHARACTER TABULATION", "\n": "U+000A LINE FEED", "\x00": "U+0000 NULL",
		"\x7f": "U+007F DELETE", "\x01": "U+0001 (a control character)", "\u0085": "U+0085 NEXT LINE", "\u009f": "U+009F (a control character)",
		"\u2028": "U+2028 LINE SEPARATOR", "\u202e": "U+202E RIGHT-TO-LEFT OVERRIDE", "\u00ad": "U+00AD SOFT HYPHEN", "\u3000": "U+3000 IDEOGRAPHIC SPACE",
		"\u2004": "U+2004 (a space)", "\u2061": "U+2061 (an invisible character)", "\U000e0041": "U+E0041 (an invisible character)",
		"\ufe0f": "U+FE0F VARIATION SELECTOR-16", "\u115f": "U+115F (an invisible character)", "\u2800": "U+2800 BRAILLE PATTERN BLANK",
		"\u201d": "U+201D RIGHT DOUBLE QUOTATION MARK", "\u203a": "U+203A \u203a", "<": "U+003C LESS-THAN SIGN", "\\": `U+005C REVERSE SOLIDUS`,
		"{": "U+007B LEFT CURLY BRACKET", "\ue000": "U+E000 (an invisible character)",
	} {
		for _, at := range []int{0, 1, 9, 21, 26} {
			raw := "https://h\u00f6st.example/p\u00e4th"
			raw = string([]rune(raw)[:min(at, 24)]) + text + string([]rune(raw)[min(at, 24):])
			at := min(at, 24)
			if got, begin := Problem(raw), fmt.Sprintf("has %s at position %d; ", want, at+1); !strings.HasPrefix(got, begin) {
				t.Errorf("%+q: got %q, want %q", raw, got, begin)
			}
		}
	}
	for raw, want := range map[string]string{
		"http://h/\xff":        "has the byte 0xFF at position 10, which is not UTF-8; percent-encode it or leave it out",
		"http://\xc3\xa4h\xc3": "has the byte 0xC3 at position 10, which is not UTF-8; percent-encode it or leave it out",
		"http://h/?q=\u00e4":   "has U+00E4 \u00e4 at position 13; percent-encode it or leave it out",
		"http://h/\ufffd":      "",
		"http://h/\u00e4?q=%C3%A4&a[]=b'(c)*$!,;:@/?~": "",
		"": "",
	} {
		if got := Problem(raw); got != want {
			t.Errorf("%+q: got %q, want %q", raw, got, want)
		}
	}
}

// What is let through reaches the server as a request line of printable ASCII.
func FuzzProblem(f *testing.F) {
	f.Add("http://h/\u00e4?a=b")
	f.Add("\u2028\xff")
	f.Fuzz(func(t *testing.T, raw string) {
		if Problem(raw) != "" {
			return
		}
		if !utf8.ValidString(raw) || strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) }) {
			t.Fatalf("%+q has no problem", raw)
		}
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return
		}
		if line := u.RequestURI(); strings.ContainsFunc(line, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
			t.Fatalf("%+q is requested as %+q", raw, line)
		}
	})
}

func TestQuotableShowsNoPassword(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"redis": "redis", "arn:aws:lambda": "arn:aws:lambda", "u:p@h:1": Redacted, "redis://u:p@h:1/2": "redis://" + Redacted + "@h:1/" + Redacted,
		"redis://u:/p@h": Redacted, "https://h": "https://h", "see https://u:p@h": Redacted, "": "",
	} {
		if got := Quotable(s); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}
