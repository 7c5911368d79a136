package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/pushhooks/webhook/internal/urltext"
)

const (
	redisExample  = "redis://user:password@localhost:6379/0"
	percentEncode = `; a password's special characters must be percent-encoded: "/" as %2F, "#" as %23, "?" as %3F, "@" as %40`
)

// redisOptions are the names that may stand behind the "?" of a Redis URL: those of the Redis
// client.
var redisOptions = []string{
	"client_name", "conn_max_idle_time", "conn_max_lifetime", "conn_max_lifetime_jitter", "db", "dial_timeout",
	"idle_timeout", "max_active_conns", "max_concurrent_dials", "max_conn_age", "max_idle_conns", "max_retries",
	"max_retry_backoff", "min_idle_conns", "min_retry_backoff", "pool_fifo", "pool_size", "pool_timeout", "protocol",
	"read_timeout", "skip_verify", "write_timeout",
}

// redisURLProblem says what is wrong with a URL, "" if nothing is. Its user, password, path and
// query are never shown.
func redisURLProblem(raw string, schemes ...string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || !isScheme(scheme) {
		return "must be a URL such as " + redisExample
	}
	if !slices.Contains(schemes, strings.ToLower(scheme)) {
		return fmt.Sprintf("must begin with %s://, not %q", strings.Join(schemes, ":// or "), scheme+"://")
	}
	if strings.EqualFold(scheme, "unix") {
		return ""
	}
	if problem := urltext.Problem(raw); problem != "" {
		return problem
	}
	u, err := url.Parse(raw)
	switch {
	case strings.Contains(rest, "#") || misplacedAt(raw):
		return "must be a URL such as " + redisExample + percentEncode
	case err != nil:
		return "cannot be parsed; must be a URL such as " + redisExample + percentEncode
	case u.Hostname() == "":
		return "has no host; must be a URL such as " + redisExample
	case !validPort(u.Port()) && u.Port() != "":
		return fmt.Sprintf("has the port %s; must be from 1 to 65535", u.Port())
	}
	return redisPathProblem(u)
}

// isScheme reports whether s consists of lower-case and upper-case letters, as a scheme of Redis
// does; anything else may be part of a password.
func isScheme(s string) bool {
	return s != "" && len(s) <= 20 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '+'
	})
}

// isEncrypted reports whether a URL asks for TLS.
func isEncrypted(raw string) bool {
	scheme, _, _ := strings.Cut(raw, ":")
	return strings.EqualFold(scheme, "rediss")
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// redisPathProblem says what is wrong behind the host of a URL.
func redisPathProblem(u *url.URL) string {
	if db := strings.Trim(u.Path, "/"); db != "" {
		if _, err := strconv.ParseUint(db, 10, 16); err != nil {
			return "has something other than a number behind the host; only a database may stand there, such as redis://localhost:6379/0"
		}
	}
	for name := range u.Query() {
		if !slices.Contains(redisOptions, name) {
			return `has an unknown option behind the "?"; known are ` + strings.Join(redisOptions, ", ")
		}
	}
	return ""
}

// nodeProblem says what is wrong with a cluster's node, "" if nothing is.
func nodeProblem(node string) string {
	if strings.Contains(node, "://") {
		if problem := redisURLProblem(node, "redis", "rediss"); problem != "" {
			return problem
		}
		u, err := url.Parse(node)
		if err == nil && (strings.Trim(u.Path, "/0") != "" || u.Query().Get("db") != "") {
			return "names a database; a cluster has only database 0, so leave it out"
		}
		return ""
	}
	if problem := urltext.Problem(node); problem != "" {
		return problem
	}
	host, port, err := net.SplitHostPort(node)
	switch {
	case err != nil || host == "" || strings.ContainsAny(node, "@/"):
		return "must be host:port or a redis:// URL, such as localhost:7000"
	case strings.Trim(port, "0123456789") != "": // it may be a password
		return "must be host:port or a redis:// URL, such as localhost:7000; a port is a number from 1 to 65535"
	case !validPort(port):
		return fmt.Sprintf("is %q; a port is a number from 1 to 65535", node)
	}
	return ""
}
