package webhook

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/oneline"
)

// minSecret is the shortest text that is cut out of others' texts: shorter ones stand in many a
// word.
const minSecret = 4

// redactOutcome cuts the webhook's secrets out of what the sender and middleware have returned, so
// that neither the log nor Trace, a dead letter or the lane's state holds any.
func (h *hook) redactOutcome(out dispatch.Outcome) dispatch.Outcome {
	if out.Verdict == dispatch.Delivered && out.Response == "" {
		return out
	}
	cut := h.redacter()
	out.Response = cut.Replace(out.Response)
	if !isWord(out.Reason) { // a word is what programs compare, and tells nothing
		out.Reason = cut.Replace(out.Reason)
	}
	if out.Err != nil {
		if text := cut.Replace(out.Err.Error()); text != out.Err.Error() {
			out.Err = &redactedError{text, out.Err}
		}
	}
	return out.Clean() // what was put in may be longer
}

// isWord reports whether a text is a reason as this module words it.
func isWord(text string) bool {
	return len(text) <= 32 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// redact cuts the webhook's secrets, and more of its URL than scheme and host, out of a text of
// somebody else's.
func (h *hook) redact(text string) string { return h.redacter().Replace(text) }

// redacter replaces secrets in texts.
type redacter struct {
	forms []string          // of secrets, each once
	urls  map[string]string // with what stands for each
	whole *strings.Replacer // made for the first text that has a form or a URL
}

// Replace returns text without secrets, nor the part of one that a cut text ends in.
func (r *redacter) Replace(text string) string {
	if len(text) >= cutLength {
		text = r.cutTail(text)
	}
	if r.whole == nil && !r.isIn(text) {
		return text
	}
	if r.whole == nil {
		r.whole = r.replacer()
	}
	return r.whole.Replace(text)
}

// isIn reports whether a text has something to replace.
func (r *redacter) isIn(text string) bool {
	for u := range r.urls {
		if strings.Contains(text, u) {
			return true
		}
	}
	return slices.ContainsFunc(r.forms, func(form string) bool { return strings.Contains(text, form) })
}

func (r *redacter) replacer() *strings.Replacer {
	cuts := maps.Clone(r.urls)
	for _, form := range r.forms {
		if _, ok := cuts[form]; !ok {
			cuts[form] = redacted
		}
	}
	// The longest first: strings.Replacer takes the first that fits.
	list := slices.SortedFunc(maps.Keys(cuts), func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	pairs := make([]string, 0, 2*len(list))
	for _, s := range list {
		pairs = append(pairs, s, cuts[s])
	}
	return strings.NewReplacer(pairs...)
}

// cutLength is how long a text is at least that was cut at 1 KiB, in the middle of a character too.
const cutLength = oneline.Max - 2*utf8.UTFMax

// cutTail returns text without the beginning of a secret at its end.
func (r *redacter) cutTail(text string) string {
	kept := strings.TrimRight(text, "…\uFFFD")
	end := len(kept)
	for _, form := range r.forms {
		for n := min(len(form)-1, len(kept)); n >= minSecret; n-- {
			if strings.HasSuffix(kept, form[:n]) {
				end = min(end, len(kept)-n)
				break
			}
		}
	}
	if end == len(kept) {
		return text
	}
	return kept[:end] + redacted
}

func (h *hook) redacter() *redacter {
	r := redacter{urls: map[string]string{}}
	for secret := range h.secrets() {
		for form := range spellings(secret) {
			if len(form) >= minSecret && !slices.Contains(r.forms, form) {
				r.forms = append(r.forms, form)
			}
		}
	}
	if u, err := url.Parse(h.URL); err == nil && h.URL != "" {
		r.urls[u.String()], r.urls[u.Redacted()], r.urls[h.URL] = h.printable(), h.printable(), h.printable()
	}
	return &r
}

// redactedError has the text of a sender's error without secrets. errors.Is finds what it finds in
// the error itself, but errors.As does not: a *url.Error, say, holds the URL.
type redactedError struct {
	text string
	err  error
}

func (e *redactedError) Error() string { return e.text }

// Is reports whether the error, as it was, is target.
func (e *redactedError) Is(target error) bool { return errors.Is(e.err, target) }
