package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// attempt is one request that a fakeEndpoint got.
type attempt struct {
	*dispatch.Request
	at time.Time
}

// payload reads the attempt's body, after verifying its signature.
func (a attempt) payload(t *testing.T, keys ...Key) *Payload {
	t.Helper()
	p, err := Verify(a.Body, a.Header, keys...)
	if err != nil {
		t.Fatalf("attempt %d of %s: %v", a.Attempt, a.JobID, err)
	}
	return p
}

// endpoint is a dispatch.Sender that records, and answers as told.
type endpoint struct {
	mu       sync.Mutex
	attempts []attempt
	answer   func(ctx context.Context, r *dispatch.Request) dispatch.Outcome // nil: delivered
}

func (e *endpoint) Send(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
	e.mu.Lock()
	e.attempts = append(e.attempts, attempt{r, time.Now()})
	answer := e.answer
	e.mu.Unlock()
	if answer == nil {
		return dispatch.Outcome{Verdict: dispatch.Delivered, Status: 200}
	}
	return answer(ctx, r)
}

func (e *endpoint) got() []attempt {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]attempt(nil), e.attempts...)
}

// answers makes the endpoint give these outcomes one after the other, and the last one for ever.
func answers(outs ...dispatch.Outcome) func(context.Context, *dispatch.Request) dispatch.Outcome {
	var mu sync.Mutex
	return func(context.Context, *dispatch.Request) dispatch.Outcome {
		mu.Lock()
		defer mu.Unlock()
		out := outs[0]
		if len(outs) > 1 {
			outs = outs[1:]
		}
		return out
	}
}

func status(code int) dispatch.Outcome {
	if code/100 == 2 {
		return dispatch.Outcome{Verdict: dispatch.Delivered, Status: code}
	}
	return dispatch.Outcome{Verdict: dispatch.Retry, Status: code, Reason: "status", Err: fmt.Errorf("status %d", code)}
}

var testKey = Key{Key: "my-key", Secret: "my-secret"}

// testApp is an app with webhooks that want every known type, one for each URL.
func testApp(urls ...string) App {
	a := App{ID: "my-app", Key: testKey.Key, Secret: testKey.Secret}
	for _, u := range urls {
		a.Webhooks = append(a.Webhooks, Webhook{URL: u, EventTypes: knownTypes})
	}
	return a
}

// start makes an emitter whose attempts go to the endpoint. It is closed when the test ends.
func start(t *testing.T, to *endpoint, change ...func(*Options)) *Emitter {
	t.Helper()
	o := Options{
		Apps:   []App{testApp("http://receiver.test/hook")},
		HTTP:   to,
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&o)
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func emit(t *testing.T, e *Emitter, events ...Event) {
	t.Helper()
	for _, ev := range events {
		if err := e.Emit(ev); err != nil {
			t.Fatalf("Emit(%+v): %v", ev, err)
		}
	}
}

func occupied(n int) Event { return ChannelOccupied("my-app", fmt.Sprintf("channel-%d", n)) }

func drain(t *testing.T, e *Emitter) {
	t.Helper()
	if err := e.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkTotals(t, e)
}

func checkTotals(t *testing.T, e *Emitter) {
	t.Helper()
	s := e.Stats()
	if s.Matched+s.Adopted != s.Delivered+s.Dead+s.Dropped+s.Pending+s.Queued {
		t.Errorf("the totals don't add up: %+v", s)
	}
}

func TestEventsOfOneWindowArriveAsOneSignedRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to)
		began := time.Now()
		emit(t, e, occupied(1))
		time.Sleep(20 * time.Millisecond)
		emit(t, e, occupied(2), MemberAdded("my-app", "presence-x", "u1"))
		drainAfter := time.Now()
		time.Sleep(29 * time.Millisecond)
		synctest.Wait()
		if n := len(to.got()); n != 0 {
			t.Fatalf("%d requests before the window's end", n)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		got := to.got()
		if len(got) != 1 {
			t.Fatalf("%d requests, want 1", len(got))
		}
		p := got[0].payload(t, testKey)
		if len(p.Events) != 3 || p.Events[0].Channel != "channel-1" || p.Events[1].Channel != "channel-2" || p.Events[2].UserID != "u1" {
			t.Errorf("events: %+v", p.Events)
		}
		if p.TimeMS != began.UnixMilli() {
			t.Errorf("time_ms is %d, want the first event's %d", p.TimeMS, began.UnixMilli())
		}
		_ = drainAfter
		drain(t, e)
		if s := e.Stats(); s.Delivered != 3 || s.Attempts != 1 || s.Emitted != 3 || s.Matched != 3 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestAFailedJobIsRetriedWithBackoffUntilItIsDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(status(500), status(503), status(404), status(200))}
		e := start(t, to)
		emit(t, e, occupied(1))
		drain(t, e)
		got := to.got()
		if len(got) != 4 {
			t.Fatalf("%d attempts, want 4", len(got))
		}
		for i, least := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
			if d := got[i+1].at.Sub(got[i].at); d < least || d > least+least/4+10*time.Millisecond {
				t.Errorf("delay %d is %v, want %v to 25 %% more", i+1, d, least)
			}
			if got[i+1].JobID != got[0].JobID || got[i+1].Attempt != i+2 {
				t.Errorf("attempt %d has id %s and number %d", i+2, got[i+1].JobID, got[i+1].Attempt)
			}
		}
	})
}

func TestAJobIsGivenUpAfterItsBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(status(500))}
		e := start(t, to)
		began := time.Now()
		emit(t, e, occupied(1))
		drain(t, e)
		if took := time.Since(began); took > 5*time.Minute+time.Second || took < 3*time.Minute {
			t.Errorf("given up after %v, want up to 5 minutes", took)
		}
		if s := e.Stats(); s.Dead != 1 || s.Attempts < 8 {
			t.Errorf("stats: %+v", s)
		}
		dead, err := e.queue.(queue.DeadLetters).DeadLetters(t.Context(), "", 10)
		if err != nil || len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "status") {
			t.Errorf("dead letters: %+v, %v", dead, err)
		}
	})
}

func TestEmitSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{})
		for _, tt := range []struct {
			ev   Event
			want error
		}{
			{ChannelOccupied("nobody", "c"), ErrUnknownApp},
			{ChannelOccupied("my-app", ""), ErrInvalidEvent},
			{MemberAdded("my-app", "presence-c", ""), ErrInvalidEvent},
			{CustomEvent("my-app", "never_declared", "c"), ErrInvalidEvent},
			{ChannelOccupied("my-app", strings.Repeat("x", 300_000)), ErrInvalidEvent},
		} {
			if err := e.Emit(tt.ev); !errors.Is(err, tt.want) {
				t.Errorf("Emit(%.80v) = %v, want %v", tt.ev, err, tt.want)
			}
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := e.Emit(occupied(1)); !errors.Is(err, ErrClosed) {
			t.Errorf("after Shutdown: %v, want ErrClosed", err)
		}
	})
}

func TestEmitThatNobodyWantsAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Log("the race detector allocates; the figures count without it")
	}
	e := start(t, &endpoint{}, func(o *Options) {
		o.Apps[0].Webhooks[0].EventTypes = []EventType{TypeMemberAdded}
		o.Apps[0].Webhooks[0].Filter.ChannelPrefix = "presence-room-"
	})
	for _, ev := range []Event{
		ChannelOccupied("my-app", "c"),                    // no webhook wants the type
		MemberAdded("my-app", "presence-c", "user-12345"), // none the channel
	} {
		if n := testing.AllocsPerRun(100, func() { _ = e.Emit(ev) }); n != 0 && !raceEnabled {
			t.Errorf("%s: %v allocations", ev.Type, n)
		}
	}
}
