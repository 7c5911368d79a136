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

// A lane that has nothing but dead letters stays listed, until they are gone.
func TestALaneWithDeadLettersIsNotForgotten(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q, err := New(t.Context(), client, Options{MaxDeadAge: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.Enqueue(t.Context(), []queue.Job{{ID: "a", Lane: "a"}}); err != nil {
		t.Fatal(err)
	}
	leases, err := q.Receive(t.Context(), queue.Want{Max: 1, MaxPerLane: 1, MaxUntried: 1})
	if err != nil || len(leases) != 1 {
		t.Fatalf("received %v, %v", leases, err)
	}
	if err := q.DeadLetter(t.Context(), leases[0], "gone"); err != nil {
		t.Fatal(err)
	}
	dead := func() (n int) {
		t.Helper()
		if err := q.sweep(t.Context(), q.parts[0], 0); err != nil {
			t.Fatal(err)
		}
		infos, err := q.Lanes(t.Context(), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range infos {
			n += l.Dead
		}
		return n
	}
	if n := dead(); n != 1 {
		t.Errorf("%d dead letters are listed, want 1", n)
	}
	for deadline := time.Now().Add(30 * time.Second); dead() > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a dead letter that is too old is still counted")
		}
	}
	dead()
	if n, err := client.ZCard(t.Context(), q.parts[0].base+"names").Result(); n != 0 || err != nil {
		t.Errorf("%d lanes are remembered, %v", n, err)
	}
}
