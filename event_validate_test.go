package webhook

import (
	"errors"
	"strings"
	"testing"
)

func TestValidateNamesFieldValueAndRemedy(t *testing.T) {
	t.Parallel()
	with := func(e Event, change func(*Event)) Event {
		change(&e)
		return e
	}
	long := strings.Repeat("x", maxEventBytes)
	tests := []struct {
		event Event
		want  string
	}{
		{ChannelOccupied("", "c"), "app_id is empty"},
		{CustomEvent("a", "", "c"), "name is empty"},
		{ChannelVacated("a", ""), "channel is empty"},
		{MemberAdded("a", "presence-c", ""), "user_id is empty, member_added needs it"},
		{MemberRemoved("a", "presence-c", ""), "user_id is empty, member_removed needs it"},
		{MemberUpdated("a", "presence-c", "", "{}"), "user_id is empty, member_updated needs it"},
		{MemberUpdated("a", "presence-c", "u", "{x}"), `user_info is "{x}", it must be JSON`},
		{ClientEvent("a", "private-c", ClientMessage{Data: "{}", SocketID: "1.2"}), "event is empty, client_event needs it"},
		{SubscriptionCount("a", "c", -1), "subscription_count is -1, it must be at least 0"},
		{SubscriptionCount("a", "presence-c", 0), `channel is "presence-c", presence channels have no subscription_count`},
		{with(ChannelOccupied("a", "c"), func(e *Event) { e.UserID = "u" }), "user_id is set, channel_occupied does not have it"},
		{with(CacheMiss("a", "c"), func(e *Event) { e.Data = "{}" }), "data is set, cache_miss does not have it"},
		{with(MemberAdded("a", "c", "u"), func(e *Event) { e.UserInfo = "{}" }), "user_info is set, member_added does not have it"},
		{with(MemberAdded("a", "c", "u"), func(e *Event) { e.SubscriptionCount = 1 }), "subscription_count is set, member_added does not have it"},
		{with(CustomEvent("a", "own", "c"), func(e *Event) { e.UserInfo = "{" }), `user_info is "{", it must be JSON`},
		{with(CustomEvent("a", "own", "c"), func(e *Event) { e.SubscriptionCount = -1 }), "subscription_count is -1"},
		{ClientEvent("a", "private-c", ClientMessage{Name: "client-e", Data: long, SocketID: "1.2"}), `at most 194560 can be sent; channel is "private-c"`},
		{ChannelOccupied("a", long+"y"), `channel is "` + strings.Repeat("x", 80) + `…", 194561 bytes long; at most 4096`},
		{ChannelOccupied("a", long[:maxChannelBytes+1]), `…", 4097 bytes long; at most 4096`},
	}
	for _, tt := range tests {
		err := tt.event.Validate()
		if !errors.Is(err, ErrInvalidEvent) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %q", err, tt.want)
		}
	}
}

func TestValidateTakesAnEventOfTheLargestSize(t *testing.T) {
	t.Parallel()
	e := ClientEvent("a", "private-c", ClientMessage{Name: "client-e", SocketID: "1.2"})
	e.Data = strings.Repeat("x", maxEventBytes-e.size())
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	e.Data += "x"
	if err := e.Validate(); !errors.Is(err, ErrInvalidEvent) {
		t.Errorf("one byte more: got %v", err)
	}
}

func TestValidateDoesNotAllocate(t *testing.T) {
	e := ClientEvent("a", "private-c", ClientMessage{Name: "client-e", Data: "{}", SocketID: "1.2"})
	buf := make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		if e.validate() != nil {
			t.Error("not valid")
		}
		buf = e.appendJSON(buf[:0])
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkValidate(b *testing.B) {
	e := ClientEvent("app", "private-room-0042", ClientMessage{Name: "client-typing", Data: `{"text":"hello"}`, SocketID: "1234.5678"})
	for b.Loop() {
		if err := e.validate(); err != nil {
			b.Fatal(err)
		}
	}
}
