package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// Twenty thousand webhooks that have never succeeded are more than the default queue and outbox can
// keep events of. Those that work lose nothing to them. Under the race detector, which makes this take
// minutes, a tenth of them has a tenth of the room.
func TestDeadWebhooksThatNeverWorkedTakeNoRoomOfHealthyOnes(t *testing.T) {
	t.Parallel()
	n, room := 20_000, int64(24<<20)
	if raceEnabled {
		n, room = n/10, room/10
	}
	synctest.Test(t, func(t *testing.T) { crowdOfDead(t, n, room, 10*time.Second, 12) })
}

// crowdOfDead has n dead webhooks that get an event each in every period, beside some that work.
func crowdOfDead(t *testing.T, n int, room int64, period time.Duration, periods int) {
	const healthy = 20
	refused := dispatch.Outcome{Verdict: dispatch.Retry, Reason: "connect", Err: errors.New("connection refused")}
	answer := func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
		if strings.HasPrefix(r.URL, "http://dead") {
			return refused
		}
		return status(200)
	}
	list := manyApps("app", healthy)
	for i := range n {
		a := testApp(fmt.Sprintf("http://dead-%d.test/hook", i))
		a.ID = fmt.Sprint("dead-", i)
		list = append(list, a)
	}
	to := dispatch.SenderFunc(answer)
	dropped := map[string]int{}
	q := rig(t, queue.MemoryOptions{MaxBytes: room})
	e := start(t, &endpoint{}, apps(list...), with(q), outboxOf(room), func(o *Options) {
		o.HTTP = to
		o.Trace = &Trace{Dropped: func(i DroppedInfo) { dropped[i.AppID[:3]]++ }}
	})
	works := func(i int) {
		if err := e.Emit(ChannelOccupied(fmt.Sprint("app-", i%healthy), fmt.Sprint("c", i))); err != nil {
			t.Fatalf("event %d of a healthy webhook, after %d of dead ones were refused: %v; %+v", i, dropped["dea"], err, e.Stats())
		}
	}
	for i := range 100 {
		works(i)
	}
	time.Sleep(time.Second)
	for i := range periods * n {
		_ = e.Emit(ChannelOccupied(fmt.Sprint("dead-", i%n), fmt.Sprint("c", i)))
		if i%(n/1000) == 0 {
			works(i / (n / 1000))
			time.Sleep(period / 1000)
		}
	}
	time.Sleep(time.Second)
	if s := e.Stats(); dropped["app"] > 0 || s.Delivered != int64(100+1000*periods) || dropped["dea"] == 0 {
		t.Errorf("events were dropped: %v; %+v", dropped, s)
	}
	_ = e.Close()
}
