package webhook

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// outageOf starts two emitters on one queue, of which the first alone delivers at first, and fails
// until its webhook "down" is held. Then the second one starts to work, too.
func outageOf(t *testing.T, q queue.Queue, to *endpoint) (first, second *Emitter) {
	t.Helper()
	to.answer = down("down")
	a := named("down")
	a.Webhooks[0].Retry.MaxElapsed = time.Hour
	began := time.Now()
	first = start(t, to, with(q), unbatched, apps(a))
	for i := range 50 {
		emit(t, first, occupied(i))
	}
	time.Sleep(time.Minute)
	for s := statusOf(t, first, "down"); s.State != LaneHeld || time.Until(s.HeldUntil) < 5*time.Second; s = statusOf(t, first, "down") {
		if time.Sleep(time.Second); time.Since(began) > 2*time.Minute {
			t.Fatalf("after two minutes: %+v", s)
		}
	}
	return first, start(t, to, with(q), unbatched, apps(a))
}

// backAgain has an endpoint deliver from now on.
func (e *endpoint) backAgain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = nil
}

func TestResumeDeliversAtOnceOnEveryNode(t *testing.T) {
	t.Parallel()
	for _, node := range []int{0, 1} {
		onQueues(t, func(t *testing.T, q queue.Queue) {
			to := &endpoint{}
			first, second := outageOf(t, q, to)
			to.backAgain()
			before := len(to.got())
			time.Sleep(time.Second)
			if n := len(to.got()); n != before {
				t.Fatalf("%d attempts although the webhook is held", n-before)
			}
			if a, b := statusOf(t, first, "down"), statusOf(t, second, "down"); a.State != b.State || a.HeldUntil != b.HeldUntil || a.FailingSince != b.FailingSince || a.Waiting != b.Waiting || a.Reason != b.Reason {
				t.Errorf("the nodes do not agree: %+v and %+v", a, b)
			}
			ready := 0
			for l, err := range first.lanes(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				ready += l.Ready
			}
			if err := []*Emitter{first, second}[node].Resume(t.Context(), "my-app", "down"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
			if n := len(to.got()) - before; n < ready || ready == 0 {
				t.Errorf("%d attempts at once, of %d ready jobs", n, ready)
			}
			if s := statusOf(t, second, "down"); s.State != LaneHealthy || s.Holds != 0 || !s.FailingSince.IsZero() {
				t.Errorf("after Resume: %+v", s)
			}
			time.Sleep(2 * time.Minute) // the backoffs of those that have failed
			if s := statusOf(t, first, "down"); s.Waiting != 0 {
				t.Errorf("in the end: %+v", s)
			}
		})
	}
}

// A webhook that is resumed too early is held again, as one that was never tried.
func TestResumeOfAWebhookThatFailsHoldsItAgain(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		to := &endpoint{}
		first, second := outageOf(t, q, to)
		if err := second.Resume(t.Context(), "my-app", "down"); err != nil {
			t.Fatal(err)
		}
		if s := statusOf(t, first, "down"); s.State != LaneUntried || s.Holds != 0 || s.Reason != "" || !s.HeldUntil.IsZero() {
			t.Errorf("at once: %+v", s)
		}
		time.Sleep(20 * time.Second)
		if s := statusOf(t, first, "down"); s.State != LaneHeld || s.Holds == 0 || s.Holds > 2 {
			t.Errorf("after 20 s: %+v", s)
		}
	})
}

// What was refused because its webhook failed is offered again at once.
func TestResumeOffersWhatWasRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := memory(t, queue.MemoryOptions{MaxJobs: 20})
		to := &endpoint{answer: down("down")}
		e := start(t, to, with(q), unbatched, apps(named("down")), func(o *Options) { o.EmitOnly = true })
		if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: laneOf("my-app", "down"), Health: queue.Failing, Hold: queue.MaxHold}); err != nil {
			t.Fatal(err)
		}
		for i := range 15 {
			emit(t, e, occupied(i))
		}
		time.Sleep(30 * time.Second)
		before := statusOf(t, e, "down").Waiting
		if err := e.Resume(t.Context(), "my-app", "down"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if now := statusOf(t, e, "down").Waiting; before >= 15 || now != 15 {
			t.Errorf("%d jobs in the queue before and %d after; want all 15", before, now)
		}
	})
}

func TestResumeOfAnUnknownWebhookIsAnError(t *testing.T) {
	t.Parallel()
	q := memory(t, queue.MemoryOptions{})
	e := start(t, nil, with(q), apps(named("a")))
	for _, name := range [][2]string{{"my-app", "b"}, {"other-app", "a"}, {"", ""}, {"my-app", ""}, {"my-app", "ä"}} {
		if err := e.Resume(t.Context(), name[0], name[1]); !errors.Is(err, ErrUnknownWebhook) {
			t.Errorf("Resume of %q: %v", name, err)
		}
	}
	lane := laneOf("other-app", "a") // another process's
	if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: lane, Health: queue.Failing, Hold: queue.MaxHold}); err != nil {
		t.Fatal(err)
	}
	slash := laneOf("other/app", "a")
	if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: slash, Health: queue.Failing, Hold: queue.MaxHold}); err != nil {
		t.Fatal(err)
	}
	if err := e.Resume(t.Context(), "other", "app/a"); !errors.Is(err, ErrUnknownWebhook) {
		t.Errorf("the webhook of another name: %v", err)
	}
	for _, app := range []string{"other-app", "other/app"} {
		if err := e.Resume(t.Context(), app, "a"); err != nil {
			t.Error(err)
		}
	}
	if all := statuses(t, e); slices.ContainsFunc(all, func(s WebhookStatus) bool { return s.State == LaneHeld }) {
		t.Errorf("listed %+v", all)
	}
}

// refusingQueue does not hear that lanes fail, so that each process holds them for itself.
type refusingQueue struct{ *riggedQueue }

func (q refusingQueue) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	if u.Health == queue.Failing {
		return errors.New("not permitted")
	}
	return q.Memory.SetLane(ctx, u)
}

// A hold of this process alone ends as well.
func TestResumeEndsAHoldThatTheQueueDoesNotKnow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: down("down")}
		a := named("down")
		a.Webhooks[0].Retry = Retry{MaxElapsed: time.Hour, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond}
		e := start(t, to, with(refusingQueue{rig(t, queue.MemoryOptions{})}), unbatched, apps(a))
		for i := range 20 {
			emit(t, e, occupied(i))
		}
		time.Sleep(time.Minute)
		before := len(to.got())
		for len(to.got()) == before { // until the next hold has just begun
			time.Sleep(time.Second)
		}
		to.backAgain()
		time.Sleep(time.Second)
		before = len(to.got())
		time.Sleep(time.Second)
		if n := len(to.got()); n != before {
			t.Fatalf("%d attempts although this process holds the webhook", n-before)
		}
		if err := e.Resume(t.Context(), "my-app", "down"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if n := len(to.got()) - before; n != 20 {
			t.Errorf("%d attempts at once, want 20", n)
		}
	})
}
