package oneline

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                             "",
		"plain ÄÖ 日本 👍":                "plain ÄÖ 日本 👍",
		"a\nb\r\nc\td":                 "a b  c d",
		"\x1b[31mred\x1b[0m":           "\uFFFD[31mred\uFFFD[0m",
		"nul\x00del\x7fc1\u0085":       "nul\uFFFDdel\uFFFDc1\uFFFD",
		"invalid \xff\xfe":             "invalid \uFFFD\uFFFD",
		"line\u2028par\u2029":          "line\uFFFDpar\uFFFD",
		"right\u202eleft":              "right\uFFFDleft",
		"a\u3164b\u115fc\u034fd\uffa0": "a\uFFFDb\uFFFDc\uFFFDd\uFFFD",
		"heart ❤\ufe0f\U000e0101":      "heart ❤\uFFFD\uFFFD",
		strings.Repeat("x", Max):       strings.Repeat("x", Max),
		strings.Repeat("x", Max+1):     strings.Repeat("x", Max-3) + "…",
		strings.Repeat("ä", Max):       strings.Repeat("ä", (Max-3)/2) + "…",
		strings.Repeat("\x00", 60<<10): strings.Repeat("\uFFFD", (Max-3)/3) + "…",
	} {
		if got := Text(in); got != want {
			t.Errorf("Text(%.40q) is %.80q, want %.80q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\nb\xff"+strings.Repeat("€", 400), uint16(Max))
	f.Add(strings.Repeat("a\u0301👍", 90), uint16(3))
	f.Add("\xf0\x9f\x91", uint16(4))
	f.Fuzz(func(t *testing.T, in string, limit uint16) {
		n := max(int(limit), len(ellipsis))
		got := Cut(in, n)
		if len(got) > n || !utf8.ValidString(got) || strings.ContainsFunc(got, IsUnseen) {
			t.Errorf("Cut(%q, %d) is %q", in, n, got)
		}
		if Cut(got, n) != got {
			t.Errorf("Cut(%q, %d) changes when it is made again", in, n)
		}
		if whole := Cut(in, 4*len(in)+n); len(whole) <= n && got != whole {
			t.Errorf("Cut(%q, %d) is %q, but %q fits", in, n, got, whole)
		} else if kept, was := strings.CutSuffix(got, ellipsis); len(whole) > n && (!was || !strings.HasPrefix(whole, kept) || len(kept) < n-len(ellipsis)-utf8.UTFMax+1) {
			t.Errorf("Cut(%q, %d) is %q", in, n, got)
		}
	})
}

func TestErrorKeepsItsChain(t *testing.T) {
	t.Parallel()
	if Error(nil) != nil {
		t.Error("nil is an error")
	}
	plain := fmt.Errorf("plain: %w", io.EOF)
	if Error(plain) != plain { //nolint:errorlint // the same value is meant
		t.Error("an error that is fit was wrapped")
	}
	err := Error(fmt.Errorf("%s\n: %w", strings.Repeat("x", 60<<10), io.EOF))
	if len(err.Error()) > Max || !errors.Is(err, io.EOF) {
		t.Errorf("the error is %d bytes long; it is io.EOF: %v", len(err.Error()), errors.Is(err, io.EOF))
	}
}
