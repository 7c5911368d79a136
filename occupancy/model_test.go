package occupancy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/pushhooks/webhook"
)

// dice makes the choices of one fuzz input: its bytes first, then random numbers that depend on
// them.
type dice struct {
	data []byte
	rest *rand.ChaCha8
}

func (d *dice) n(limit int) int {
	if len(d.data) == 0 {
		return int(d.rest.Uint64() % uint64(limit))
	}
	b := d.data[0]
	d.data = d.data[1:]
	return int(b) % limit
}

// model is what is so: the user of each socket on each channel.
type model map[string]map[string]string

// view is what webhooks know of a channel, or should.
type view struct {
	occupied bool
	count    int
	members  string // the users, sorted
}

func (m model) view(channel string) view {
	v := view{occupied: len(m[channel]) > 0}
	if isPresence(channel) {
		v.members = fmt.Sprint(slices.Compact(slices.Sorted(maps.Values(m[channel]))))
	} else {
		v.members, v.count = "[]", len(m[channel])
	}
	return v
}

// audience is a webhook that wants everything. It checks that each event is news to it.
type audience struct {
	*testing.T
	occupied map[string]bool
	counts   map[string]int
	members  map[string]map[string]bool
}

func newAudience(t *testing.T) *audience {
	return &audience{t, map[string]bool{}, map[string]int{}, map[string]map[string]bool{}}
}

func (a *audience) hear(ev webhook.Event) {
	if err := ev.Validate(); err != nil {
		a.Error(err)
	}
	there := a.members[ev.Channel]
	if there == nil {
		there = map[string]bool{}
		a.members[ev.Channel] = there
	}
	news := false
	switch ev.Type {
	case webhook.TypeChannelOccupied, webhook.TypeChannelVacated:
		news = a.occupied[ev.Channel] != (ev.Type == webhook.TypeChannelOccupied)
		a.occupied[ev.Channel] = ev.Type == webhook.TypeChannelOccupied
	case webhook.TypeMemberAdded:
		news = !there[ev.UserID]
		there[ev.UserID] = true
	case webhook.TypeMemberRemoved:
		news = there[ev.UserID]
		delete(there, ev.UserID)
	case webhook.TypeSubscriptionCount:
		news = a.counts[ev.Channel] != ev.SubscriptionCount
		a.counts[ev.Channel] = ev.SubscriptionCount
	}
	if !news {
		a.Errorf("%s is no news", short(ev))
	}
}

func (a *audience) view(channel string) view {
	return view{a.occupied[channel], a.counts[channel], fmt.Sprint(slices.Sorted(maps.Keys(a.members[channel])))}
}

// expected returns the events that tell of a change, if nothing waits.
func expected(channel string, before, after model) (texts []string) {
	was, is := before.view(channel), after.view(channel)
	say := func(ev webhook.Event) { texts = append(texts, short(ev)) }
	if !was.occupied && is.occupied {
		say(webhook.ChannelOccupied("app", channel))
	}
	if isPresence(channel) {
		had, has := slices.Sorted(maps.Values(before[channel])), slices.Sorted(maps.Values(after[channel]))
		for _, user := range users {
			if slices.Contains(has, user) && !slices.Contains(had, user) {
				say(webhook.MemberAdded("app", channel, user))
			} else if !slices.Contains(has, user) && slices.Contains(had, user) {
				say(webhook.MemberRemoved("app", channel, user))
			}
		}
	} else if was.count != is.count {
		say(webhook.SubscriptionCount("app", channel, is.count))
	}
	if was.occupied && !is.occupied {
		say(webhook.ChannelVacated("app", channel))
	}
	return texts
}

func (m model) clone() model {
	c := model{}
	for channel, on := range m {
		c[channel] = maps.Clone(on)
	}
	return c
}

var (
	channels = []string{"presence-a", "presence-b", "c", "private-d"}
	users    = []string{"ann", "bob", "cyd"}
	types    = []webhook.EventType{
		webhook.TypeChannelOccupied, webhook.TypeChannelVacated, webhook.TypeMemberAdded,
		webhook.TypeMemberRemoved, webhook.TypeSubscriptionCount,
	}
)

// FuzzTracker does random things and compares with the model: what is emitted, what is an error,
// and what is in memory.
func FuzzTracker(f *testing.F) {
	for i := range byte(40) {
		f.Add([]byte{i, 7 * i, 31 * i, 101 * i})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w := &world{t: t, dice: &dice{data, rand.NewChaCha8(sha256.Sum256(data))}, truth: model{}, audience: newAudience(t)}
		w.tr = New(emitFunc(w.emit))
		w.reliable = w.n(4) == 0
		for range 20 + w.n(256) {
			w.step()
			w.checkMemory()
		}
		w.end()
	})
}

type world struct {
	t *testing.T
	*dice
	tr       *Tracker
	truth    model
	audience *audience

	reliable bool // nothing is refused
	refused  int  // a bit for each type that is refused
	half     bool // events are refused at random
	texts    []string
}

func (w *world) emit(ev webhook.Event) error {
	i := slices.Index(types, ev.Type)
	if w.refused&(1<<i) != 0 || w.half && w.n(2) == 0 {
		return fmt.Errorf("%w: try later", webhook.ErrOverflow)
	}
	w.texts = append(w.texts, short(ev))
	w.audience.hear(ev)
	return nil
}

