package webhook

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestBatcherKeepsNoBatchThatWasFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{}, func(o *Options) { o.Batching.Duration = time.Minute })
		for i := range 1000 { // ten batches
			emit(t, e, occupied(i))
		}
		synctest.Wait()
		b := e.batcher
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.list.head != nil || b.list.tail != nil {
			t.Error("the list of open batches holds one that was full")
		}
	})
}

// A job may be held for days, so its buffer must not be that of a larger batch before it.
func TestJobsHaveBuffersOfTheirSize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		var jobs []queue.Job
		q.onEnqueue = func(_ context.Context, offered []queue.Job) error {
			jobs = append(jobs, offered...)
			return nil
		}
		e := start(t, &endpoint{}, with(q), emitOnly)
		for _, n := range []int{100, 1, 100, 37, 2, 90} {
			for i := range n {
				emit(t, e, occupied(i))
			}
			if err := e.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, job := range jobs {
			if n, c := len(job.Data), cap(job.Data); c > n*9/8+envelopeRoom {
				t.Errorf("a job of %d bytes holds a buffer of %d", n, c)
			}
		}
	})
}

// What the outbox counts is what the batches hold, by the capacity of their buffers.
func TestOutboxCountsWhatBatchesHold(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 7, 100} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t, queue.MemoryOptions{})
				q.onEnqueue = func(ctx context.Context, _ []queue.Job) error { return hang(ctx) }
				e := start(t, &endpoint{}, with(q), emitOnly, func(o *Options) { o.Batching.Duration = time.Minute })
				for i := range size {
					emit(t, e, occupied(i))
				}
				h := e.apps.get("my-app").hooks[0]
				used := func() int64 { return e.outbox.used.Load() }
				if size < 100 {
					if held := h.slot.open.held(); used() < held || used() > 2*held {
						t.Errorf("an open batch holds %d bytes, and the outbox counts %d", held, used())
					}
					e.batcher.flush()
				}
				if h.slot.open != nil {
					t.Fatal("the batch is open")
				}
				if held := h.slot.account.Load() >> 1; held != used() || held < int64(size*50)+batchOverhead || held > int64(size*100)+2*batchOverhead+envelopeRoom {
					t.Errorf("the outbox counts %d bytes for %d events", held, size)
				}
			})
		})
	}
}
