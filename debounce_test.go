package webhook

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// names lists what arrived, in order, as "name channel user".
func arrived(t *testing.T, to *endpoint) []string {
	t.Helper()
	var list []string
	for _, a := range to.got() {
		for _, ev := range a.payload(t, testKey).Events {
			list = append(list, string(ev.Type)+" "+ev.Channel+" "+ev.UserID)
		}
	}
	return list
}

func debounced(o *Options) { o.Debounce = 3 * time.Second }

func TestDebounceSendsNeitherWhenTheChannelComesBackInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, debounced)
		emit(t, e, ChannelOccupied("my-app", "c"), ChannelVacated("my-app", "c"))
		time.Sleep(2900 * time.Millisecond)
		emit(t, e, ChannelOccupied("my-app", "c"), MemberRemoved("my-app", "presence-c", "u1"))
		time.Sleep(time.Second)
		emit(t, e, MemberAdded("my-app", "presence-c", "u2"), MemberAdded("my-app", "presence-c", "u1"))
		drain(t, e)
		if got := fmt.Sprint(arrived(t, to)); got != "[channel_occupied c  member_added presence-c u2]" {
			t.Error(got)
		}
		if s := e.Stats(); s.Suppressed != 4 || s.Matched != 2 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestDebounceSendsALeavingThatLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, debounced)
		emit(t, e, ChannelVacated("my-app", "c"))
		time.Sleep(3*time.Second - time.Millisecond)
		synctest.Wait()
		if n := len(to.got()); n != 0 {
			t.Fatalf("%d requests before the hold was over", n)
		}
		time.Sleep(60 * time.Millisecond)
		emit(t, e, ChannelOccupied("my-app", "c"))
		drain(t, e)
		if got := fmt.Sprint(arrived(t, to)); got != "[channel_vacated c  channel_occupied c ]" {
			t.Error(got)
		}
	})
}

func TestDebounceSuppressesForWhoWantsOneOfThePairOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, debounced, func(o *Options) {
			o.Apps[0].Webhooks[0].EventTypes = []EventType{TypeChannelOccupied}
		})
		emit(t, e, ChannelVacated("my-app", "c"), ChannelOccupied("my-app", "c"))
		drain(t, e)
		if got := arrived(t, to); len(got) != 0 {
			t.Error(got)
		}
	})
}

func TestShutdownSendsWhatIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, debounced)
		emit(t, e, ChannelVacated("my-app", "c"), MemberRemoved("my-app", "presence-c", "u"))
		began := time.Now()
		if err := e.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("Shutdown took %v", took)
		}
		if got := arrived(t, to); len(got) != 2 {
			t.Error(got)
		}
		checkTotals(t, e)
	})
}

// A minute in which 1,000 channels flap, each in its own rhythm, against Pusher's rule written down
// plainly.
func TestDebounceOfFlappingChannelsGivesWhatPushersRuleGives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, debounced)
		want := map[string]int{}
		occupied := map[string]bool{}
		leftAt := map[string]time.Time{}
		for tick := range 600 {
			for c := range 1000 {
				if (tick+c)%(5+c%61) != 0 {
					continue
				}
				name, now := fmt.Sprint("c", c), time.Now()
				if occupied[name] {
					emit(t, e, ChannelVacated("my-app", name))
					leftAt[name] = now
				} else {
					emit(t, e, ChannelOccupied("my-app", name))
					if left, ok := leftAt[name]; !ok || now.Sub(left) > 3*time.Second {
						want["channel_occupied "+name+" "]++
						if ok {
							want["channel_vacated "+name+" "]++
						}
					}
					delete(leftAt, name)
				}
				occupied[name] = !occupied[name]
			}
			time.Sleep(99 * time.Millisecond) // never exactly at the end of a hold
		}
		for name := range leftAt {
			want["channel_vacated "+name+" "]++
		}
		drain(t, e)
		got := map[string]int{}
		for _, line := range arrived(t, to) {
			got[line]++
		}
		for line, n := range want {
			if got[line] != n {
				t.Fatalf("%s arrived %d times, want %d", line, got[line], n)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d different events arrived, want %d", len(got), len(want))
		}
	})
}

func TestCountIntervalSendsTheFirstAndTheLastOfALargeChannelsCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, func(o *Options) { o.CountInterval = 5 * time.Second })
		began := time.Now()
		for i := range 100 {
			emit(t, e, SubscriptionCount("my-app", "big", 101+i))
			time.Sleep(120 * time.Millisecond)
		}
		emit(t, e, SubscriptionCount("my-app", "small", 99), SubscriptionCount("my-app", "small", 100))
		drain(t, e)
		var counts []int
		small := 0
		for _, a := range to.got() {
			for _, ev := range a.payload(t, testKey).Events {
				if ev.Channel == "small" {
					small++
				} else {
					counts = append(counts, ev.SubscriptionCount)
				}
			}
		}
		if fmt.Sprint(counts) != "[101 142 184 200]" || small != 2 {
			t.Errorf("counts %v and %d small ones, after %v", counts, small, time.Since(began))
		}
	})
}

func TestWantsKnowsOfEventsThatTakeBackOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, func(o *Options) {
			o.Debounce = 3 * time.Second
			o.Apps[0].Webhooks[0].EventTypes = []EventType{TypeChannelVacated}
		})
		emit(t, e, ChannelVacated("my-app", "c"))
		if e.Wants("my-app", TypeChannelOccupied, "c") {
			emit(t, e, ChannelOccupied("my-app", "c"))
		}
		time.Sleep(5 * time.Second)
		if n := len(to.got()); n != 0 {
			t.Errorf("%d deliveries say that a channel is vacated that was occupied again at once", n)
		}
	})
}
