package webhook

import (
	"regexp"
	"slices"
	"strings"
)

// matcher is a compiled Filter. The zero matcher matches every channel.
type matcher struct {
	prefix, suffix string
	exclude        string // a prefix
	pattern        *regexp.Regexp
	namespaces     []string
}

// matchAny is the matcher of the webhooks without a filter, which are most.
var matchAny = &matcher{}

// compile makes a matcher of f, whose pattern has been validated.
func (f *Filter) compile() (*matcher, error) {
	if f.ChannelPrefix == "" && f.ChannelSuffix == "" && f.ChannelExcludePrefix == "" && f.ChannelPattern == "" && f.ChannelNamespace == "" && f.ChannelNamespaces == nil {
		return matchAny, nil
	}
	m := &matcher{prefix: f.ChannelPrefix, suffix: f.ChannelSuffix, exclude: f.ChannelExcludePrefix, namespaces: f.ChannelNamespaces}
	if f.ChannelNamespace != "" && len(m.namespaces) == 0 {
		m.namespaces = []string{f.ChannelNamespace}
	} else if f.ChannelNamespace != "" {
		m.namespaces = intersect(f.ChannelNamespace, m.namespaces)
	}
	if f.ChannelPattern == "" {
		return m, nil
	}
	re, err := regexp.Compile(f.ChannelPattern)
	m.pattern = re
	return m, err
}

// intersect returns the namespaces that satisfy both fields: one, or an empty set that matches no
// channel.
func intersect(one string, others []string) []string {
	if slices.Contains(others, one) {
		return []string{one}
	}
	return []string{}
}

// match reports whether every condition of the filter holds for the channel.
func (m *matcher) match(channel string) bool {
	return strings.HasPrefix(channel, m.prefix) &&
		strings.HasSuffix(channel, m.suffix) &&
		(m.exclude == "" || !strings.HasPrefix(channel, m.exclude)) &&
		(m.namespaces == nil || m.matchNamespace(channel)) &&
		(m.pattern == nil || m.pattern.MatchString(channel))
}

func (m *matcher) matchNamespace(channel string) bool {
	ns, ok := namespace(channel)
	return ok && slices.Contains(m.namespaces, ns)
}

// typePrefixes are the channel type prefixes, each before any that it begins with.
// The first one that fits is taken off, as Sockudo does.
var typePrefixes = []string{
	"private-encrypted-cache-", "private-cache-", "presence-cache-", "cache-",
	"private-encrypted-", "presence-", "private-",
}

// namespace returns the text before the first ":" of a channel's name without its type prefix,
// and false if there is no ":".
func namespace(channel string) (string, bool) {
	for _, p := range typePrefixes {
		if rest, ok := strings.CutPrefix(channel, p); ok {
			channel = rest
			break
		}
	}
	ns, _, ok := strings.Cut(channel, ":")
	return ns, ok
}
