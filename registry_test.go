package webhook

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

func compiled(t *testing.T, a App) *app {
	t.Helper()
	c, err := compileApp(&a, identities(a.Webhooks), make([]*hook, len(a.Webhooks)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRouteMatchesLikeAScan(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string { return strings.Repeat(string(rune('a'+r.IntN(3))), r.IntN(4)) }
	a := App{ID: "my-app"}
	for i := range 300 {
		w := Webhook{ID: fmt.Sprint(i), EventTypes: []EventType{knownTypes[r.IntN(2)], knownTypes[2]}}
		switch r.IntN(4) {
		case 0:
			w.Filter.ChannelPrefix, w.Filter.ChannelExcludePrefix = word(), word()
		case 1:
			w.Filter = Filter{ChannelPrefix: "private-" + word(), ChannelNamespaces: []string{"a", "b", "a"}}
		case 2:
			w.Filter = Filter{ChannelNamespaces: []string{word(), "b", "b"}, ChannelSuffix: word()}
		case 3:
			w.Filter.ChannelPattern = "^" + word()
		}
		a.Webhooks = append(a.Webhooks, w)
	}
	c := compiled(t, a)
	for range 2000 {
		typ := knownTypes[r.IntN(4)]
		channel := []string{"", "private-", "presence-"}[r.IntN(3)] + word() + []string{"", ":"}[r.IntN(2)] + word()
		var want []string
		for _, h := range c.hooks {
			if slices.Contains(h.EventTypes, typ) && h.match.match(channel) {
				want = append(want, h.id)
			}
		}
		var got []string
		for _, h := range c.route(typ).match(channel, nil, math.MaxInt) {
			got = append(got, h.id)
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || c.wants(typ, channel) != (len(want) > 0) {
			t.Fatalf("%s on %q: %v, want %v", typ, channel, got, want)
		}
	}
}

func TestRouteLooksOnlyAtWebhooksThatTheIndexYields(t *testing.T) {
	t.Parallel()
	r := compiled(t, manyWebhooks(1000)).route(TypeMemberAdded)
	if len(r.plain) != 0 || len(r.index.byPrefix) != 1000 || len(r.index.lengths) != 3 {
		t.Errorf("%d plain webhooks, %d by prefix, lengths %v", len(r.plain), len(r.index.byPrefix), r.index.lengths)
	}
}

// The goal is 20 ms (BenchmarkSetApp). Looking through all webhooks for each of them took over a
// second.
func TestSetAppOfManyWebhooksIsNotQuadratic(t *testing.T) {
	t.Parallel()
	a := manyWebhooks(20_000)
	e := start(t, nil, apps(a), with(queue.None))
	best := time.Hour
	for range 5 {
		began := time.Now()
		set(t, e, a)
		best = min(best, time.Since(began))
	}
	limit := 500 * time.Millisecond
	if raceEnabled {
		limit *= 4
	}
	if best > limit {
		t.Errorf("20,000 webhooks took %v", best)
	}
}

func TestWebhookThatIsSetAgainDoesNotOvertakeItself(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(t *testing.T, e *Emitter){
		"app":     func(_ *testing.T, e *Emitter) { e.RemoveApp("my-app") },
		"webhook": func(t *testing.T, e *Emitter) { set(t, e, testApp("http://other.test/")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := testApp("http://receiver.test/hook")
				a.Webhooks[0].Ordered = true
				to := &endpoint{}
				e := start(t, to, apps(a), func(o *Options) { o.Batching = Batching{Duration: time.Second, Size: 3} })
				emit(t, e, occupied(0)) // waits out its window
				remove(t, e)
				set(t, e, a)
				emit(t, e, occupied(1), occupied(2), occupied(3)) // enough for a batch
				drain(t, e)
				if got := fmt.Sprint(arrived(t, to)); got != "[channel_occupied channel-0  channel_occupied channel-1  channel_occupied channel-2  channel_occupied channel-3 ]" {
					t.Error(got)
				}
			})
		})
	}
}

func TestTombstonesKeepTheSlotsOfWebhooksThatHoldEvents(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	r.put(compiled(t, manyWebhooks(maxTombstones/2)))
	busy := r.get("my-app").hooks[7]
	busy.slot.account.Add(2)
	for _, id := range []string{"my-app", "other-app", "my-app", "third-app"} {
		a := manyWebhooks(maxTombstones / 2)
		a.ID = id
		r.put(compiled(t, a))
		r.remove(id)
	}
	a := manyWebhooks(10)
	r.put(compiled(t, a))
	if r.get("my-app").hooks[7].slot != busy.slot {
		t.Error("the webhook lost its slot, which holds events")
	}
	if len(r.gone) > 2*maxTombstones {
		t.Errorf("%d tombstones", len(r.gone))
	}
}

func TestJobsOfARemovedWebhookAreDeadBesideItsDeadLetters(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		gone := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
		to := &endpoint{answer: answers(gone, gone, status(500))}
		e := start(t, to, with(q), unbatched, func(o *Options) { o.Workers = 1 })
		for i := range 30 {
			emit(t, e, occupied(i))
		}
		time.Sleep(3 * time.Second) // two are dead, and the webhook is held
		set(t, e, testApp("http://another.test/"))
		emit(t, e, occupied(99)) // for the other one, which works
		to.mu.Lock()
		to.answer = nil
		to.mu.Unlock()
		drain(t, e)
		count := map[string]int{}
		for _, d := range deadLetters(t, e) {
			reason, _, _ := strings.Cut(d.Reason, ":")
			count[reason]++
		}
		if count["gone"] != 2 || count["webhook_removed"] != 28 || len(count) != 2 {
			t.Errorf("dead letters: %v", count)
		}
		if s := e.Stats(); s.Dead != 30 || s.Delivered != 1 {
			t.Errorf("stats: %+v", s)
		}
	})
}
