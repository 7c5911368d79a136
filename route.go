package webhook

import (
	"cmp"
	"slices"
)

// route finds the webhooks of an app that want a type. Where there are many, those whose filter has
// a prefix or namespaces are indexed by them, so that an event does not look at all of them.
type route struct {
	typ   EventType
	plain []*hook // to be looked at for every channel
	index *routeIndex
}

// routeIndex has the webhooks of a route that some channels cannot match, by what those lack.
type routeIndex struct {
	byPrefix    []keyedHook // sorted by prefix
	lengths     []int       // of the prefixes, ascending
	byNamespace []keyedHook // sorted by namespace; a webhook is there once for each of its own
}

type keyedHook struct {
	key string
	*hook
}

// routesOf makes the routes of an app's webhooks.
func routesOf(hooks []*hook) (routes []route) {
	all := plainRoutes(hooks)
	for _, r := range all {
		if len(r.plain) > manyHooks {
			return indexedRoutes(hooks)
		}
	}
	return all
}

func plainRoutes(hooks []*hook) (routes []route) {
	for _, h := range hooks {
		for _, t := range h.EventTypes {
			r := routeFor(&routes, t)
			r.plain = append(r.plain, h)
		}
	}
	return routes
}

// indexedRoutes makes routes with indexes. It sorts once for all of them.
func indexedRoutes(hooks []*hook) (routes []route) {
	var plain []*hook
	var prefixes, namespaces []keyedHook
	for _, h := range hooks {
		switch m := h.match; {
		case m.prefix != "":
			prefixes = append(prefixes, keyedHook{m.prefix, h})
		case m.namespaces != nil:
			for i, ns := range m.namespaces {
				if !slices.Contains(m.namespaces[:i], ns) {
					namespaces = append(namespaces, keyedHook{ns, h})
				}
			}
		default:
			plain = append(plain, h)
		}
	}
	routes = plainRoutes(plain)
	for i, keyed := range [][]keyedHook{prefixes, namespaces} {
		slices.SortStableFunc(keyed, func(a, b keyedHook) int { return cmp.Compare(a.key, b.key) })
		for _, k := range keyed {
			for _, t := range k.EventTypes {
				x := routeFor(&routes, t).indexed()
				if i == 0 {
					x.byPrefix = append(x.byPrefix, k)
				} else {
					x.byNamespace = append(x.byNamespace, k)
				}
			}
		}
	}
	for _, r := range routes {
		r.index.measure()
	}
	return routes
}

// routeFor returns the route of a type, making it if need be.
func routeFor(routes *[]route, t EventType) *route {
	for i := range *routes {
		if r := &(*routes)[i]; r.typ == t {
			return r
		}
	}
	*routes = append(*routes, route{typ: t})
	return &(*routes)[len(*routes)-1]
}

func (r *route) indexed() *routeIndex {
	if r.index == nil {
		r.index = &routeIndex{}
	}
	return r.index
}

// measure sets the lengths of the prefixes. x may be nil.
func (x *routeIndex) measure() {
	if x == nil {
		return
	}
	seen := map[int]struct{}{}
	for _, k := range x.byPrefix {
		seen[len(k.key)] = struct{}{}
	}
	for n := range seen {
		x.lengths = append(x.lengths, n)
	}
	slices.Sort(x.lengths)
}

// match appends the webhooks that want an event on the channel to hooks, until there are limit. r
// may be nil.
func (r *route) match(channel string, hooks []*hook, limit int) []*hook {
	if r == nil {
		return hooks
	}
	for _, h := range r.plain {
		if h.match.match(channel) {
			if hooks = append(hooks, h); len(hooks) >= limit {
				return hooks
			}
		}
	}
	if r.index != nil {
		hooks = r.index.match(channel, hooks, limit)
	}
	return hooks
}

func (x *routeIndex) match(channel string, hooks []*hook, limit int) []*hook {
	for _, n := range x.lengths {
		if n > len(channel) {
			break
		}
		hooks = matchKey(x.byPrefix, channel[:n], channel, hooks, limit)
	}
	if len(x.byNamespace) > 0 {
		if ns, ok := namespace(channel); ok {
			hooks = matchKey(x.byNamespace, ns, channel, hooks, limit)
		}
	}
	return hooks
}

// matchKey is match for the webhooks with this key, of several that are sorted.
func matchKey(sorted []keyedHook, key, channel string, hooks []*hook, limit int) []*hook {
	i, _ := slices.BinarySearchFunc(sorted, key, func(k keyedHook, key string) int { return cmp.Compare(k.key, key) })
	for ; i < len(sorted) && sorted[i].key == key && len(hooks) < limit; i++ {
		if sorted[i].hook.match.match(channel) {
			hooks = append(hooks, sorted[i].hook)
		}
	}
	return hooks
}
