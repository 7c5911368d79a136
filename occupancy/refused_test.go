package occupancy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pushhooks/webhook"
)

// refused checks that an error names each of the events, and nothing more.
func refused(t *testing.T, err error, events ...string) {
	t.Helper()
	if !errors.Is(err, webhook.ErrOverflow) {
		t.Fatalf("got %v, want ErrOverflow", err)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != len(events) {
		t.Errorf("got %d lines, want %d: %v", len(lines), len(events), err)
	}
	for _, ev := range events {
		if !strings.Contains(err.Error(), ev) {
			t.Errorf("%v does not name %q", err, ev)
		}
	}
}

func TestRefusedEventsComeBeforeTheNextOnesOfTheChannel(t *testing.T) {
	t.Parallel()
	s := &script{refuse: overflow()}
	tr := New(s)
	refused(t, tr.Join(sub("presence-x", "1", "ann")),
		`occupancy: channel_occupied of app "app", channel "presence-x" waits: `,
		`occupancy: member_added of app "app", channel "presence-x", user "ann" waits: `)
	refused(t, tr.Join(sub("presence-x", "2", "bob")), "channel_occupied", `user "ann"`)
	s.set(nil)
	ok(t, tr.Join(sub("presence-x", "3", "cyd")))
	expect(t, s, "channel_occupied presence-x", "member_added presence-x ann", "member_added presence-x bob", "member_added presence-x cyd")

	s.set(overflow())
	refused(t, tr.Gone("2"), "member_removed")
	refused(t, tr.Gone("3"), "member_removed")
	refused(t, tr.Gone("1"), "member_removed", "channel_vacated")
	s.set(nil)
	ok(t, tr.Retry())
	expect(t, s, "member_removed presence-x bob", "member_removed presence-x cyd", "member_removed presence-x ann", "channel_vacated presence-x")
	ok(t, tr.Retry())
	expect(t, s)
	empty(t, tr)
}

func TestRefusedOppositesCancelOut(t *testing.T) {
	t.Parallel()
	s := &script{refuse: overflow()}
	tr := New(s)
	refused(t, tr.Join(sub("presence-x", "1", "ann")), "channel_occupied", "member_added")
	refused(t, tr.Join(sub("c", "1", "")), "channel_occupied", "subscription_count")
	ok(t, tr.Gone("1")) // nothing is left to refuse
	empty(t, tr)
	s.set(nil)
	ok(t, tr.Join(sub("presence-x", "1", "ann")), tr.Join(sub("c", "1", "")))
	s.take()

	s.set(overflow())
	_ = tr.Gone("1")
	ok(t, tr.Join(sub("presence-x", "2", "ann")), tr.Join(sub("c", "2", "")))
	expect(t, s)
	s.set(nil)
	ok(t, tr.Gone("2"))
	if got := s.take(); len(got) != 4 {
		t.Errorf("got %v, want member_removed, channel_vacated, subscription_count 0 and channel_vacated", got)
	}
	empty(t, tr)
}

func TestCountThatWasRefusedIsReplaced(t *testing.T) {
	t.Parallel()
	s := &script{}
	tr := New(s)
	ok(t, tr.Join(sub("c", "1", "")))
	s.set(overflow())
	refused(t, tr.Join(sub("c", "2", "")), "subscription_count")
	refused(t, tr.Join(sub("c", "3", "")), "subscription_count")
	s.set(nil)
	ok(t, tr.Retry())
	expect(t, s, "channel_occupied c", "subscription_count c 1", "subscription_count c 3")
}

// The webhook that wants member events is down. Another one wants to know of the channel.
func TestRefusedEventsHoldUpTheirKindAlone(t *testing.T) {
	t.Parallel()
	s := &script{refuse: overflow(webhook.TypeMemberAdded, webhook.TypeMemberRemoved)}
	tr := New(s)
	refused(t, tr.Join(sub("presence-x", "1", "ann")), "member_added")
	ok(t, tr.Gone("1"))
	expect(t, s, "channel_occupied presence-x", "channel_vacated presence-x")
	empty(t, tr)
}

// What will never be taken is not kept.
func TestErrorsThatAreFinal(t *testing.T) {
	t.Parallel()
	for _, final := range []error{webhook.ErrClosed, webhook.ErrUnknownApp, webhook.ErrInvalidEvent} {
		s := &script{refuse: func(webhook.Event) error { return fmt.Errorf("%w: odd", final) }}
		tr := New(s)
		err := tr.Join(sub("presence-x", "1", "ann"))
		if !errors.Is(err, final) || errors.Is(err, ErrNotJoined) || tr.Count("app", "presence-x") != 1 || strings.Count(err.Error(), "is not sent: ") != 2 {
			t.Errorf("got %v", err)
		}
		ok(t, tr.Retry())
		if err := tr.Gone("1"); !errors.Is(err, final) {
			t.Errorf("got %v", err)
		}
		expect(t, s)
		empty(t, tr)
	}
}

func TestErrorsAreShort(t *testing.T) {
	t.Parallel()
	s := &script{refuse: overflow()}
	tr := New(s)
	for i := range 1000 {
		_ = tr.Join(sub(fmt.Sprint("c", i), "1", ""))
	}
	if err := tr.Retry(); strings.Count(err.Error(), "\n") != maxErrors || !strings.HasSuffix(err.Error(), "and 1992 more") {
		t.Errorf("got %v", err)
	}
}

// One webhook wants arrivals and works, one wants departures and is down: then departures of ever
// more channels wait.
func TestDeparturesThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	s := &script{refuse: overflow(webhook.TypeChannelVacated, webhook.TypeMemberRemoved)}
	tr := New(s)
	tr.waiting.limit = 10
	ok(t, tr.Join(sub("presence-busy", "busy", "ann")))
	dropped := 0
	for i := range 100 {
		socket := fmt.Sprint(i)
		ok(t, tr.Join(sub(fmt.Sprint("presence-", i), socket, "ann")))
		err := tr.Gone(socket)
		if strings.Contains(err.Error(), "are dropped (events: 2)") {
			dropped += 2
		}
		if n := tr.waiting.waiting.Load(); n > 10 {
			t.Fatalf("%d departures wait", n)
		}
	}
	s.take()
	s.set(nil)
	ok(t, tr.Retry())
	if got := s.take(); len(got) != 10 || dropped != 190 {
		t.Errorf("%d events waited and %d were dropped, want 10 and 190", len(got), dropped)
	}
	ok(t, tr.Gone("busy"))
	empty(t, tr)
}

// Where departures are dropped, arrivals go on waiting.
func TestArrivalsAreNotDropped(t *testing.T) {
	t.Parallel()
	s := &script{}
	tr := New(s)
	tr.waiting.limit = 0
	ok(t, tr.Join(sub("presence-x", "1", "ann")))
	s.take()
	s.set(overflow())
	refused(t, tr.Join(sub("presence-x", "2", "bob")), `user "bob" waits`)
	refused(t, tr.Gone("1"), `user "bob" waits`, `departures of app "app", channel "presence-x" are dropped (events: 1)`)
	s.set(nil)
	ok(t, tr.Retry())
	expect(t, s, "member_added presence-x bob")
}
