package queue_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestMemoryDropsDeadLettersByAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, queue.MemoryOptions{})
		kill(t, m, jobs("old", 2)...)
		time.Sleep(24 * time.Hour) // virtual
		kill(t, m, jobs("new", 1)...)
		time.Sleep(6*24*time.Hour - time.Nanosecond)
		equal(t, "within 7 days", letters(t, m, ""), []string{"old-0", "old-1", "new-0"})
		time.Sleep(time.Nanosecond)
		equal(t, "after 7 days", letters(t, m, ""), []string{"new-0"})
		if s := stats(t, m); s.Dead != 1 || s.DeadDropped != 2 {
			t.Errorf("Stats: %d dead and %d dropped, want 1 and 2", s.Dead, s.DeadDropped)
		}
	})
}

// replayed makes new jobs for dead letters of lane a.
func replayed(ids ...string) (letters []queue.Replayed) {
	for _, id := range ids {
		letters = append(letters, queue.Replayed{ID: id, Job: queue.Job{ID: queue.ReplayID(id), Lane: "a"}})
	}
	return letters
}

func TestMemoryEvictsDeadLettersOfTheLargestLane(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{MaxDeadBytes: 5 * 650}) // letters of 648 bytes
	kill(t, m, jobs("small", 1)...)
	kill(t, m, jobs("large", 6)...)
	kill(t, m, jobs("other", 1)...)
	equal(t, "dead letters", letters(t, m, ""), []string{"small-0", "large-3", "large-4", "large-5", "other-0"})
}

func TestMemoryListingGoesOnAfterADiscardedLetter(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	kill(t, m, jobs("a", 1000)...)
	var after string
	var seen int
	for {
		page, err := m.DeadLetters(t.Context(), after, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		seen += len(page)
		after = page[len(page)-1].ID
		if _, err := m.Discard(t.Context(), []string{after}); err != nil {
			t.Fatal(err)
		}
	}
	if seen != 1000 {
		t.Errorf("the listing had %d letters of 1000", seen)
	}
}

func TestMemoryDropsDeadLettersByBytes(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{MaxDeadBytes: 2 * 650}) // letters of 648 bytes
	kill(t, m, jobs("a", 4)...)
	equal(t, "dead letters", letters(t, m, ""), []string{"a-2", "a-3"})
	if s := stats(t, m); s.Dead != 2 || s.DeadDropped != 2 {
		t.Errorf("Stats: %d dead and %d dropped, want 2 and 2", s.Dead, s.DeadDropped)
	}
}

func TestMemoryListsAfterAnID(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	kill(t, m, jobs("a", 3)...)
	equal(t, "after a-1", letters(t, m, "a-1"), []string{"a-2"})
	if _, err := m.Discard(t.Context(), []string{"a-0", "a-1"}); err != nil {
		t.Fatal(err)
	}
	equal(t, "after a-1 was discarded", letters(t, m, "a-1"), []string{"a-2"})
	equal(t, "after an unknown ID", letters(t, m, "unknown"), []string{"a-2"})
}

func TestMemoryReplaysOnlyWhatFits(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{MaxJobs: 3})
	kill(t, m, jobs("a", 3)...)
	enqueue(t, m, jobs("b", 2)...)
	n, err := m.Replay(t.Context(), replayed("a-0", "a-1", "a-2"))
	if n != 1 || !errors.Is(err, queue.ErrFull) {
		t.Errorf("Replay into room for one: %d, %v; want 1 and ErrFull", n, err)
	}
	equal(t, "what is left", letters(t, m, ""), []string{"a-1", "a-2"})
}

// A copy of a dead letter that turns up late, because the answer to an Enqueue was lost, is not a
// new job.
func TestMemoryTakesNoCopyOfADeadLetter(t *testing.T) {
	t.Parallel()
	m := newMemory(t, queue.MemoryOptions{})
	dead := jobs("a", 3)
	kill(t, m, dead...)
	if _, err := m.Discard(t.Context(), []string{"a-1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Replay(t.Context(), replayed("a-2")); err != nil {
		t.Fatal(err)
	}
	enqueue(t, m, dead...)
	equal(t, "received", receiveIDs(t, m, all(5)), []string{"a-2~1"})
}

func TestMemoryRemembersTheLastSettledIDs(t *testing.T) {
	t.Parallel()
	const remembered = 16_384
	m := newMemory(t, queue.MemoryOptions{})
	made := jobs("a", remembered+1)
	for len(made) > 0 {
		n := min(1000, len(made))
		enqueue(t, m, made[:n]...)
		made = made[n:]
		if err := m.Ack(t.Context(), receive(t, m, all(n))); err != nil {
			t.Fatal(err)
		}
	}
	enqueue(t, m, jobs("a", 3)...)
	equal(t, "the oldest three again", receiveIDs(t, m, all(3)), []string{"a-0"})
	last := fmt.Sprint("a-", remembered)
	enqueue(t, m, queue.Job{ID: last, Lane: "a"})
	if s := stats(t, m); s.Ready != 0 {
		t.Errorf("the last one was taken again")
	}
}
