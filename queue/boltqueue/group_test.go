package boltqueue

import (
	"errors"
	"testing"

	"github.com/pushhooks/webhook/queue"
)

// group has ops committed in one group, in this order, and returns the error of each.
func group(q *Queue, ops ...op) (errs []error) {
	var tasks []*task
	q.mu.Lock() // the committer takes the first task, and waits for the lock
	for _, o := range append([]op{trimOp{}}, ops...) {
		tasks = append(tasks, &task{op: o, done: make(chan error, 1)})
		q.inbox.put(tasks[len(tasks)-1])
	}
	q.mu.Unlock()
	for _, task := range tasks {
		errs = append(errs, <-task.done)
	}
	return errs[1:]
}

// together is group without errors.
func together(t *testing.T, q *Queue, ops ...op) {
	t.Helper()
	for _, err := range group(q, ops...) {
		must(t, err)
	}
}

func TestALeaseIsSettledOnceInAGroup(t *testing.T) {
	t.Parallel()
	path := file(t)
	for range 20 {
		q := open(t, path, Options{})
		enqueue(t, q, job("j", "a"))
		l := receive(t, q, 1)[0]
		nack := &nackOp{nacks: []nackEntry{{Nack: queue.Nack{Lease: l, Counted: true}}}}
		ack := &ackOp{leases: []queue.Lease{l, l}}
		dead := &deadOp{lease: l, reason: "gone"}
		replace := &replaceOp{lease: l, jobs: jobs("a", "part")}
		together(t, q, nack, ack, dead, replace)
		if nack.failed != nil {
			t.Fatalf("the first settlement failed: %v", nack.failed)
		}
		for name, err := range map[string]error{
			"Ack":        queue.ErrorOf(ack.failed.Err(), 0),
			"second Ack": queue.ErrorOf(ack.failed.Err(), 1),
			"DeadLetter": dead.err,
			"Replace":    replace.err,
		} {
			if !errors.Is(err, queue.ErrLeaseLost) {
				t.Fatalf("%s of a job that the same commit settles: %v", name, err)
			}
		}
		if l := receive(t, q, 10); ids(l) != "j" || l[0].Attempts != 1 {
			t.Fatalf("received %+v", l)
		}
		must(t, q.Close())
		path = file(t)
	}
}

func TestAReplayAndADiscardOfOneGroupMakeOneJobAtMost(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, job("j", "a"))
	must(t, q.DeadLetter(t.Context(), receive(t, q, 1)[0], "gone"))
	again := job("j~1", "a")
	replay := &removeOp{opts: &q.opts, removals: []removal{{id: "j", job: &again}}}
	second := &removeOp{opts: &q.opts, removals: []removal{{id: "j", job: &again}}}
	discard := &removeOp{opts: &q.opts, removals: []removal{{id: "j"}}}
	together(t, q, replay, second, discard)
	if replay.n+second.n+discard.n != 1 {
		t.Errorf("%d, %d and %d took the dead letter", replay.n, second.n, discard.n)
	}
	expect(t, receive(t, q, 10), "j~1")
}
