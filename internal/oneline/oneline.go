// Package oneline makes texts that others wrote fit for log lines, traces and dead letters.
package oneline

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Max is the length in bytes that Text cuts to.
const Max = 1 << 10

const ellipsis = "…"

// Text returns s on one line of at most Max bytes. Line breaks and tabs become spaces. Other
// characters that cannot be seen, and what is not valid UTF-8, become U+FFFD. A text that was cut
// ends in "…".
func Text(s string) string { return Cut(s, Max) }

// Cut is Text for a limit other than Max. It has to be long enough for the "…".
func Cut(s string, limit int) string {
	if fits(s, limit) {
		return s
	}
	b := make([]byte, 0, min(len(s), limit)+utf8.UTFMax)
	for _, r := range s {
		b = utf8.AppendRune(b, printable(r))
		if len(b) > limit {
			return cut(b, limit)
		}
	}
	return string(b)
}

func fits(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && strings.IndexFunc(s, IsUnseen) < 0
}

// IsUnseen reports whether a character cannot be seen: a control or format character, one that
// chooses a variant of the character before it, or another that has neither ink nor width, such as
// U+3164 HANGUL FILLER.
func IsUnseen(r rune) bool {
	return !unicode.IsGraphic(r) || r > unicode.MaxLatin1 && unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func printable(r rune) rune {
	switch {
	case r == '\n' || r == '\r' || r == '\t':
		return ' '
	case IsUnseen(r):
		return utf8.RuneError
	}
	return r
}

// cut ends b, a valid text that is longer than limit, in an ellipsis at a character's boundary.
func cut(b []byte, limit int) string {
	end := limit - len(ellipsis)
	for !utf8.RuneStart(b[end]) {
		end--
	}
	return string(b[:end]) + ellipsis
}

// Error returns err with a message that Text has made, or err itself where the message is fit
// already. errors.Is and errors.As find what they find in err. A nil error stays nil.
func Error(err error) error {
	if err == nil {
		return nil
	}
	message := err.Error()
	if fits(message, Max) {
		return err
	}
	return &lineError{Text(message), err}
}

type lineError struct {
	message string
	err     error
}

func (e *lineError) Error() string { return e.message }
func (e *lineError) Unwrap() error { return e.err }
