package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"testing"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// fullQueue has room for no job.
type fullQueue struct{ discard }

func (fullQueue) Enqueue(_ context.Context, jobs []queue.Job) error {
	var failed *queue.BatchError
	for i := range jobs {
		failed = failed.Fail(i, queue.ErrFull)
	}
	return failed.Err()
}

// BenchmarkOutboxHeap fills an outbox whose queue is full, and reports the live heap as a multiple
// of the bound. It fails above 1.15.
func BenchmarkOutboxHeap(b *testing.B) {
	for _, apps := range []int{10, 100_000} {
		for _, batching := range []bool{false, true} {
			b.Run(fmt.Sprintf("apps=%d/batching=%v", apps, batching), func(b *testing.B) {
				for b.Loop() {
					heap, bound := outboxHeap(b, apps, batching)
					ratio := float64(heap) / float64(bound)
					b.ReportMetric(ratio, "heap/bound")
					if ratio > 1.15 {
						b.Errorf("the live heap is %.2f times the bound of %d bytes, want at most 1.15", ratio, bound)
					}
				}
			})
		}
	}
}

func outboxHeap(b *testing.B, apps int, batching bool) (heap, bound int64) {
	o := Options{
		Apps: registered(apps), Queue: fullQueue{discard{queue.None}}, Workers: -1,
		Logger: slog.New(slog.DiscardHandler), HTTP: dispatch.SenderFunc(nil),
	}
	for i := range o.Apps {
		o.Apps[i].Webhooks[0].EventTypes = []EventType{TypeMemberAdded}
	}
	o.Batching.Disabled = !batching
	e, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	events := make([]Event, apps)
	for i := range events {
		events[i] = benchEvent(fmt.Sprint("app-", i))
	}
	o.Apps = nil
	liveHeap()
	before := liveHeap()
	for i, refused := 0, 0; refused < 1000; i++ {
		switch err := e.Emit(events[i%apps]); {
		case errors.Is(err, ErrOverflow):
			refused++
		case err != nil:
			b.Fatal(err)
		}
	}
	heap = liveHeap()
	for range 5 { // what the enqueuer allocates while the collector runs is no part of it
		heap = min(heap, liveHeap())
	}
	heap -= before
	runtime.KeepAlive(events)
	return heap, e.outbox.limit
}
