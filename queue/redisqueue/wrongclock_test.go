package redisqueue_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// A Redis whose clock is wrong gives leases, delays and holds of the right length, and no time that
// is wrong: retries have their whole budget, and nothing is given up as too old.
func TestRedisWithAWrongClock(t *testing.T) {
	t.Parallel()
	for _, shift := range []time.Duration{-6 * time.Minute, 6 * time.Minute, -3 * time.Hour} {
		t.Run(fmt.Sprint(shift), func(t *testing.T) {
			t.Parallel()
			client := testredis.StartServer(t, testredis.ShiftedClock(t, shift)).Client()
			t.Cleanup(func() { _ = client.Close() })
			if d := time.Until(client.Time(t.Context()).Val()) - shift; d.Abs() > 30*time.Second {
				t.Fatalf("Redis's clock is %v from what the test needs", d)
			}
			t.Run("times", func(t *testing.T) { wrongTimes(t, open(t, client, redisqueue.Options{Prefix: "times:"})) })
			t.Run("emitter", func(t *testing.T) { wrongClockEmitter(t, open(t, client, redisqueue.Options{Prefix: "emitter:"})) })
		})
	}
}

func wrongTimes(t *testing.T, q *redisqueue.Queue) {
	near := func(what string, at time.Time) {
		t.Helper()
		if d := time.Until(at); d.Abs() > time.Minute {
			t.Errorf("%s is %v off", what, d)
		}
	}
	mustEnqueue(t, q, makeJobs("j", 2, 1)...)
	leases := mustReceive(t, q, want(2), 2)
	near("Until", leases[0].Until)
	if err := q.Nack(t.Context(), []queue.Nack{{Lease: leases[0], Delay: 100 * time.Millisecond, Counted: true}}); err != nil {
		t.Fatal(err)
	}
	again := mustReceive(t, q, want(1), 1)[0]
	near("First", again.First)
	if again.Attempts != 1 || again.Age > time.Minute {
		t.Errorf("after one attempt the job has %d and the age %v", again.Attempts, again.Age)
	}
	if err := q.DeadLetter(t.Context(), again, "gone"); err != nil {
		t.Fatal(err)
	}
	letters, err := q.DeadLetters(t.Context(), "", 10)
	if err != nil || len(letters) != 1 {
		t.Fatalf("%d dead letters, %v", len(letters), err)
	}
	near("DeadLetter.At", letters[0].At)
	near("DeadLetter.First", letters[0].First)
	if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: "lane-0", Health: queue.Failing, Hold: 10 * time.Second, Since: leases[1]}); err != nil {
		t.Fatal(err)
	}
	lanes, err := q.Lanes(t.Context(), "", 10)
	if err != nil || len(lanes) != 1 {
		t.Fatalf("%d lanes, %v", len(lanes), err)
	}
	near("HeldUntil", lanes[0].HeldUntil)
}

// wrongClockEmitter delivers an event at the third attempt.
func wrongClockEmitter(t *testing.T, q *redisqueue.Queue) {
	var attempts atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if attempts.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer receiver.Close()
	em, err := webhook.New(webhook.Options{Queue: q, Apps: []webhook.App{{ID: "a", Key: "k", Secret: "s", Webhooks: []webhook.Webhook{{
		URL: receiver.URL, EventTypes: []webhook.EventType{webhook.TypeChannelOccupied},
		Retry: webhook.Retry{InitialBackoff: 50 * time.Millisecond, MaxElapsed: 2 * time.Minute, MaxAge: 2 * time.Minute},
	}}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = em.Close() }()
	if err := em.EmitSync(t.Context(), webhook.ChannelOccupied("a", "c")); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, 30*time.Second, "the event is settled", func() bool { s := em.Stats(); return s.Delivered+s.Dead > 0 })
	if s := em.Stats(); s.Delivered != 1 || s.Attempts != 3 {
		t.Errorf("the statistics are %+v; want a delivery at the third attempt", s)
	}
}
