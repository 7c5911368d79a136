package boltqueue

import (
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/pushhooks/webhook/queue"
)

// fill enqueues jobs in so many lanes until the queue is full, and returns how many it has taken.
func fill(t testing.TB, q *Queue, lanes int) (taken int) {
	t.Helper()
	for made := 0; ; {
		jobs := make([]queue.Job, 2000)
		for i := range jobs {
			jobs[i] = queue.Job{
				ID:   fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", made),
				Lane: fmt.Sprintf("app-%06d/wh_0123456789ab", made%lanes), Data: []byte("data"),
			}
			made++
		}
		err := q.Enqueue(t.Context(), jobs)
		var refused *queue.BatchError
		if errors.As(err, &refused) {
			return taken + len(jobs) - len(refused.Failed)
		}
		must(t, err)
		taken += len(jobs)
	}
}

func TestTheIndexBoundsTheJobs(t *testing.T) {
	t.Parallel()
	for lanes, want := range map[int][2]int{1: {94_000, 94_200}, 100_000: {44_000, 45_000}} {
		if n := fill(t, open(t, file(t), Options{}), lanes); n < want[0] || n > want[1] {
			t.Errorf("%d lanes take %d jobs, want %d to %d", lanes, n, want[0], want[1])
		}
	}
}

// BenchmarkIndexHeap fills queues with jobs in several numbers of lanes, and reports the live heap
// as a multiple of what the disk page states. It fails above 1.15.
func BenchmarkIndexHeap(b *testing.B) {
	for _, lanes := range []int{10, 100_000} {
		b.Run(fmt.Sprint("lanes=", lanes), func(b *testing.B) {
			for b.Loop() {
				before := liveHeap()
				q := open(b, file(b), Options{})
				n := fill(b, q, lanes)
				heap := liveHeap() - before
				bound := q.opts.bounds().Index + recentBytes
				b.ReportMetric(float64(heap)/float64(bound), "heap/bound")
				b.ReportMetric(float64(heap)/float64(n), "B/job")
				if ratio := float64(heap) / float64(bound); ratio > 1.15 {
					b.Errorf("the live heap is %.2f times the bound of %d bytes", ratio, bound)
				}
				runtime.KeepAlive(q)
			}
		})
	}
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
