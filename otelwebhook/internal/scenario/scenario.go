// Package scenario runs an emitter through everything that can happen to events, in a bubble of
// testing/synctest: deliveries, retries, dead letters, halves, drops, refusals, replays, and webhooks in
// each state. Tests compare what it leaves with what was reported.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/webhooktest"
)

// Options says what an emitter is like.
type Options struct {
	Trace      *webhook.Trace
	AtMostOnce bool // its queue forgets jobs when it gives them out
}

// HostType is an event type of the host's own.
const HostType webhook.EventType = "order_paid"

// Secret is part of URLs, headers and errors, and must be in nothing that is reported.
const Secret = "s3cr3t-value"

// Scenario is an emitter with receivers and a queue.
type Scenario struct {
	Emitter *webhook.Emitter
	queue   *gatedQueue
}

var key = webhook.Key{Key: "my-key", Secret: "my-secret"}

// Start starts the emitter. It ends with the test.
func Start(t testing.TB, o Options) *Scenario {
	t.Helper()
	m, err := queue.NewMemory(queue.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	receiver := webhooktest.NewMemoryReceiver(t, key)
	receiver.Otherwise(http.HandlerFunc(answer))
	sender, err := dispatch.NewHTTP(dispatch.HTTPOptions{DialContext: receiver.DialContext})
	if err != nil {
		t.Fatal(err)
	}
	q := &gatedQueue{Memory: m, atMostOnce: o.AtMostOnce}
	em, err := webhook.New(webhook.Options{
		Queue: q, HTTP: sender, Trace: o.Trace, OutboxBytes: 200_000,
		Apps:       []webhook.App{app("my-app", receiver.URL), app("other-app", receiver.URL)},
		EventTypes: []webhook.EventType{HostType}, Middleware: []dispatch.Middleware{away},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = em.Shutdown(ctx)
		_ = m.Close()
		_ = sender.Close()
	})
	return &Scenario{em, q}
}

// webhookIDs are the webhooks of each app, which name what becomes of their deliveries.
var webhookIDs = []string{"fine", "flaky", "gone", "big", "down", "refused", "cut", "away"}

func app(id, url string) webhook.App {
	a := webhook.App{ID: id, Key: key.Key, Secret: key.Secret}
	for _, name := range webhookIDs {
		a.Webhooks = append(a.Webhooks, webhook.Webhook{
			ID:         name,
			URL:        strings.Replace(url, "://", "://user:"+Secret+"@", 1) + "/" + name + "/" + Secret + "?token=" + Secret,
			EventTypes: []webhook.EventType{webhook.TypeChannelOccupied, webhook.TypeChannelVacated, webhook.TypeMemberAdded, HostType},
			Headers:    webhook.Headers{"X-Token": Secret},
		})
	}
	for i := range a.Webhooks {
		switch w := &a.Webhooks[i]; w.ID {
		case "refused":
			w.Retry.MaxAttempts = 1
		case "cut":
			w.Retry.MaxAttempts = 2
		}
	}
	return a
}

// answer is what all receivers do.
func answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	attempt, _ := strconv.Atoi(r.Header.Get("Webhook-Attempt"))
	switch name := strings.Split(r.URL.Path, "/")[1]; {
	case name == "flaky" && attempt == 1:
		w.WriteHeader(http.StatusServiceUnavailable)
	case name == "gone":
		w.WriteHeader(http.StatusGone)
	case name == "big" && strings.Count(string(body), `"channel"`) > 1:
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case name == "down":
		http.Error(w, r.URL.String()+" "+r.Header.Get("X-Token"), http.StatusInternalServerError)
	case name == "refused":
		w.WriteHeader(http.StatusBadRequest)
	case name == "cut":
		panic(http.ErrAbortHandler)
	}
}

// away is middleware that sends the first attempts for one webhook nowhere, and tells secrets in its error.
func away(next dispatch.Sender) dispatch.Sender {
	var n atomic.Int64
	return dispatch.SenderFunc(func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
		if r.WebhookID == "away" && n.Add(1) <= 3 {
			err := fmt.Errorf("post %q with %s: no such device", r.URL, r.Header.Get("X-Token"))
			return dispatch.Outcome{Verdict: dispatch.Unsent, Reason: "local", Err: err}
		}
		return next.Send(ctx, r)
	})
}

