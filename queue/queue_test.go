package queue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestWantOf(t *testing.T) {
	t.Parallel()
	w := queue.Want{Jobs: 10, Lane: 4, Cold: 3, Lanes: map[string]queue.Limit{
		"warm": {Jobs: 20, Warm: true}, "named": {Jobs: 2}, "skipped": {}, "large": {Jobs: 20},
	}}
	for lane, want := range map[string]struct {
		n    int
		cold bool
	}{
		"other": {3, true}, "warm": {10, false}, "named": {2, true}, "skipped": {0, true}, "large": {3, true},
	} {
		if n, cold := w.Of(lane); n != want.n || cold != want.cold {
			t.Errorf("Of(%q) = %d, %v; want %d, %v", lane, n, cold, want.n, want.cold)
		}
	}
}

func TestBatchErrorTellsEachJob(t *testing.T) {
	t.Parallel()
	var batch *queue.BatchError
	if err := batch.Err(); err != nil {
		t.Errorf("Err of nothing that failed: %v", err)
	}
	batch = batch.Fail(1, queue.ErrFull)
	batch = batch.Fail(3, queue.ErrTooLarge)
	err := batch.Err()
	if !errors.Is(err, queue.ErrFull) || !errors.Is(err, queue.ErrTooLarge) || errors.Is(err, queue.ErrClosed) {
		t.Errorf("%v does not match what it holds", err)
	}
	for i, want := range []error{nil, queue.ErrFull, nil, queue.ErrTooLarge} {
		if got := queue.ErrorOf(err, i); got != want {
			t.Errorf("ErrorOf(err, %d) = %v, want %v", i, got, want)
		}
	}
}

func TestErrorOfAnythingElseIsTheErrorItself(t *testing.T) {
	t.Parallel()
	if got := queue.ErrorOf(queue.ErrClosed, 7); got != queue.ErrClosed {
		t.Errorf("ErrorOf(ErrClosed, 7) = %v", got)
	}
	if got := queue.ErrorOf(nil, 7); got != nil {
		t.Errorf("ErrorOf(nil, 7) = %v", got)
	}
}

func TestReplayID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"j": "j~1", "j~1": "j~2", "j~9": "j~10", "j-0": "j-0~1", "j~x": "j~x~1",
	} {
		if got := queue.ReplayID(id); got != want {
			t.Errorf("ReplayID(%q) = %q, want %q", id, got, want)
		}
	}
}

func FuzzReplayIDIsNewEveryTime(f *testing.F) {
	for _, id := range []string{"j", "j~1", "~", "~~1", "j~-1", "j~9223372036854775807", "j~+1", ""} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		seen := map[string]bool{id: true}
		for range 5 {
			id = queue.ReplayID(id)
			if seen[id] {
				t.Fatalf("%q comes twice", id)
			}
			seen[id] = true
		}
	})
}

func TestNoneTakesEverythingAndGivesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := queue.None
		if !q.Traits().Off {
			t.Error("None is not off")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		enqueue(t, q, jobs("a", 3)...)
		if leases, err := q.Receive(ctx, all(1)); len(leases) > 0 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Receive returned %v, %v; want its context's error", leases, err)
		}
		for name, err := range map[string]error{
			"Extend":     q.Extend(ctx, []queue.Lease{{}}),
			"Ack":        q.Ack(ctx, []queue.Lease{{}}),
			"Nack":       q.Nack(ctx, []queue.Nack{{}}),
			"Replace":    q.Replace(ctx, queue.Lease{}, nil),
			"DeadLetter": q.DeadLetter(ctx, queue.Lease{}, "gone"),
			"Close":      q.Close(),
		} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
