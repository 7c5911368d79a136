package webhook

import (
	"context"
	"fmt"
	"testing"

	"github.com/pushhooks/webhook/queue"
)

func TestEnqueueJobsBoundsACall(t *testing.T) {
	t.Parallel()
	m, err := queue.NewMemory(queue.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	calls := &countingQueue{Memory: m}
	o := validOptions()
	o.Apps, o.Queue, o.EmitOnly, o.EnqueueJobs = o.Apps[:1], calls, true, 3
	o.Apps[0].Webhooks = []Webhook{{URL: "https://example.com", EventTypes: []EventType{TypeCacheMiss}}}
	o.Batching.Disabled = true
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := e.Emit(CacheMiss("my-app", fmt.Sprintf("cache-%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = e.Close() // says that the jobs are left in the queue
	if calls.largest > 3 || calls.jobs != 50 {
		t.Errorf("the largest of the calls had %d jobs, all together %d", calls.largest, calls.jobs)
	}
}

// countingQueue counts what one goroutine hands it.
type countingQueue struct {
	*queue.Memory
	jobs, largest int
}

func (q *countingQueue) Enqueue(ctx context.Context, jobs []queue.Job) error {
	q.jobs += len(jobs)
	q.largest = max(q.largest, len(jobs))
	return q.Memory.Enqueue(ctx, jobs)
}