func (w *world) step() {
	before := w.truth.clone()
	w.texts = nil
	channel, socket := channels[w.n(len(channels))], fmt.Sprint(w.n(6))
	var err error
	switch w.n(8) {
	case 0, 1, 2:
		err = w.join(channel, socket)
	case 3, 4:
		delete(w.truth[channel], socket)
		err = w.tr.Leave(sub(channel, socket, ""))
	case 5:
		for _, on := range w.truth {
			delete(on, socket)
		}
		err = w.tr.Gone(socket)
	case 6:
		w.texts = nil
		w.check("Retry", channels, w.tr.Retry())
		return
	case 7:
		if !w.reliable {
			w.refused, w.half = w.n(1<<len(types)), w.n(4) == 0
		}
	}
	var changed, texts []string
	for _, c := range channels {
		if !maps.Equal(before[c], w.truth[c]) {
			changed = append(changed, c)
			texts = append(texts, expected(c, before, w.truth)...)
		}
	}
	w.check("the call", changed, err)
	if w.reliable && !slices.Equal(slices.Sorted(slices.Values(texts)), slices.Sorted(slices.Values(w.texts))) {
		w.t.Errorf("emitted %q, want %q", w.texts, texts)
	}
	if w.reliable && len(changed) == 1 && !slices.Equal(texts, w.texts) {
		w.t.Errorf("emitted %q, want %q in this order", w.texts, texts)
	}
}

func (w *world) join(channel, socket string) error {
	user := users[w.n(len(users))]
	if old, on := w.truth[channel][socket]; on {
		user = old
	}
	if w.truth[channel] == nil {
		w.truth[channel] = map[string]string{}
	}
	w.truth[channel][socket] = user
	return w.tr.Join(sub(channel, socket, user))
}

// check compares what webhooks know of channels for which events were to be emitted with what is
// so.
func (w *world) check(what string, changed []string, err error) {
	untold := slices.ContainsFunc(changed, func(c string) bool { return w.audience.view(c) != w.truth.view(c) })
	if untold != (err != nil) || err != nil && !errors.Is(err, webhook.ErrOverflow) {
		w.t.Errorf("after %s the error is %v, want one: %t", what, err, untold)
	}
}

// checkMemory checks that just those channels are in memory that have sockets or something to tell.
func (w *world) checkMemory() {
	for _, channel := range channels {
		k := key{"app", channel}
		sh := w.tr.channelShard(k)
		c := sh.byKey.m[k]
		_, untold := sh.untold.m[c]
		differs := w.audience.view(channel) != w.truth.view(channel)
		if (c != nil) != (differs || len(w.truth[channel]) > 0) || untold != differs {
			w.t.Errorf("%s: in memory %t, untold %t; webhooks know %+v, so is %+v", channel, c != nil, untold, w.audience.view(channel), w.truth.view(channel))
		}
		if n := w.tr.Count("app", channel); n != len(w.truth[channel]) {
			w.t.Errorf("Count of %s is %d, want %d", channel, n, len(w.truth[channel]))
		}
	}
}

func (w *world) end() {
	w.refused, w.half = 0, false
	ok(w.t, w.tr.Retry())
	w.check("the end", channels, nil)
	for i := range 6 {
		ok(w.t, w.tr.Gone(fmt.Sprint(i)))
	}
	for _, c := range channels {
		if v := w.audience.view(c); v != (view{members: "[]"}) {
			w.t.Errorf("%s: webhooks know %+v after all have gone", c, v)
		}
	}
	empty(w.t, w.tr)
}

// Goroutines join, leave and go, each with sockets of its own and with those that all share, while
// events are refused now and then. Webhooks hear no event that is no news, and in the end the
// truth.
func TestTrackerWithManyGoroutines(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	heard, calls, refuse := newAudience(t), 0, true
	tr := New(emitFunc(func(ev webhook.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; refuse && calls%5 == 0 {
			return webhook.ErrOverflow
		}
		heard.hear(ev)
		return nil
	}))
	const goroutines, sockets = 8, 4
	truths := make([]model, goroutines)
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() { truths[g] = act(tr, g, sockets) })
	}
	all.Wait()
	for s := range sockets {
		_ = tr.Gone(fmt.Sprint("shared-", s))
	}
	refuse = false
	ok(t, tr.Retry())
	truth := model{}
	for _, m := range truths {
		for channel, on := range m {
			if truth[channel] == nil {
				truth[channel] = map[string]string{}
			}
			maps.Copy(truth[channel], on)
		}
	}
	for _, c := range channels {
		if heard.view(c) != truth.view(c) || tr.Count("app", c) != len(truth[c]) {
			t.Errorf("%s: webhooks know %+v, so is %+v", c, heard.view(c), truth.view(c))
		}
	}
	for g := range goroutines {
		for s := range sockets {
			ok(t, tr.Gone(fmt.Sprint(g, "-", s)))
		}
	}
	empty(t, tr)
}

// act does random things, and returns on which channels the goroutine's own sockets are in the end.
func act(tr *Tracker, g, sockets int) model {
	r, truth := rand.New(rand.NewPCG(uint64(g), 7)), model{}
	for _, c := range channels {
		truth[c] = map[string]string{}
	}
	for range 3000 {
		channel, n := channels[r.IntN(len(channels))], r.IntN(sockets)
		own, shared := fmt.Sprint(g, "-", n), fmt.Sprint("shared-", n)
		user := users[n%len(users)]
		switch r.IntN(8) {
		case 0, 1:
			truth[channel][own] = user
			_ = tr.Join(sub(channel, own, user))
		case 2:
			delete(truth[channel], own)
			_ = tr.Leave(sub(channel, own, ""))
		case 3:
			for _, on := range truth {
				delete(on, own)
			}
			_ = tr.Gone(own)
		case 4, 5:
			_ = tr.Join(sub(channel, shared, user))
		case 6:
			_ = tr.Leave(sub(channel, shared, ""))
		case 7:
			_ = tr.Gone(shared)
			_ = tr.Retry()
		}
	}
	return truth
}
