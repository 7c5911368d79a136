package webhook

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// Format writes the webhook as its JSON, whatever the verb: without header values, and with no more
// of its URL than scheme, host and port.
func (w Webhook) Format(f fmt.State, _ rune) {
	text, err := json.Marshal(w)
	if err != nil { // such as a rate limit that is no number
		text = []byte(shownURL(w.URL))
	}
	_, _ = f.Write(text)
}

// LogValue returns what Format writes.
func (w Webhook) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(w)) }

// shownURL returns the URL with REDACTED for its user, and for its path and query if it has any. Of
// what is no URL it returns nothing but REDACTED.
func shownURL(raw string) string {
	if raw == "" {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || atBehindHost(raw) {
		return redacted
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host}
	if u.User != nil {
		shown.User = url.User(redacted)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		shown.Path = "/" + redacted
	}
	return shown.String()
}

// atBehindHost reports whether a URL has an "@" behind its host. Then it may have a password with a
// "/", and what is parsed as its host may be part of that.
func atBehindHost(raw string) bool {
	_, rest, _ := strings.Cut(raw, "://")
	i := strings.IndexAny(rest, "/?#")
	return i >= 0 && strings.Contains(rest[i:], "@")
}
