package webhook

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestJobsOfAppsThatThisNodeDoesNotKnowHoldNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		to := &endpoint{answer: takes(time.Second)}
		known, unknown := manyApps("known", 20), manyApps("unknown", 100)
		e := start(t, to, with(q), apps(known...))
		ahead := start(t, &endpoint{}, with(q), apps(unknown...), unbatched, func(o *Options) { o.Workers = -1 })
		for _, a := range unknown {
			emit(t, ahead, ChannelOccupied(a.ID, "c"), ChannelOccupied(a.ID, "c"), ChannelOccupied(a.ID, "c"))
			time.Sleep(time.Millisecond)
		}
		for _, a := range known {
			emit(t, e, ChannelOccupied(a.ID, "c"))
		}
		time.Sleep(2500 * time.Millisecond) // half of the workers serve webhooks that are not known to be well
		if n := len(to.got()); n != len(known) {
			t.Errorf("%d deliveries of the %d apps that it knows", n, len(known))
		}
	})
}

// manyApps makes apps that are alike but for their IDs.
func manyApps(prefix string, n int) []App {
	list := make([]App, n)
	for i := range list {
		list[i] = testApp("http://receiver.test/hook")
		list[i].ID = fmt.Sprint(prefix, "-", i)
	}
	return list
}

func TestAJobOfAnUnknownKeyDoesNotPauseItsLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		ahead := testApp("http://receiver.test/hook")
		ahead.Key = "newer-key"
		first := start(t, &endpoint{}, with(q), apps(ahead), func(o *Options) { o.Workers = -1 })
		emit(t, first, occupied(1))
		if err := first.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		to := &endpoint{}
		e := start(t, to, with(q), unbatched)
		for i := range 100 {
			emit(t, e, occupied(i))
			time.Sleep(100 * time.Millisecond)
			if n := len(to.got()); n != i+1 {
				t.Fatalf("%d of %d delivered", n, i+1)
			}
		}
	})
}
