package scheduler

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// limitedHandler makes attempts of lanes that have a rate limit.
type limitedHandler struct {
	benchHandler
	rate Rate
}

type limitedJob struct {
	*benchJob
	rate Rate
}

func (h *limitedHandler) Open(t *Task) Job { return limitedJob{&benchJob{&h.benchHandler, t}, h.rate} }
func (j limitedJob) Rate() Rate            { return j.rate }

// BenchmarkLimitedLanes prints the CPU an attempt with thousands of lanes, each of which has a
// backlog and makes an attempt a second.
func BenchmarkLimitedLanes(b *testing.B) {
	for _, lanes := range []int{30, 300, 3000} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			h := &limitedHandler{rate: Rate{PerSecond: 1, Burst: 1}}
			h.done = make(chan struct{}, 1)
			w := newWorld(b, nil)
			limited := names("limited", lanes)
			w.healthy(limited...)
			var jobs []queue.Job
			for i := range 20 + b.N/lanes {
				for _, lane := range limited {
					jobs = append(jobs, queue.Job{ID: fmt.Sprint(lane, "-", i), Lane: lane})
				}
			}
			if err := w.q.Enqueue(b.Context(), jobs); err != nil {
				b.Fatal(err)
			}
			s := New(w.q, 20, 1, h)
			s.Start()
			time.Sleep(2 * time.Second) // the first tokens are used up
			b.ResetTimer()
			before, used, began := h.ended.Load(), cpu(), time.Now()
			h.until.Store(before + int64(b.N))
			<-h.done
			n := float64(h.ended.Load() - before)
			b.ReportMetric(float64((cpu()-used).Nanoseconds())/n, "cpu-ns/attempt")
			b.ReportMetric(n/time.Since(began).Seconds(), "attempts/s")
			b.StopTimer()
			s.Stop(context.Background())
		})
	}
}
