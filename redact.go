package webhook

import (
	"cmp"
	"encoding/base64"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/pushhooks/webhook/dispatch"
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

// redact cuts the values of the webhook's headers, and more of its URL than scheme and host, out of
// a text of somebody else's.
func (h *hook) redact(text string) string { return h.redacter().Replace(text) }

func (h *hook) redacter() *strings.Replacer {
	cuts := map[string]string{}
	hide := func(secrets ...string) {
		for _, s := range secrets {
			if len(s) >= minSecret {
				cuts[s] = redacted
			}
		}
	}
	for _, value := range h.Headers {
		hide(value)
	}
	if u, err := url.Parse(h.URL); err == nil && h.URL != "" {
		hideURL(u, hide)
		cuts[u.String()], cuts[u.Redacted()], cuts[h.URL] = h.printable(), h.printable(), h.printable()
	}
	// The longest first: strings.Replacer takes the first that fits.
	list := slices.SortedFunc(maps.Keys(cuts), func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) })
	pairs := make([]string, 0, 2*len(list))
	for _, s := range list {
		pairs = append(pairs, s, cuts[s])
	}
	return strings.NewReplacer(pairs...)
}

// hideURL hides the parts of a URL behind its host, and its user.
func hideURL(u *url.URL, hide func(...string)) {
	hide(u.RequestURI(), u.Path, u.EscapedPath(), u.RawQuery, u.Fragment)
	for _, values := range u.Query() {
		for _, value := range values {
			hide(value, url.QueryEscape(value))
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		hide(u.User.String(), u.User.Username(), password, url.QueryEscape(password),
			base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
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
