package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

// statuses lists the status of all webhooks, which must work.
func statuses(t testing.TB, e *Emitter) (all []WebhookStatus) {
	t.Helper()
	for s, err := range e.Webhooks(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// statusOf returns the status of one webhook of my-app, which must be listed once.
func statusOf(t testing.TB, e *Emitter, webhook string) WebhookStatus {
	t.Helper()
	all := slices.DeleteFunc(statuses(t, e), func(s WebhookStatus) bool { return s.AppID != "my-app" || s.WebhookID != webhook })
	if len(all) != 1 {
		t.Fatalf("webhook %q is listed %d times", webhook, len(all))
	}
	return all[0]
}

// named is an app whose webhooks have these IDs, each at a host of that name.
func named(ids ...string) App {
	urls := make([]string, len(ids))
	for i, id := range ids {
		urls[i] = "https://" + id + ".test/a-secret?token=another"
	}
	a := testApp(urls...)
	for i, id := range ids {
		a.Webhooks[i].ID = id
	}
	return a
}

// down fails at the host of this name alone.
func down(name string) func(context.Context, *dispatch.Request) dispatch.Outcome {
	return func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
		if strings.Contains(r.URL, "://"+name+".") {
			return status(503)
		}
		return status(200)
	}
}

func TestWebhooksAreListedWithTheirStates(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		e := start(t, &endpoint{answer: down("down")}, with(q), unbatched, apps(named("works", "down")))
		for _, s := range statuses(t, e) {
			if s.State != LaneUntried || s.Waiting != 0 || s.Oldest != 0 || s.Here != (ProcessStatus{}) {
				t.Errorf("at first: %+v", s)
			}
		}
		began := time.Now()
		for i := range 30 {
			emit(t, e, occupied(i))
		}
		time.Sleep(20 * time.Second)
		got := statuses(t, e)
		if len(got) != 2 || got[0].WebhookID != "down" || got[1].WebhookID != "works" {
			t.Fatalf("listed %+v", got)
		}
		works, failing := got[1], got[0]
		if works.State != LaneHealthy || works.Waiting != 0 || works.Reason != "" || !works.FailingSince.IsZero() || works.Here.LastHour != (AttemptCounts{Delivered: 30}) {
			t.Errorf("the webhook that works: %+v", works)
		}
		if failing.State != LaneHeld || !failing.HeldUntil.After(time.Now()) || failing.Holds < 2 || failing.FailingSince.Before(began) || failing.FailingSince.After(began.Add(2*time.Second)) {
			t.Errorf("the state of the webhook that fails: %+v", failing)
		}
		if failing.Waiting != 30 || failing.Oldest < 19*time.Second || failing.Oldest > 21*time.Second || failing.Reason != "status: status 503" {
			t.Errorf("the webhook that fails: %+v", failing)
		}
		here := failing.Here
		if here.LastStatus != 503 || here.LastError != "status: status 503" || here.LastAttempt != here.LastFailure || here.LastHour.Failed < 10 || here.LastHour.Delivered != 0 {
			t.Errorf("what this process knows: %+v", here)
		}
		if n := works.Here.LastHour.Delivered + here.LastHour.Failed; int64(n) != e.Stats().Attempts {
			t.Errorf("%d attempts by webhook, %d in all", n, e.Stats().Attempts)
		}
		for _, s := range got {
			if s.Target != "https://"+s.WebhookID+".test" || s.Unknown {
				t.Errorf("target %q, unknown %v", s.Target, s.Unknown)
			}
		}
	})
}

func TestWebhooksOfOtherProcessesAreListedAsUnknown(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		other := start(t, nil, with(q), unbatched, apps(named("a", "b", "d")), func(o *Options) { o.EmitOnly = true })
		mine := named("b", "c")
		e := start(t, nil, with(q), apps(mine), func(o *Options) { o.EmitOnly = true })
		emit(t, other, occupied(1), occupied(2))
		flush(t, other)
		time.Sleep(time.Minute)
		var got []string
		for _, s := range statuses(t, e) {
			got = append(got, fmt.Sprintln(s.WebhookID, s.Unknown, s.Target != "", s.Waiting, s.Oldest >= time.Minute))
		}
		want := []string{"a true false 2 true\n", "b false true 2 true\n", "c false true 0 false\n", "d true false 2 true\n"}
		if !slices.Equal(got, want) {
			t.Errorf("listed %v, want %v", got, want)
		}
	})
}

