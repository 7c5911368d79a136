package webhook

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// app is an App compiled for Emit and the workers. It never changes: a new configuration is a new
// app.
type app struct {
	id     string
	hash   uint64   // of id, in the registry
	key    string   // the name of the current one
	keys   []appKey // the current one first
	off    bool     // disabled, or without webhooks
	since  int64    // when SetApp set it, in Unix milliseconds; 0: the emitter began with it
	hooks  []*hook
	byID   map[string]*hook // nil where there are few
	routes []route
}

// appKey is a key that verifies; the first of an app is its current one, which also signs. Several
// may have one name, with secrets of different times.
type appKey struct {
	name   string
	signer *signer
}

// hook is a Webhook compiled. It never changes once its app is in the registry.
type hook struct {
	*Webhook
	app   *app
	id    string // the webhook's identity
	lane  string // app and identity: the queue's lane
	match *matcher
	slot  *slot // collects the events; outlives the hook when the configuration changes
}

// manyHooks is the number of webhooks from which on an app, or a route of it, has an index.
const manyHooks = 32

// compileApp makes an app of a, which has been validated, and whose webhooks have these identities.
// Those that are known are equal to a hook that was compiled. They all get their slots from adopt.
func compileApp(a *App, ids []string, known []*hook) (*app, error) {
	c := &app{id: a.ID, key: a.Key, off: a.Disabled || len(a.Webhooks) == 0}
	c.keys = append(c.keys, appKey{a.Key, newSigner(a.Secret)})
	for _, k := range a.PreviousKeys {
		c.keys = append(c.keys, appKey{k.Key, newSigner(k.Secret)})
	}
	c.hooks = make([]*hook, 0, len(a.Webhooks))
	hooks := make([]hook, len(a.Webhooks)) // at once, as there may be many
	for i, id := range ids {
		h := &hooks[i]
		*h = hook{Webhook: &a.Webhooks[i], app: c, id: id, lane: laneOf(a.ID, id)}
		if k := known[i]; k != nil {
			h.match = k.match
		} else if err := h.compile(); err != nil {
			return nil, err
		}
		c.hooks = append(c.hooks, h)
	}
	if len(c.hooks) > manyHooks {
		c.byID = make(map[string]*hook, len(c.hooks))
		for _, h := range c.hooks {
			c.byID[h.id] = h
		}
	}
	c.routes = routesOf(c.hooks)
	return c, nil
}

func (h *hook) compile() (err error) {
	h.match, err = h.Filter.compile()
	return err
}

// route returns the webhooks that want the type, nil if there are none. There are few types, so a
// scan is faster than a map.
func (a *app) route(t EventType) *route {
	for i := range a.routes {
		if a.routes[i].typ == t {
			return &a.routes[i]
		}
	}
	return nil
}

// wants reports whether any webhook wants the type on this channel.
func (a *app) wants(t EventType, channel string) bool {
	var buf [1]*hook
	return len(a.route(t).match(channel, buf[:0], 1)) > 0
}

// hook returns the webhook with this identity, nil if there is none. a may be nil.
func (a *app) hook(id string) *hook {
	switch {
	case a == nil:
		return nil
	case a.byID != nil:
		return a.byID[id]
	}
	for _, h := range a.hooks {
		if h.id == id {
			return h
		}
	}
	return nil
}

// hookNear is hook for a webhook that is probably at this place. a may be nil.
func (a *app) hookNear(i int, id string) *hook {
	if a != nil && i < len(a.hooks) && a.hooks[i].id == id {
		return a.hooks[i]
	}
	return a.hook(id)
}

// adopt gives each webhook the slot that its identity had in the app before, or when it was
// removed, so that events which still wait there are not overtaken. The others get new ones.
func (a *app) adopt(before *app, gone tombstones) {
	for i, h := range a.hooks {
		if old := before.hookNear(i, h.id); old != nil {
			h.slot = old.slot
			if !old.sameTarget(h.Webhook) {
				h.slot.maxBody.Store(0) // another target may accept larger bodies
			}
			continue
		}
		if h.slot = gone[tombstone{app: a.id, webhook: h.id}]; h.slot == nil {
			h.slot = &slot{}
		}
		h.slot.maxBody.Store(0)
	}
}

// knows reports whether the app has a key of this name. a may be nil.
func (a *app) knows(key string) bool {
	if a == nil {
		return false
	}
	for i := range a.keys {
		if a.keys[i].name == key {
			return true
		}
	}
	return false
}

