package boltqueue

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pushhooks/webhook/queue"
)

func TestMain(m *testing.M) {
	if runChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

// open opens a queue in a new file, or in path, and closes it when the test ends.
func open(t testing.TB, path string, o Options) *Queue {
	t.Helper()
	q, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "queue.db") }

func job(id, lane string) queue.Job {
	return queue.Job{ID: id, Lane: lane, Data: []byte("data of " + id)}
}

func jobs(lane string, ids ...string) []queue.Job {
	var list []queue.Job
	for _, id := range ids {
		list = append(list, job(id, lane))
	}
	return list
}

// replayed returns the replay of a dead letter.
func replayed(id, lane string) queue.Replayed {
	return queue.Replayed{ID: id, Job: job(queue.ReplayID(id), lane)}
}

// numbered returns jobs with the ids prefix-0 to prefix-n-1.
func numbered(prefix, lane string, n int) []queue.Job {
	list := make([]queue.Job, n)
	for i := range list {
		list[i] = job(fmt.Sprintf("%s-%d", prefix, i), lane)
	}
	return list
}

func enqueue(t testing.TB, q *Queue, jobs ...queue.Job) {
	t.Helper()
	if err := q.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
}

func all(n int) queue.Want {
	return queue.Want{Max: n, MaxPerLane: n, MaxUntried: n, MaxFailing: n}
}

// receive returns up to n jobs, and none if there are none within the wait.
func receive(t testing.TB, q *Queue, n int) []queue.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	leases, err := q.Receive(ctx, all(n))
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return leases
}

func ids(leases []queue.Lease) string {
	var s string
	for i, l := range leases {
		if i > 0 {
			s += " "
		}
		s += l.ID
	}
	return s
}

func expect(t testing.TB, leases []queue.Lease, want string) {
	t.Helper()
	if got := ids(leases); got != want {
		t.Fatalf("received %q, want %q", got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
