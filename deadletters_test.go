package webhook

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// buried starts an emitter whose two apps have two webhooks each, all of which have a number of
// dead letters: half of them given up an hour after the others.
func buried(t *testing.T, to *endpoint, each int) (e *Emitter, later time.Time) {
	t.Helper()
	to.answer = answers(dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"})
	one, two := named("a", "b"), named("a", "b")
	one.ID, two.ID, two.Key = "one", "two", "two-key"
	e = start(t, to, unbatched, apps(one, two))
	for half := range 2 {
		time.Sleep(time.Duration(half) * time.Hour)
		later = time.Now()
		for i := range each / 2 {
			emit(t, e, ChannelOccupied("one", fmt.Sprint(half, i)), ChannelOccupied("two", fmt.Sprint(half, i)))
		}
		drain(t, e)
	}
	return e, later
}

// found lists what a query chooses.
func found(t *testing.T, e *Emitter, q DeadLetterQuery) (all []DeadLetter) {
	t.Helper()
	for d, err := range e.DeadLetters(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

func TestQueriesChooseDeadLetters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const each = 2*deadLetterPage + 6
		e, later := buried(t, &endpoint{}, each)
		all := found(t, e, DeadLetterQuery{})
		ids := []string{all[0].ID, all[len(all)-1].ID, all[deadLetterPage].ID, all[0].ID, "unknown"}
		slices.SortStableFunc(all, func(a, b DeadLetter) int { return a.At.Compare(b.At) })
		for _, c := range []struct {
			name string
			q    DeadLetterQuery
			want int
		}{
			{"all", DeadLetterQuery{}, 4 * each},
			{"an app", DeadLetterQuery{AppID: "one"}, 2 * each},
			{"a webhook of any app", DeadLetterQuery{WebhookID: "b"}, 2 * each},
			{"a webhook", DeadLetterQuery{AppID: "two", WebhookID: "b"}, each},
			{"an unknown app", DeadLetterQuery{AppID: "three"}, 0},
			{"since", DeadLetterQuery{Since: later}, 2 * each},
			{"since, of a webhook", DeadLetterQuery{AppID: "one", WebhookID: "a", Since: later}, each / 2},
			{"since now", DeadLetterQuery{Since: time.Now().Add(time.Second)}, 0},
			{"IDs", DeadLetterQuery{IDs: ids}, 3},
			{"no IDs", DeadLetterQuery{IDs: []string{}}, 0},
			{"IDs of an app", DeadLetterQuery{IDs: ids, AppID: all[0].AppID, WebhookID: all[0].WebhookID, Since: later}, 0},
		} {
			var last DeadLetterProgress
			c.q.Progress = func(p DeadLetterProgress) {
				if p.Seen < last.Seen || p.Seen-last.Seen > deadLetterPage || p.Chosen < last.Chosen || p.Done != 0 {
					t.Errorf("%s: progress from %+v to %+v", c.name, last, p)
				}
				last = p
			}
			got := found(t, e, c.q)
			for i, d := range got {
				if c.q.AppID != "" && d.AppID != c.q.AppID || c.q.WebhookID != "" && d.WebhookID != c.q.WebhookID || d.At.Before(c.q.Since) || i > 0 && d.At.Before(got[i-1].At) {
					t.Errorf("%s: %+v", c.name, d)
				}
			}
			if len(got) != c.want && c.name != "IDs of an app" || last.Chosen != len(got) {
				t.Errorf("%s: %d dead letters, %+v; want %d", c.name, len(got), last, c.want)
			}
		}
	})
}