// verifies returns the signer of the key that made the job, nil if none did.
func (a *app) verifies(j *parsedJob) *signer {
	for i := range a.keys {
		if k := &a.keys[i]; k.name == j.key && j.verify(k.signer) {
			return k.signer
		}
	}
	return nil
}

// registry finds apps by ID. Reading takes no lock, so that Emit scales; writing copies one shard,
// so that a host with a million apps can change them one at a time.
type registry struct {
	seed   maphash.Seed
	shards [1024]atomic.Pointer[table]

	mu   sync.Mutex // held by writers
	gone tombstones
}

// table is an immutable hash table of apps with open addressing. Emit looks into one for each
// event, and this is half of what a map costs: the hash that chose the shard serves here too.
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
	return r.get(appID).hook(id)
}

// hooks returns the webhooks of all apps, in the order of their lanes' names.
func (r *registry) hooks() (all []*hook) {
	for i := range r.shards {
		if t := r.shards[i].Load(); t != nil {
			for _, a := range t.slots {
				if a != nil {
					all = append(all, a.hooks...)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b *hook) int { return cmp.Compare(a.lane, b.lane) })
	return all
}

func (t *table) get(hash uint64, id string) *app {
	for i := hash >> 32; ; i++ {
		a := t.slots[i&uint64(len(t.slots)-1)]
		if a == nil || a.hash == hash && a.id == id {
			return a
		}
	}
}

// with returns a copy of t, which may be nil, in which change (nil: nothing) stands for what was
// under id.
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
		a.adopt(nil, nil)
		i := a.hash % uint64(len(r.shards))
		byShard[i] = append(byShard[i], a)
	}
	for i, list := range byShard {
		r.shards[i].Store(newTable(list))
	}
}

// put stores an app in the place of the one with its ID, which it returns. The app was compiled
// before the call, so that the registry is not locked for long.
func (r *registry) put(a *app) (before *app) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before = r.get(a.id)
	a.since = time.Now().UnixMilli()
	a.adopt(before, r.gone)
	r.store(a.id, before, a)
	return before
}

// remove takes the app with this ID out, if it is there.
func (r *registry) remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before := r.get(id); before != nil {
		r.store(id, before, nil)
	}
}

// store has a, which may be nil, stand under id. The registry is locked.
func (r *registry) store(id string, before, a *app) {
	r.gone.update(before, a)
	hash := r.hash(id)
	if a != nil {
		a.hash = hash
	}
	s := r.shard(hash)
	s.Store(s.Load().with(id, a))
}

// removed reports whether the app (webhook and key empty), its webhook or its key was known here
// once and was taken away.
func (r *registry) removed(t tombstone) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.gone[t]
	return ok
}

// tombstone names something that was removed: an app, a webhook of an app, or a key of an app.
type tombstone struct{ app, webhook, key string }

// tombstones tell what was removed here from what isn't known here yet. A webhook's has its slot,
// whose open batch may still wait. They are bounded: a host that removes very many forgets those
// that have nothing waiting, and then jobs of theirs wait until they are too old.
type tombstones map[tombstone]*slot

const maxTombstones = 100_000

// update notes what was removed when a took the place of before, and what is back. Both may be nil.
func (t *tombstones) update(before, a *app) {
	if *t == nil {
		*t = tombstones{}
	}
	if len(*t) > maxTombstones {
		maps.DeleteFunc(*t, func(_ tombstone, s *slot) bool { return s == nil || !s.account.holds() })
	}
	if before != nil {
		t.bury(before, a)
	}
	if a != nil && len(*t) > 0 {
		t.revive(before, a)
	}
}

// bury notes what of before is not in a, which may be nil.
func (t tombstones) bury(before, a *app) {
	if a == nil {
		t[tombstone{app: before.id}] = nil
	}
	for _, h := range before.hooks {
		if a.hook(h.id) == nil {
			t[tombstone{app: before.id, webhook: h.id}] = h.slot
		}
	}
	for _, k := range before.keys {
		if !a.knows(k.name) {
			t[tombstone{app: before.id, key: k.name}] = nil
		}
	}
}

// revive forgets that what the app has was removed.
func (t tombstones) revive(before, a *app) {
	delete(t, tombstone{app: a.id})
	for _, h := range a.hooks {
		if before.hook(h.id) == nil {
			delete(t, tombstone{app: a.id, webhook: h.id})
		}
	}
	for _, k := range a.keys {
		delete(t, tombstone{app: a.id, key: k.name})
	}
}
