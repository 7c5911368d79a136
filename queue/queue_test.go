package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestWantLimit(t *testing.T) {
	t.Parallel()
	w := queue.Want{Max: 10, MaxPerLane: 4, Lanes: map[string]int{"less": 2, "skipped": 0, "more": 20, "negative": -1}}
	for lane, want := range map[string]int{"other": 4, "less": 2, "skipped": 0, "more": 4, "negative": 0} {
		if got := w.Limit(lane); got != want {
			t.Errorf("Limit(%q) = %d, want %d", lane, got, want)
		}
	}
	few := queue.Want{Max: 1, MaxPerLane: 4, Lanes: map[string]int{"a": 3}}
	if got := few.Limit("a"); got != 1 {
		t.Errorf("Limit is %d with Max 1, want 1", got)
	}
}

func TestLaneUpdateIsChecked(t *testing.T) {
	t.Parallel()
	for want, u := range map[string]queue.LaneUpdate{
		"Lane is empty":          {Health: queue.Failing},
		"Health is healthy":      {Lane: "a", Health: queue.Healthy},
		"Health is Health(7)":    {Lane: "a", Health: 7},
		"Hold is -1ns":           {Lane: "a", Health: queue.Failing, Hold: -1},
		"For is -1ns":            {Lane: "a", Health: queue.Failing, For: -1},
		"an untried lane is not": {Lane: "a", Hold: time.Second},
	} {
		if _, err := u.Checked(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Checked of %+v: %v; want an error with %q", u, err, want)
		}
	}
	u, err := queue.LaneUpdate{
		Lane: "a", Health: queue.Failing, Hold: time.Hour, Reason: strings.Repeat("é", 200) + "\xff",
	}.Checked()
	if err != nil || u.Hold != queue.MaxHold || u.Reason != strings.Repeat("é", 126)+"…" {
		t.Errorf("Checked returned a hold of %v and %q, %v", u.Hold, u.Reason, err)
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
	if want := "2 of the batch failed, the first at index 1: queue is full"; err.Error() != want {
		t.Errorf("the error is %q, want %q", err, want)
	}
	var one *queue.BatchError
	if want := "index 7 failed: queue is closed"; one.Fail(7, queue.ErrClosed).Error() != want {
		t.Errorf("the error of one is not %q", want)
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
		"j": "j~1", "j~1": "j~2", "j~9": "j~10", "j-0": "j-0~1", "j~x": "j~x~1", "j~1-0": "j~1-0~1", "j~1-0~1": "j~1-0~2",
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
		if !q.Traits().Disabled {
			t.Error("None is not disabled")
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
			"Release":    q.Release(ctx, []queue.Lease{{}}),
			"SetLane":    q.SetLane(ctx, queue.LaneUpdate{}),
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