// The list is in one order and complete, however many lanes the queue has, and whatever apps are
// called.
func TestWebhooksAreListedInOneOrder(t *testing.T) {
	t.Parallel()
	q := memory(t, queue.MemoryOptions{})
	var list []App
	var want []string
	for i, id := range []string{"b", "a/x", "a", "a-b", "ä", "a b"} {
		a := named("one", "two", "three")
		a.ID, a.Key = id, fmt.Sprint("key-", i)
		list = append(list, a)
		for _, w := range a.Webhooks {
			want = append(want, laneOf(id, w.ID))
		}
	}
	for i := range 2*statusPage + 1 {
		lane := laneOf("a", fmt.Sprintf("t%d", i))
		if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: lane, Health: queue.Failing}); err != nil {
			t.Fatal(err)
		}
		want = append(want, lane)
	}
	if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: laneOf("a b", "two"), Health: queue.Failing}); err != nil {
		t.Fatal(err)
	}
	e := start(t, nil, with(q), apps(list...))
	slices.Sort(want)
	var got []string
	for _, s := range statuses(t, e) {
		lane := laneOf(s.AppID, s.WebhookID)
		if failing := s.Unknown || lane == "a b/two"; failing != (s.State == LaneFailing) {
			t.Errorf("%s is %v, unknown %v", lane, s.State, s.Unknown)
		}
		got = append(got, lane)
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed %d webhooks, want %d", len(got), len(want))
	}
	for range e.Webhooks(t.Context()) {
		break // an early end is no error
	}
}

// bareQueue has the methods of queue.Queue alone.
type bareQueue struct{ queue.Queue }

// unsharedQueue is a queue that knows the jobs of this process alone, as SQS is.
type unsharedQueue struct{ *riggedQueue }

func (q unsharedQueue) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	infos, err := q.Memory.Lanes(ctx, after, limit)
	for i := range infos {
		infos[i].Delayed, infos[i].Leased, infos[i].Bytes, infos[i].Dead = -1, -1, -1, -1
	}
	return infos, err
}

func TestWhatAQueueCannotTellIsUnknown(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(t *testing.T) queue.Queue{
		"no list": func(t *testing.T) queue.Queue { return bareQueue{memory(t, queue.MemoryOptions{})} },
		"no shared lanes": func(t *testing.T) queue.Queue {
			q := rig(t, queue.MemoryOptions{})
			q.traits.SharedLanes = false
			return unsharedQueue{q}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := start(t, &endpoint{answer: down("down")}, with(make(t)), unbatched, apps(named("down", "works", "quiet")))
				for i := range 20 {
					emit(t, e, occupied(i))
				}
				time.Sleep(5 * time.Second)
				for _, s := range statuses(t, e) {
					if s.Waiting != -1 || s.Oldest != -1 || s.DeadLetters != -1 {
						t.Errorf("%s: %d waiting, oldest %v, %d dead letters; want -1", s.WebhookID, s.Waiting, s.Oldest, s.DeadLetters)
					}
				}
				if s := statusOf(t, e, "down"); s.State != LaneHeld || s.HeldUntil.IsZero() || s.Reason == "" {
					t.Errorf("the state that this process knows: %+v", s)
				}
				if name == "no list" {
					if _, err := e.QueueStats(t.Context()); !errors.Is(err, errors.ErrUnsupported) {
						t.Errorf("QueueStats: %v", err)
					}
					if h := e.Health(t.Context()); !h.OK {
						t.Errorf("health: %q", h.Problems)
					}
				}
			})
		})
	}
}

func TestADisabledQueueHasUntriedWebhooks(t *testing.T) {
	t.Parallel()
	e := start(t, nil, with(queue.None))
	got := statuses(t, e)
	if len(got) != 1 || got[0].State != LaneUntried || got[0].Waiting != 0 {
		t.Errorf("listed %+v", got)
	}
	if h := e.Health(t.Context()); !h.OK {
		t.Errorf("health: %q", h.Problems)
	}
	if err := e.Resume(t.Context(), "my-app", got[0].WebhookID); err != nil {
		t.Error(err)
	}
}

func TestDeadLettersAndDropsAreCountedByWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
		e := start(t, &endpoint{answer: answers(gone, gone, gone, status(200))}, unbatched, apps(named("a")))
		emit(t, e, occupied(1), occupied(2), occupied(3))
		drain(t, e)
		s := statusOf(t, e, "a")
		if s.DeadLetters != 3 || s.Here.LastError != "gone" || s.Here.LastHour.Failed != 3 {
			t.Errorf("after three dead letters: %+v", s)
		}
		if n, err := e.Replay(t.Context(), DeadLetterQuery{AppID: "my-app"}); n != 3 || err != nil {
			t.Fatalf("replayed %d: %v", n, err)
		}
		time.Sleep(time.Second)
		if s := statusOf(t, e, "a"); s.DeadLetters != 0 || s.Here.LastMinute != (AttemptCounts{3, 3}) || s.Here.LastStatus != 200 || s.Here.LastError != "gone" {
			t.Errorf("after the replay: %+v", s)
		}
	})
}

func TestDroppedEventsAreCountedByWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.onEnqueue = func(ctx context.Context, _ []queue.Job) error { return hang(ctx) }
		e := start(t, nil, with(q), unbatched, apps(named("a", "b")), func(o *Options) { o.OutboxBytes = 64 << 10 })
		overflowed := 0
		for i := range 1000 {
			if err := e.Emit(occupied(i)); errors.Is(err, ErrOverflow) {
				overflowed++
			}
		}
		total := int64(0)
		for _, s := range statuses(t, e) {
			total += s.Here.Dropped
		}
		if want := e.Stats().Dropped + 2*int64(overflowed); total != want || overflowed == 0 {
			t.Errorf("%d dropped by webhook, want %d; %d events overflowed", total, want, overflowed)
		}
	})
}

func TestTheStateIsAWordInJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(WebhookStatus{State: LaneHeld})
	if err != nil || !strings.Contains(string(text), `"State":"held"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestQueueStatsTellHeldJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{answer: down("down")}, unbatched, apps(named("down")))
		for i := range 20 {
			emit(t, e, occupied(i))
		}
		time.Sleep(15 * time.Minute)
		s, err := e.QueueStats(t.Context())
		if err != nil || s.Ready+s.Delayed != 20-s.Dead || s.Held != s.Ready || s.Held == 0 || s.Oldest != 0 {
			t.Errorf("stats: %+v, %v", s, err)
		}
		if h := e.Health(t.Context()); !h.OK {
			t.Errorf("a webhook that fails is no problem of this process: %q", h.Problems)
		}
		e.Close()
		if _, err := e.QueueStats(t.Context()); !errors.Is(err, queue.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// A webhook with few events fails for minutes before the queue calls it failing, whether it was
// untried or healthy. The status says so as soon as the log does, with its time and reason.
func TestAWebhookFailsInTheStatusAsSoonAsInTheLog(t *testing.T) {
	t.Parallel()
	for _, worked := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b, r := &logBuffer{}, &flakyEndpoint{}
			e := start(t, &endpoint{answer: r.answer}, unbatched, infoLog(b), apps(named("rare")))
			state := LaneUntried
			if worked {
				emit(t, e, occupied(0))
				time.Sleep(time.Second)
				state = LaneHealthy
			}
			r.down.Store(true)
			emit(t, e, occupied(1))
			for len(b.linesOf(t, lineFailing)) == 0 {
				if s := statusOf(t, e, "rare"); s.Here.LastHour.Failed < failingRow && (s.State != state || s.Reason != "" || !s.FailingSince.IsZero()) {
					t.Fatalf("before the log says that it fails: %+v", s)
				}
				time.Sleep(time.Second / 10)
			}
			line := b.linesOf(t, lineFailing)[0]
			s := statusOf(t, e, "rare")
			if s.State != LaneFailing || s.Reason != line["reason"] || !s.FailingSince.Equal(timeOf(t, line, "since")) {
				t.Errorf("the status is %+v, and the log says %v", s, line)
			}
			if one, err := e.Webhook(t.Context(), "my-app", "rare"); err != nil || one != s {
				t.Errorf("the status alone is %+v, %v, and in the list %+v", one, err, s)
			}
			r.down.Store(false)
			time.Sleep(time.Minute)
			if s := statusOf(t, e, "rare"); s.State != LaneHealthy || s.Reason != "" || !s.FailingSince.IsZero() {
				t.Errorf("after it was delivered: %+v", s)
			}
		})
	}
}

// Another process may have the deliveries: this one's failures tell nothing when they are old, or
// older than the health that the queue knows.
func TestOldFailuresOfThisProcessAreNotInTheStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil, apps(named("rare")), func(o *Options) { o.EmitOnly = true })
		h := e.apps.hook("my-app", "rare")
		for range failingRow {
			e.log.failing.attempted(h, scheduler.Down, 503, "status: 503")
		}
		failed := time.Now()
		if s := statusOf(t, e, "rare"); s.State != LaneFailing {
			t.Errorf("after three failures: %+v", s)
		}
		time.Sleep(time.Second)
		info := queue.LaneInfo{Lane: h.lane, Health: queue.Healthy, Since: failed.Add(-time.Second)}
		if s := e.statusOf(&info, h); s.State != LaneFailing || !s.FailingSince.Equal(failed) {
			t.Errorf("when it was healthy before: %+v", s)
		}
		info.Since = time.Now()
		if s := e.statusOf(&info, h); s.State != LaneHealthy || !s.FailingSince.IsZero() {
			t.Errorf("when it is healthy since: %+v", s)
		}
		time.Sleep(rowTime)
		if s := statusOf(t, e, "rare"); s.State != LaneUntried || s.Reason != "" {
			t.Errorf("after %v without an attempt: %+v", rowTime, s)
		}
	})
}