func TestQueriesReplayAndDiscard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const each = 2*deadLetterPage + 6
		to := &endpoint{}
		e, later := buried(t, to, each)
		left := 4 * each
		step := func(name string, want int, do func(q DeadLetterQuery) (int, error), q DeadLetterQuery) {
			t.Helper()
			var last DeadLetterProgress
			q.Progress = func(p DeadLetterProgress) { last = p }
			n, err := do(q)
			left -= want
			if got := len(deadLetters(t, e)); n != want || err != nil || got != left || last.Done != want {
				t.Errorf("%s: %d, %v, progress %+v; %d are left; want %d, and %d left", name, n, err, last, got, want, left)
			}
		}
		discard := func(q DeadLetterQuery) (int, error) { return e.Discard(t.Context(), q) }
		replay := func(q DeadLetterQuery) (int, error) { return e.Replay(t.Context(), q) }

		step("discard an unknown app's", 0, discard, DeadLetterQuery{AppID: "three"})
		step("discard no IDs", 0, discard, DeadLetterQuery{IDs: []string{}})
		step("replay no IDs", 0, replay, DeadLetterQuery{IDs: []string{}})
		step("discard the later ones of a webhook", each/2, discard, DeadLetterQuery{AppID: "one", WebhookID: "a", Since: later})
		step("discard the others of it", each/2, discard, DeadLetterQuery{AppID: "one", WebhookID: "a"})
		some := found(t, e, DeadLetterQuery{AppID: "two", WebhookID: "a"})[:3]
		ids := []string{some[0].ID, some[1].ID, "unknown"}
		step("discard two", 2, discard, DeadLetterQuery{IDs: ids})
		step("discard two again", 0, discard, DeadLetterQuery{IDs: ids})
		to.backAgain()
		before := len(to.got())
		step("replay one", 1, replay, DeadLetterQuery{IDs: []string{some[2].ID, "unknown"}})
		step("replay an app's", 2*each-3, replay, DeadLetterQuery{AppID: "two"})
		step("replay the rest", each, replay, DeadLetterQuery{})
		time.Sleep(time.Minute)
		if got := len(to.got()) - before; got != 3*each-2 {
			t.Errorf("%d attempts, want %d", got, 3*each-2)
		}
	})
}

// An empty query discards nothing: it may have been left empty by mistake.
func TestDiscardWantsACondition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, _ := buried(t, &endpoint{}, 2)
		n, err := e.Discard(t.Context(), DeadLetterQuery{Progress: func(DeadLetterProgress) {}})
		if n != 0 || err == nil || !strings.Contains(err.Error(), "set AppID, WebhookID, Since or IDs") || len(deadLetters(t, e)) != 8 {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := e.Discard(t.Context(), DeadLetterQuery{Since: time.Unix(0, 0)}); n != 8 || err != nil {
			t.Errorf("all: %d, %v", n, err)
		}
	})
}

// A replay of everything ends, also when what it replays fails at once.
func TestReplayDoesNotReplayWhatFailsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, _ := buried(t, &endpoint{}, 4*deadLetterPage)
		n, err := e.Replay(t.Context(), DeadLetterQuery{Progress: func(DeadLetterProgress) { time.Sleep(time.Minute) }})
		if n != 16*deadLetterPage || err != nil {
			t.Errorf("%d replayed, %v", n, err)
		}
		time.Sleep(time.Minute)
		if left := len(deadLetters(t, e)); left != n {
			t.Errorf("%d dead letters in the end, want %d", left, n)
		}
	})
}

func TestDeadLettersOfAQueueWithoutAList(t *testing.T) {
	t.Parallel()
	e := start(t, nil, with(bareQueue{memory(t, queue.MemoryOptions{})}))
	for name, call := range map[string]func() error{
		"DeadLetters": func() (err error) {
			for _, err = range e.DeadLetters(t.Context(), DeadLetterQuery{}) { //nolint:revive // the last one
			}
			return err
		},
		"Replay":       func() error { _, err := e.Replay(t.Context(), DeadLetterQuery{}); return err },
		"Discard":      func() error { _, err := e.Discard(t.Context(), DeadLetterQuery{AppID: "a"}); return err },
		"Discard IDs":  func() error { _, err := e.Discard(t.Context(), DeadLetterQuery{IDs: []string{"a"}}); return err },
		"Discard none": func() error { _, err := e.Discard(t.Context(), DeadLetterQuery{IDs: []string{}}); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "has no list of dead letters") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
