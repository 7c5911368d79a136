package config

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/pushhooks/webhook/internal/urltext"
)

// URL is a URL, or the host:port of a cluster's node. It prints, logs and marshals with REDACTED
// for everything but its scheme, host and port; string(u) is the URL itself.
type URL string

const redacted = urltext.Redacted

// String returns what may be shown.
func (u URL) String() string {
	raw := string(u)
	if raw == "" {
		return ""
	}
	if !strings.Contains(raw, "://") {
		if nodeProblem(raw) != "" {
			return redacted // it is no host:port, but may be a password
		}
		return raw
	}
	return urltext.Shown(raw)
}

// Format writes what String returns, whatever the verb.
func (u URL) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// MarshalText returns what String returns.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Host is a host name or an address, perhaps behind redis:// or rediss://. What is none prints,
// logs and marshals as REDACTED, because it may hold a password; string(h) is the text itself.
type Host string

// String returns what may be shown.
func (h Host) String() string {
	if h != "" && !h.valid() {
		return redacted
	}
	return string(h)
}

// valid reports whether h is a name or an address, perhaps behind redis:// or rediss://. An IPv6
// address has no brackets.
func (h Host) valid() bool {
	host := string(h)
	if scheme, rest, ok := strings.Cut(host, "://"); ok {
		if host = rest; scheme != "redis" && scheme != "rediss" {
			return false
		}
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host != "" && !strings.ContainsAny(host, "/@?#:[]") && urltext.Problem(host) == ""
}

// Format writes what String returns, whatever the verb.
func (h Host) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(h.String())) }

// MarshalText returns what String returns.
func (h Host) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// misplacedAt reports whether a URL has an "@" behind the first "/", "?" or "#" of what follows its
// scheme. Then the URL probably has a password with such a character, and what would be its host is
// part of its user or password.
func misplacedAt(raw string) bool {
	_, rest, _ := strings.Cut(raw, "://")
	i := strings.IndexAny(rest, "/?#")
	return i >= 0 && strings.Contains(rest[i:], "@")
}
