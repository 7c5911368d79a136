package redisqueue

import (
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
)

// Who looks at the lanes, as a status page does, does not keep those without jobs from being
// forgotten (H6).
func TestLanesThatAreListedGrowOld(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q, err := New(t.Context(), client, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: "idle", Health: queue.Failing}); err != nil {
		t.Fatal(err)
	}
	list := func() []queue.LaneInfo {
		lanes, err := q.Lanes(t.Context(), "", maxLanes)
		if err != nil {
			t.Fatal(err)
		}
		return lanes
	}
	const age = 300 * time.Millisecond
	time.Sleep(age + 50*time.Millisecond)
	if n := len(list()); n != 1 {
		t.Fatalf("%d lanes; want 1", n)
	}
	if err := q.sweep(t.Context(), q.parts[0], age); err != nil {
		t.Fatal(err)
	}
	if lanes := list(); len(lanes) != 0 {
		t.Errorf("%+v was not forgotten, because it was listed", lanes)
	}
}
