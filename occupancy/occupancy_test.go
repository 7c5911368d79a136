package occupancy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pushhooks/webhook"
)

// script is an Emitter that keeps what it takes, and refuses what it is told to.
type script struct {
	mu     sync.Mutex
	taken  []webhook.Event
	refuse func(webhook.Event) error // nil: nothing
}

func (s *script) Emit(ev webhook.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(ev); err != nil {
			return err
		}
	}
	s.taken = append(s.taken, ev)
	return ev.Validate()
}

func (s *script) set(refuse func(webhook.Event) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// take returns what was taken since the last call, in short.
func (s *script) take() (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range s.taken {
		texts = append(texts, short(ev))
	}
	s.taken = nil
	return texts
}

func short(ev webhook.Event) string {
	text := string(ev.Type) + " " + ev.Channel
	if ev.UserID != "" {
		text += " " + ev.UserID
	}
	if ev.Type == webhook.TypeSubscriptionCount {
		text += fmt.Sprint(" ", ev.SubscriptionCount)
	}
	return text
}

func expect(t *testing.T, s *script, want ...string) {
	t.Helper()
	if got := s.take(); !slices.Equal(got, want) {
		t.Errorf("emitted:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func sub(channel, socket, user string) Subscription {
	return Subscription{AppID: "app", Channel: channel, SocketID: socket, UserID: user}
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

func overflow(types ...webhook.EventType) func(webhook.Event) error {
	return func(ev webhook.Event) error {
		if len(types) == 0 || slices.Contains(types, ev.Type) {
			return webhook.ErrOverflow
		}
		return nil
	}
}

// empty checks that nothing is left in memory.
func empty(t *testing.T, tr *Tracker) {
	t.Helper()
	for i := range tr.channels {
		if n := len(tr.channels[i].byKey.m) + len(tr.channels[i].untold.m) + len(tr.sockets[i].bySocket.m); n > 0 {
			t.Errorf("shard %d has %d entries", i, n)
		}
	}
	if n := tr.waiting.waiting.Load(); n != 0 {
		t.Errorf("%d departures are counted", n)
	}
}

func TestTrackerEmitsTheEventsOfAChannelWithoutMembers(t *testing.T) {
	t.Parallel()
	for _, channel := range []string{"chat", "private-chat", "private-encrypted-chat", "cache-chat"} {
		s := &script{}
		tr := New(s)
		ok(t, tr.Join(sub(channel, "1", "")), tr.Join(sub(channel, "2", "ignored")), tr.Join(sub(channel, "2", "")))
		expect(t, s, "channel_occupied "+channel, "subscription_count "+channel+" 1", "subscription_count "+channel+" 2")
		if n := tr.Count("app", channel); n != 2 {
			t.Errorf("Count is %d, want 2", n)
		}
		ok(t, tr.Leave(sub(channel, "1", "")), tr.Leave(sub(channel, "1", "")), tr.Leave(sub(channel, "3", "")), tr.Leave(sub("other", "2", "")))
		expect(t, s, "subscription_count "+channel+" 1")
		ok(t, tr.Gone("2"), tr.Gone("2"))
		expect(t, s, "subscription_count "+channel+" 0", "channel_vacated "+channel)
		empty(t, tr)
	}
}

func TestTrackerCountsAUsersConnections(t *testing.T) {
	t.Parallel()
	for _, channel := range []string{"presence-x", "presence-cache-x"} {
		s := &script{}
		tr := New(s)
		ok(t, tr.Join(sub(channel, "1", "ann")), tr.Join(sub(channel, "2", "ann")), tr.Join(sub(channel, "3", "bob")))
		expect(t, s, "channel_occupied "+channel, "member_added "+channel+" ann", "member_added "+channel+" bob")
		ok(t, tr.Leave(sub(channel, "1", "")))
		expect(t, s)
		ok(t, tr.Gone("2"))
		expect(t, s, "member_removed "+channel+" ann")
		ok(t, tr.Gone("3"))
		expect(t, s, "member_removed "+channel+" bob", "channel_vacated "+channel)
		empty(t, tr)
	}
}

func TestTrackerKeepsAppsApart(t *testing.T) {
	t.Parallel()
	s := &script{}
	tr := New(s)
	for _, app := range []string{"a", "b"} {
		ok(t, tr.Join(Subscription{AppID: app, Channel: "presence-x", SocketID: app, UserID: "ann"}))
		expect(t, s, "channel_occupied presence-x", "member_added presence-x ann")
	}
	if tr.Count("a", "presence-x") != 1 || tr.Count("c", "presence-x") != 0 {
		t.Error("Count mixes apps")
	}
}

func TestGoneLeavesAllChannels(t *testing.T) {
	t.Parallel()
	s := &script{}
	tr := New(s)
	for i := range 100 {
		ok(t, tr.Join(sub(fmt.Sprint("presence-", i), "1", "ann")), tr.Join(sub(fmt.Sprint("c-", i), "1", "")))
	}
	s.take()
	ok(t, tr.Gone("1"))
	if got := s.take(); len(got) != 400 {
		t.Errorf("%d events, want 400", len(got))
	}
	empty(t, tr)
}

func TestJoinRefusesWhatNoEventCanBeMadeOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		s    Subscription
		want string
	}{
		{Subscription{Channel: "c", SocketID: "1"}, "app_id is empty"},
		{sub("", "1", "ann"), "channel is empty"},
		{sub("c", "", ""), "socket_id is empty"},
		{sub("presence-x", "1", ""), "user_id is empty, member_added needs it"},
		{sub(strings.Repeat("c", 5000), "1", ""), "5000 bytes long"},
		{sub("presence-x", "taken", "bob"), `socket_id "taken" is on channel "presence-x" as user_id "ann" already, not as "bob"`},
	} {
		s := &script{}
		tr := New(s)
		ok(t, tr.Join(sub("presence-x", "taken", "ann")))
		s.take()
		err := tr.Join(test.s)
		if !errors.Is(err, ErrNotJoined) || !strings.HasPrefix(err.Error(), "occupancy: not joined: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
		ok(t, tr.Gone("taken"), tr.Gone("1"))
		expect(t, s, "member_removed presence-x ann", "channel_vacated presence-x")
		empty(t, tr)
	}
}

// A Trace function may end the goroutine that emits.
func TestTrackerSurvivesAnEmitThatDoesNotReturn(t *testing.T) {
	t.Parallel()
	s := &script{}
	tr := New(s)
	s.set(func(webhook.Event) error { panic("rogue") })
	for range 2 {
		func() {
			defer func() { _ = recover() }()
			_ = tr.Join(sub("c", "1", ""))
		}()
	}
	s.set(nil)
	ok(t, tr.Retry())
	expect(t, s, "channel_occupied c", "subscription_count c 1")
	ok(t, tr.Gone("1"))
	expect(t, s, "subscription_count c 0", "channel_vacated c")
	empty(t, tr)
}

// An Emit that takes long holds up its own shard alone, not the sockets and not other shards.
func TestChannelsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	s := &script{}
	entered, release := make(chan struct{}), make(chan struct{})
	tr := New(emitFunc(func(ev webhook.Event) error {
		if ev.Channel == "slow" {
			entered <- struct{}{}
			<-release
		}
		return s.Emit(ev)
	}))
	slow := make(chan error)
	go func() { slow <- tr.Join(sub("slow", "1", "")) }()
	<-entered
	other := 0
	for tr.channelShard(key{"app", fmt.Sprint(other)}) == tr.channelShard(key{"app", "slow"}) {
		other++
	}
	channel := fmt.Sprint(other)
	ok(t, tr.Join(sub(channel, "1", "")), tr.Leave(sub(channel, "1", ""))) // deadlocks if it waits
	expect(t, s, "channel_occupied "+channel, "subscription_count "+channel+" 1", "subscription_count "+channel+" 0", "channel_vacated "+channel)
	release <- struct{}{}
	<-entered
	release <- struct{}{}
	ok(t, <-slow)
}

type emitFunc func(webhook.Event) error

func (f emitFunc) Emit(ev webhook.Event) error { return f(ev) }
