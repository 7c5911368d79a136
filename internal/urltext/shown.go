package urltext

import (
	"net/url"
	"strings"
)

// Redacted stands for what is not shown.
const Redacted = "REDACTED"

// Shown returns raw with Redacted for its user, and for its path and query if it has any. Of what
// is no URL it returns nothing but Redacted.
func Shown(raw string) string {
	if raw == "" {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || atBehindHost(raw) {
		return Redacted
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host}
	if u.User != nil {
		shown.User = url.User(Redacted)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		shown.Path = "/" + Redacted
	}
	return shown.String()
}

// Quotable returns what a message may quote of s, a value or a name that should be something other
// than a URL: of a URL what Shown returns, and of what may hold a user and a password nothing but
// Redacted. It is for what was put into the wrong field.
func Quotable(s string) string {
	switch {
	case strings.Contains(s, "://"):
		return Shown(s)
	case strings.Contains(s, "@"):
		return Redacted
	}
	return s
}

// atBehindHost reports whether a URL has an "@" behind its host. Then it may have a password with a
// "/", "?" or "#", and what is parsed as its host may be part of that.
func atBehindHost(raw string) bool {
	_, rest, _ := strings.Cut(raw, "://")
	i := strings.IndexAny(rest, "/?#")
	return i >= 0 && strings.Contains(rest[i:], "@")
}
