package redisqueue_test

import (
	"errors"
	"testing"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// A call that makes the set of settled IDs the old one answers as any other call: what it settled
// is settled, and a lease that was lost is lost.
func TestRotatingTheMarkersChangesNoAnswer(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{MaxMarkers: 2}) // every other settled job rotates them
	mustEnqueue(t, q, makeJobs("j", 16, 1)...)
	leases := mustReceive(t, q, want(16), 16)
	for _, l := range leases[:4] {
		if err := q.DeadLetter(t.Context(), l, "gone"); err != nil {
			t.Errorf("DeadLetter of %s: %v", l.ID, err)
		}
	}
	for _, l := range leases[4:8] {
		if err := q.Replace(t.Context(), l, []queue.Job{{ID: l.ID + "-half", Lane: l.Lane}}); err != nil {
			t.Errorf("Replace of %s: %v", l.ID, err)
		}
	}
	for _, l := range leases[8:16] {
		err := q.Ack(t.Context(), []queue.Lease{l, leases[0]})
		if errors.Is(queue.ErrorOf(err, 0), queue.ErrLeaseLost) || !errors.Is(queue.ErrorOf(err, 1), queue.ErrLeaseLost) {
			t.Errorf("Ack of %s and of a job that was settled: %v; want ErrLeaseLost of the second", l.ID, err)
		}
	}
	if n := client.Exists(t.Context(), "pushhooks:{0}:done-").Val(); n != 1 {
		t.Error("the markers were not rotated")
	}
}
