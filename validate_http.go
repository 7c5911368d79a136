package webhook

import (
	"fmt"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/idna"

	"github.com/pushhooks/webhook/internal/outbound"
	"github.com/pushhooks/webhook/internal/urltext"
)

const (
	maxURLBytes    = 2048
	maxHeaderBytes = 16 << 10
)

// urlProblem says what is wrong with a webhook's URL, "" if nothing is. Of the URL it shows no more
// than scheme and host, and a character that no URL can hold.
func urlProblem(raw string) string {
	if len(raw) > maxURLBytes {
		return fmt.Sprintf("is %d bytes long; at most %d", len(raw), maxURLBytes)
	}
	if problem := urltext.Problem(raw); problem != "" {
		return problem
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "cannot be parsed; must be an absolute URL such as https://example.com/webhooks, special characters percent-encoded"
	case !strings.Contains(raw, "://"): // so it may be anything, a secret too
		return "must begin with https:// or http://"
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Sprintf("is %q; must begin with https:// or http://", urlForMessage(raw))
	case u.Hostname() == "":
		return fmt.Sprintf("is %q, which has no host; must be an absolute URL such as https://example.com/webhooks", urlForMessage(raw))
	case strings.Contains(raw, "#"):
		return fmt.Sprintf("is %q with a fragment (#…), which is never sent; leave it out", urlForMessage(raw))
	case !validPort(u.Port()):
		return fmt.Sprintf("is %q; a port is a number from 1 to 65535", urlForMessage(raw))
	}
	if problem := hostProblem(u.Hostname(), shownHost(raw, u)); problem != "" {
		return problem
	}
	if problem := userProblem(u.User); problem != "" {
		return problem
	}
	if u.User.Username() == redacted || u.Path == "/"+redacted || raw == redacted {
		return fmt.Sprintf("holds the word %s: the configuration was printed or marshaled, which hides more than scheme and host", redacted)
	}
	if password, _ := u.User.Password(); password == redacted {
		return fmt.Sprintf("has the password %s: the configuration was marshaled, which hides passwords", redacted)
	}
	return ""
}

// hostProblem says what is wrong with a host, "" if nothing is. A part of it that was
// percent-encoded is decoded, and a name that is not ASCII is looked up in the form that IDNA makes
// of it. A message has shown for it.
func hostProblem(host, shown string) string {
	if urltext.Problem(host) != "" {
		return "has a host with a percent-encoded space, quotation mark or invisible character; must be a name or an address"
	}
	ascii := strings.IndexFunc(host, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	name, err := idna.Lookup.ToASCII(host)
	if err != nil && !ascii {
		return fmt.Sprintf("has the host %+q, which is not a name that can be looked up", shown)
	}
	if err != nil {
		name = host // such as one with an underscore, which name servers know nevertheless
	}
	addr, err := outbound.ParseHost(host)
	switch {
	case err != nil:
		return fmt.Sprintf("has the host %q, which ends in a number and is not an IPv4 address", shown)
	case !addr.IsValid() && !lookable(name):
		return fmt.Sprintf("has the host %q, which is not a name that can be looked up: at most 253 letters, digits, "+
			`"-" and "_", with at most 63 between two dots`, shown)
	}
	return ""
}

// shownHost returns what may be shown of u's host: with an "@" behind it, it may be part of a
// password.
func shownHost(raw string, u *url.URL) string {
	if urltext.Shown(raw) == urltext.Redacted {
		return "…"
	}
	return shorten(u.Hostname())
}

// lookable reports whether name servers can be asked for a name. One dot may end it.
func lookable(name string) bool {
	name = strings.TrimSuffix(name, ".")
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
	}
	return len(name) <= 253 && onlyNameBytes(name, "-_.")
}

// userProblem says what is wrong with a URL's user and password, "" if nothing is. They travel as
// basic authentication, in which a colon ends the user. Neither is shown.
func userProblem(user *url.Userinfo) string {
	password, _ := user.Password()
	for _, s := range []string{user.Username(), password} {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			return "has a user or a password with a control character or invalid UTF-8, which basic authentication cannot carry"
		}
	}
	if strings.Contains(user.Username(), ":") {
		return `has a user with a ":" (%3A), which basic authentication cannot carry`
	}
	return ""
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// urlForMessage returns scheme and host of a URL that may be malformed. What stands before an "@"
// may be a password, and in a malformed URL it is unclear where that begins, so then nothing but
// the scheme is shown.
func urlForMessage(raw string) string {
	scheme, rest, _ := strings.Cut(raw, "://")
	if strings.Contains(raw, "@") {
		return shorten(scheme + "://…")
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i] + "/…"
	}
	return shorten(scheme + "://" + rest)
}

// reservedHeaders are the transport's own, and those that describe the body or the connection.
var reservedHeaders = []string{
	"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Http2-Settings",
	"Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding",
	"Upgrade",
}

// reservedPrefixes begin the names of the library's own headers.
var reservedPrefixes = []string{"X-Pusher-", "Webhook-"}

// headers checks names and values. No value is ever shown.
func (c *checker) headers(path string, headers Headers) {
	total := 0
	seen := make(map[string]string, len(headers))
	for _, name := range sortedNames(headers) {
		value, at := headers[name], headerPath(path, name)
		total += len(name) + len(value)
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if other, taken := seen[canonical]; taken {
			c.failf(at, "is the same header as %q", other)
		}
		seen[canonical] = name
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			c.failf(at, `is not a header name: letters, digits and "-" make one`)
		case reservedHeader(canonical):
			c.failf(at, "is set by the library or the transport; use another name")
		case !httpguts.ValidHeaderFieldValue(value):
			c.failf(at, "has a value with a control character, such as a newline")
		case value == redacted:
			c.failf(at, "has the value %s: the configuration was printed or marshaled, which hides header values", redacted)
		}
	}
	if total > maxHeaderBytes {
		c.failf(path, "are %d bytes together; at most %d", total, maxHeaderBytes)
	}
}

func reservedHeader(canonical string) bool {
	return slices.Contains(reservedHeaders, canonical) ||
		slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(canonical, p) })
}

func sortedNames(headers Headers) []string {
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// headerPath names a header in a path. What is no name is shown up to the character that none can
// have: in "Authorization: Bearer …" a secret follows.
func headerPath(path, name string) string {
	if !httpguts.ValidHeaderFieldName(name) {
		name = strconv.QuoteToASCII(shorten(untilNoToken(name)))
	}
	return path + "." + name
}

// untilNoToken returns the beginning of name up to the first character that no header's name has.
func untilNoToken(name string) string {
	for i, r := range name {
		if !httpguts.IsTokenRune(r) {
			_, size := utf8.DecodeRuneInString(name[i:])
			return name[:i+size]
		}
	}
	return name
}
