package boltqueue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestReopenKeepsJobsInOrder(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{})
	enqueue(t, q, numbered("j", "a", 1000)...)
	must(t, q.Close())

	q = open(t, path, Options{})
	leases := receive(t, q, 1001)
	if len(leases) != 1000 {
		t.Fatalf("%d jobs after reopening, want 1000", len(leases))
	}
	for i, l := range leases {
		want := job(fmt.Sprintf("j-%d", i), "a")
		if l.ID != want.ID || l.Lane != want.Lane || string(l.Data) != string(want.Data) || l.Attempts != 0 || !l.First.IsZero() {
			t.Fatalf("job %d came back as %+v", i, l)
		}
	}
}

func TestReopenKeepsProgress(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{})
	enqueue(t, q, jobs("a", "acked", "nacked", "parked", "dead", "fresh")...)
	l := receive(t, q, 4)
	must(t, q.Ack(t.Context(), l[:1]))
	must(t, q.Nack(t.Context(), []queue.Nack{{Lease: l[1], Counted: true}, {Lease: l[2], Delay: time.Hour}}))
	must(t, q.DeadLetter(t.Context(), l[3], "gone"))
	must(t, q.Close())

	q = open(t, path, Options{})
	s, err := q.Stats(t.Context())
	must(t, err)
	if s.Ready != 2 || s.Delayed != 1 || s.Leased != 0 || s.Dead != 1 {
		t.Fatalf("stats after reopening: %+v", s)
	}
	enqueue(t, q, jobs("a", "acked", "nacked", "parked", "dead")...)
	again := receive(t, q, 10)
	expect(t, again, "nacked fresh")
	if again[0].Attempts != 1 || again[0].First.IsZero() {
		t.Errorf("the counted nack was forgotten: %+v", again[0])
	}
	dead, err := q.DeadLetters(t.Context(), "", 10)
	must(t, err)
	if len(dead) != 1 || dead[0].ID != "dead" || dead[0].Reason != "gone" || dead[0].Attempts != 1 || string(dead[0].Data) != "data of dead" {
		t.Errorf("dead letters after reopening: %+v", dead)
	}
}

func TestCloseCountsLeasesThatItEnds(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{})
	enqueue(t, q, job("j", "a"))
	receive(t, q, 1)
	must(t, q.Close())
	if l := receive(t, open(t, path, Options{}), 1); l[0].Attempts != 1 || l[0].First.IsZero() {
		t.Errorf("after Close: %+v", l[0])
	}
}

func TestSIGKILLLosesNothingThatWasEnqueued(t *testing.T) {
	t.Parallel()
	path := file(t)
	taken := make(map[string]bool)
	for round := range 8 {
		for _, id := range enqueueAndKill(t, path, 50+40*round) {
			for i := range 5 {
				taken[strings.TrimSuffix(id, "-0")+fmt.Sprint("-", i)] = true
			}
		}
	}
	q := open(t, path, Options{})
	for leases := receive(t, q, 1000); len(leases) > 0; leases = receive(t, q, 1000) {
		for _, l := range leases {
			if string(l.Data) != "data of "+l.ID {
				t.Fatalf("%s has data %q", l.ID, l.Data)
			}
			delete(taken, l.ID)
		}
	}
	if len(taken) > 0 {
		t.Errorf("%d jobs that Enqueue had taken are lost", len(taken))
	}
}

// enqueueAndKill starts a child, kills it after it has named n jobs, and returns all that it named.
func enqueueAndKill(t *testing.T, path string, n int) []string {
	t.Helper()
	var named []string
	child(t, "enqueue", path, func(line string) bool {
		named = append(named, line)
		return len(named) < n
	})
	return named
}

func TestFault32SIGKILLOfWorkersLosesNothingAndRepeatsOnlyWhatWasAttempted(t *testing.T) {
	t.Parallel()
	const total, kills = 10_000, 100
	path := file(t)
	q := open(t, path, Options{})
	enqueue(t, q, numbered("j", "a", total)...)
	must(t, q.Close())

	sent := make(map[string]int)
	for kill := range kills {
		n := 0
		child(t, "work", path, func(line string) bool {
			sent[line]++
			n++
			return n < 50+kill%37
		})
	}
	q = open(t, path, Options{})
	for leases := receive(t, q, 1000); len(leases) > 0; leases = receive(t, q, 1000) {
		for _, l := range leases {
			sent[l.ID]++
		}
	}
	copies := -len(sent)
	for _, n := range sent {
		copies += n
	}
	if len(sent) != total || copies > kills*childBatch {
		t.Errorf("%d of %d jobs were delivered, with %d copies; at most %d were being attempted", len(sent), total, copies, kills*childBatch)
	}
}