// Run lets everything happen, and returns when a webhook is held for long enough to compare things.
func (s *Scenario) Run(t testing.TB) {
	t.Helper()
	for range 3 {
		s.emit(t, 4)
		time.Sleep(10 * time.Second)
	}
	s.overflow(t)
	time.Sleep(10 * time.Second)
	if !s.queue.atMostOnce {
		if _, err := s.Emitter.Replay(context.Background(), webhook.DeadLetterQuery{WebhookID: "gone"}); err != nil {
			t.Fatal(err)
		}
	}
	s.emit(t, 1)
	s.settle(t)
}

// emit emits n events of each type for each app, of which a long one does not fit the queue.
func (s *Scenario) emit(t testing.TB, n int) {
	t.Helper()
	for _, id := range []string{"my-app", "other-app"} {
		for i := range n {
			channel := fmt.Sprintf("presence-%d", i)
			for _, ev := range []webhook.Event{
				webhook.ChannelOccupied(id, channel), webhook.ChannelVacated(id, channel), webhook.MemberAdded(id, channel, "u1"),
				webhook.CustomEvent(id, HostType, channel), webhook.CacheMiss(id, "cache-"+channel), // which nobody wants
			} {
				if err := s.Emitter.Emit(ev); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := s.Emitter.Emit(webhook.ChannelOccupied("my-app", strings.Repeat("x", tooLong))); err != nil {
		t.Fatal(err)
	}
}

// overflow emits while the queue takes nothing, so that failing webhooks, and then all, have no room.
func (s *Scenario) overflow(t testing.TB) {
	t.Helper()
	s.queue.shut.Store(true)
	refused := 0
	for i := range 3000 {
		switch err := s.Emitter.Emit(webhook.ChannelOccupied("my-app", "channel-"+strconv.Itoa(i))); {
		case errors.Is(err, webhook.ErrOverflow):
			refused++
		case err != nil:
			t.Fatal(err)
		}
	}
	s.queue.shut.Store(false)
	if refused == 0 {
		t.Fatal("no event was refused")
	}
}

// settle waits until everything that happens soon has happened: what is left waits for a webhook that is
// held for another 40 seconds at least.
func (s *Scenario) settle(t testing.TB) {
	t.Helper()
	for range 10_000 {
		time.Sleep(time.Second)
		synctest.Wait()
		if s.quiet(t) {
			return
		}
	}
	t.Fatalf("it does not settle: %+v", s.Emitter.Stats())
}

func (s *Scenario) quiet(t testing.TB) bool {
	t.Helper()
	q, err := s.Emitter.QueueStats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if q.Ready != q.Held || q.Delayed+q.Leased > 0 {
		return false
	}
	for w, err := range s.Emitter.Webhooks(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if w.State == webhook.LaneHeld && time.Until(w.HeldUntil) < 40*time.Second && w.Waiting > 0 {
			return false
		}
	}
	return true
}

const tooLong = 2000

// gatedQueue is a memory queue that takes nothing while it is shut, and no job with a long channel.
type gatedQueue struct {
	*queue.Memory
	shut       atomic.Bool
	atMostOnce bool
}

func (q *gatedQueue) Traits() queue.Traits {
	t := q.Memory.Traits()
	t.AtMostOnce = q.atMostOnce
	return t
}

func (q *gatedQueue) Enqueue(ctx context.Context, jobs []queue.Job) error {
	if q.shut.Load() {
		return errors.New("the queue is shut")
	}
	var take []queue.Job
	var large *queue.BatchError
	for i := range jobs {
		if strings.Contains(string(jobs[i].Data), strings.Repeat("x", tooLong)) {
			large = large.Fail(i, queue.ErrTooLarge)
		} else {
			take = append(take, jobs[i])
		}
	}
	if len(take) > 0 {
		if err := q.Memory.Enqueue(ctx, take); err != nil {
			return err
		}
	}
	return large.Err()
}

// Nack drops what an at-most-once queue has no more.
func (q *gatedQueue) Nack(ctx context.Context, nacks []queue.Nack) error {
	if !q.atMostOnce {
		return q.Memory.Nack(ctx, nacks)
	}
	for _, n := range nacks {
		var err error
		if n.Counted {
			err = q.Ack(ctx, []queue.Lease{n.Lease})
		} else {
			err = q.Memory.Nack(ctx, []queue.Nack{n})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
