package webhook

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// app is an App compiled for Emit and the workers. It never changes: a new configuration is a new app.
type app struct {
	id     string
	hash   uint64 // of id, in the registry
	key    string
	keys   []appKey
	off    bool  // disabled, or without webhooks
	since  int64 // when SetApp set it, in Unix milliseconds; 0: the emitter began with it
	hooks  []*hook
	routes []route
}

// appKey is a key that verifies; the first of an app is its current one, which also signs.
type appKey struct {
	name   string
	signer *signer
}

// route lists the webhooks that want a type.
type route struct {
	typ   EventType
	hooks []*hook
}

// hook is a Webhook compiled. It never changes.
type hook struct {
	*Webhook
	app   *app
	id    string // the webhook's identity
	lane  string // app and identity: the queue's lane
	match matcher
	slot  *slot // collects the events; outlives the hook when the configuration changes
}

// compileApp makes an app of a, which has been validated. Webhooks that old has too keep their slots.
func compileApp(a *App, old *app) (*app, error) {
	c := &app{id: a.ID, key: a.Key, off: a.Disabled || len(a.Webhooks) == 0}
	c.keys = append(c.keys, appKey{a.Key, newSigner(a.Secret)})
	for _, k := range a.PreviousKeys {
		c.keys = append(c.keys, appKey{k.Key, newSigner(k.Secret)})
	}
	for i, id := range identities(a.Webhooks) {
		h := &hook{Webhook: &a.Webhooks[i], app: c, id: id, lane: laneOf(a.ID, id)}
		var err error
		if h.match, err = h.Filter.compile(); err != nil {
			return nil, err
		}
		h.slot = old.slotOf(h)
		c.hooks = append(c.hooks, h)
		for _, t := range h.EventTypes {
			c.addRoute(t, h)
		}
	}
	return c, nil
}

func (a *app) addRoute(t EventType, h *hook) {
	for i := range a.routes {
		if a.routes[i].typ == t {
			a.routes[i].hooks = append(a.routes[i].hooks, h)
			return
		}
	}
	a.routes = append(a.routes, route{t, []*hook{h}})
}

// wanting returns the webhooks that want the type, whatever the channel. There are few types, so a scan is
// faster than a map.
func (a *app) wanting(t EventType) []*hook {
	for i := range a.routes {
		if a.routes[i].typ == t {
			return a.routes[i].hooks
		}
	}
	return nil
}

// wants reports whether any webhook wants the type on this channel.
func (a *app) wants(t EventType, channel string) bool {
	for _, h := range a.wanting(t) {
		if h.match.match(channel) {
			return true
		}
	}
	return false
}

func (a *app) hook(id string) *hook {
	for _, h := range a.hooks {
		if h.id == id {
			return h
		}
	}
	return nil
}

// slotOf returns the slot of the webhook that h takes the place of, or a new one. A new target may accept larger bodies.
func (a *app) slotOf(h *hook) *slot {
	if a == nil {
		return &slot{}
	}
	old := a.hook(h.id)
	if old == nil {
		return &slot{}
	}
	if old.target() != h.target() {
		old.slot.maxBody.Store(0)
	}
	return old.slot
}

func (a *app) signer(key string) *signer {
	for i := range a.keys {
		if a.keys[i].name == key {
			return a.keys[i].signer
		}
	}
	return nil
}

// registry finds apps by ID. Reading takes no lock, so that Emit scales; writing copies one shard, so that a
// host with a million apps can change them one at a time.
type registry struct {
	seed   maphash.Seed
	shards [1024]atomic.Pointer[table]

	mu   sync.Mutex // held by writers
	gone tombstones
}

// table is an immutable hash table of apps with open addressing. Emit looks into one for each event, and this is half of
// what a map costs: the hash that chose the shard serves here too.
type table struct {
	slots []*app // a power of two, at most half of them in use
}

func newRegistry() *registry { return &registry{seed: maphash.MakeSeed()} }

func (r *registry) hash(id string) uint64 { return maphash.String(r.seed, id) }

func (r *registry) shard(hash uint64) *atomic.Pointer[table] {
	return &r.shards[hash%uint64(len(r.shards))]
}

func (r *registry) get(id string) *app {
	hash := r.hash(id)
	t := r.shard(hash).Load()
	if t == nil {
		return nil
	}
	return t.get(hash, id)
}

// hook returns the webhook with this identity, nil if there is none.
func (r *registry) hook(appID, id string) *hook {
	a := r.get(appID)
	if a == nil {
		return nil
	}
	return a.hook(id)
}

func (t *table) get(hash uint64, id string) *app {
	for i := hash >> 32; ; i++ {
		a := t.slots[i&uint64(len(t.slots)-1)]
		if a == nil || a.hash == hash && a.id == id {
			return a
		}
	}
}

// with returns a copy of t, which may be nil, in which change (nil: nothing) stands for what was under id.
func (t *table) with(id string, change *app) *table {
	all := make([]*app, 0, 8)
	if t != nil {
		for _, a := range t.slots {
			if a != nil && a.id != id {
				all = append(all, a)
			}
		}
	}
	if change != nil {
		all = append(all, change)
	}
	return newTable(all)
}

func newTable(apps []*app) *table {
	size := 2
	for size < 2*len(apps) {
		size *= 2
	}
	t := &table{slots: make([]*app, size)}
	for _, a := range apps {
		i := a.hash >> 32
		for t.slots[i&uint64(size-1)] != nil {
			i++
		}
		t.slots[i&uint64(size-1)] = a
	}
	return t
}

// fill stores all the apps at once, for a new registry.
func (r *registry) fill(apps []*app) {
	byShard := make([][]*app, len(r.shards))
	for _, a := range apps {
		a.hash = r.hash(a.id)
		i := a.hash % uint64(len(r.shards))
		byShard[i] = append(byShard[i], a)
	}
	for i, list := range byShard {
		r.shards[i].Store(newTable(list))
	}
}

// put replaces what is stored under id by what change makes of it; nil removes.
func (r *registry) put(id string, change func(old *app) (*app, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.get(id)
	a, err := change(old)
	if err != nil {
		return err
	}
	r.gone.update(old, a)
	hash := r.hash(id)
	if a != nil {
		a.hash = hash
	}
	s := r.shard(hash)
	s.Store(s.Load().with(id, a))
	return nil
}

// removed reports whether the app (webhook and key empty), its webhook or its key was known here once
// and was taken away.
func (r *registry) removed(t tombstone) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.gone[t]
	return ok
}

// tombstone names something that was removed: an app, a webhook of an app, or a key of an app.
type tombstone struct{ app, webhook, key string }

// tombstones tell what was removed here from what isn't known here yet. They are bounded: a host
// that removes very many forgets all of them, and then jobs of theirs wait out their budget first.
type tombstones map[tombstone]struct{}

const maxTombstones = 100_000

func (t *tombstones) update(old, a *app) {
	if *t == nil || len(*t) > maxTombstones {
		*t = tombstones{}
	}
	if old != nil {
		t.each(old, func(x tombstone) { (*t)[x] = struct{}{} })
	}
	if a != nil {
		t.each(a, func(x tombstone) { delete(*t, x) })
	}
}

func (t *tombstones) each(a *app, f func(tombstone)) {
	f(tombstone{app: a.id})
	for _, h := range a.hooks {
		f(tombstone{app: a.id, webhook: h.id})
	}
	for _, k := range a.keys {
		f(tombstone{app: a.id, key: k.name})
	}
}
