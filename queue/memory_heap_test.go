package queue

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
)

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkMemoryHeap fills queues up to MaxBytes with jobs of several sizes in several numbers of
// lanes, and reports the live heap as a multiple of the bound. It fails above 1.15.
func BenchmarkMemoryHeap(b *testing.B) {
	for _, lanes := range []int{10, 100_000} {
		names := make([]string, lanes)
		for i := range names {
			names[i] = benchLane(i)
		}
		for _, size := range []int{50, 500, 15_000} {
			b.Run(fmt.Sprintf("lanes=%d/bytes=%d", lanes, size), func(b *testing.B) {
				for b.Loop() {
					before := liveHeap()
					m, n := filledMemory(b, names, size)
					reportHeap(b, liveHeap()-before, m.opts.MaxBytes, n)
					runtime.KeepAlive(m)
				}
			})
		}
	}
}

// filledMemory fills a queue, and returns how many jobs it has taken.
func filledMemory(b *testing.B, names []string, size int) (m *Memory, n int) {
	m, err := NewMemory(MemoryOptions{MaxJobs: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	for refused := 0; refused < 100; n++ {
		job := Job{ID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", n), Lane: names[n%len(names)], Data: make([]byte, size)}
		switch err := m.Enqueue(b.Context(), []Job{job}); {
		case errors.Is(err, ErrFull):
			refused++
		case err != nil:
			b.Fatal(err)
		}
	}
	return m, n
}

func reportHeap(b *testing.B, heap, bound int64, n int) {
	ratio := float64(heap) / float64(bound)
	b.ReportMetric(ratio, "heap/bound")
	b.ReportMetric(float64(heap)/float64(n), "B/job")
	if ratio > 1.15 {
		b.Errorf("the live heap is %.2f times the bound of %d bytes, want at most 1.15", ratio, bound)
	}
}

// BenchmarkMemoryDeadHeap does the same with dead letters. The IDs of those that were evicted count
// for MaxBytes.
func BenchmarkMemoryDeadHeap(b *testing.B) {
	for _, size := range []int{50, 500, 15_000} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			for b.Loop() {
				before := liveHeap()
				m := deadMemory(b, size)
				reportHeap(b, liveHeap()-before, m.opts.MaxDeadBytes+m.opts.MaxBytes/idShare, m.dead.all.Len())
				runtime.KeepAlive(m)
			}
		})
	}
}

func deadMemory(b *testing.B, size int) *Memory {
	m, err := NewMemory(MemoryOptions{MaxDead: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	for n := range 20_000 {
		job := Job{ID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", n), Lane: benchLane(n % 100), Data: make([]byte, size)}
		if err := m.Enqueue(b.Context(), []Job{job}); err != nil {
			b.Fatal(err)
		}
		leases, err := m.Receive(b.Context(), Want{Max: 1, MaxPerLane: 1, MaxUntried: 1, MaxFailing: 1})
		if err != nil {
			b.Fatal(err)
		}
		if err := m.DeadLetter(b.Context(), leases[0], "gone: the receiver answered 410 Gone"); err != nil {
			b.Fatal(err)
		}
	}
	return m
}
