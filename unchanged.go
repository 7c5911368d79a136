package webhook

import (
	"maps"
	"slices"
)

// unchanged returns for each of an app's new webhooks the hook of an equal one at the same place of
// a, or nil. Such a webhook need not be checked and compiled again: of thousands, few change at
// once. a may be nil.
func (a *app) unchanged(webhooks []Webhook) []*hook {
	hooks := make([]*hook, len(webhooks))
	if a == nil {
		return hooks
	}
	for i, h := range a.hooks[:min(len(a.hooks), len(webhooks))] {
		if h.Webhook.equal(&webhooks[i]) {
			hooks[i] = h
		}
	}
	return hooks
}

// identities is the function, which has less to do if all webhooks have the targets that those of a
// have. a may be nil.
func (a *app) identities(webhooks []Webhook) []string {
	if a == nil || len(a.hooks) != len(webhooks) {
		return identities(webhooks)
	}
	ids := make([]string, len(webhooks))
	for i, h := range a.hooks {
		if w := &webhooks[i]; h.ID != w.ID || h.URL != w.URL || !equalLambda(h.Lambda, w.Lambda) {
			return identities(webhooks)
		}
		ids[i] = h.id
	}
	return ids
}

// equal reports whether two webhooks are equal in everything.
func (w *Webhook) equal(v *Webhook) bool {
	return w.ID == v.ID && w.URL == v.URL && equalLambda(w.Lambda, v.Lambda) &&
		slices.Equal(w.EventTypes, v.EventTypes) && w.Filter.equal(&v.Filter) && maps.Equal(w.Headers, v.Headers) &&
		w.UserInfoAsString == v.UserInfoAsString && w.Retry == v.Retry && w.RequestTimeout == v.RequestTimeout && w.Ordered == v.Ordered && w.RateLimit == v.RateLimit
}

func (f *Filter) equal(g *Filter) bool {
	return f.ChannelPrefix == g.ChannelPrefix && f.ChannelSuffix == g.ChannelSuffix && f.ChannelPattern == g.ChannelPattern &&
		f.ChannelExcludePrefix == g.ChannelExcludePrefix &&
		f.ChannelNamespace == g.ChannelNamespace && slices.Equal(f.ChannelNamespaces, g.ChannelNamespaces) &&
		(f.ChannelNamespaces == nil) == (g.ChannelNamespaces == nil)
}

func equalLambda(l, m *Lambda) bool { return l == m || l != nil && m != nil && *l == *m }
