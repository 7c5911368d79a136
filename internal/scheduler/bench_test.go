package scheduler

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/cputime"
	"github.com/pushhooks/webhook/queue"
)

// instantQueue always has jobs of its lanes, which take turns, as many as a Want allows.
type instantQueue struct {
	lanes []string
	next  atomic.Int64

	receives, released atomic.Int64
}

func (q *instantQueue) Traits() queue.Traits {
	return queue.Traits{Lease: 30 * time.Second, InProcess: true}
}

func (q *instantQueue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q.receives.Add(1)
	leases := make([]queue.Lease, 0, w.Max)
	until := time.Now().Add(30 * time.Second)
	left := map[string]int{}
	for idle := 0; len(leases) < w.Max && idle < len(q.lanes); {
		n := q.next.Add(1)
		lane := q.lanes[int(n)%len(q.lanes)]
		if _, ok := left[lane]; !ok {
			left[lane] = w.Limit(lane)
		}
		if left[lane] == 0 {
			idle++
			continue
		}
		idle = 0
		left[lane]--
		leases = append(leases, queue.Lease{Job: queue.Job{ID: "x", Lane: lane}, Receipt: "r", Until: until, Health: queue.Healthy})
	}
	if len(leases) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return leases, nil
}

func (q *instantQueue) Enqueue(context.Context, []queue.Job) error  { return nil }
func (q *instantQueue) Extend(context.Context, []queue.Lease) error { return nil }
func (q *instantQueue) Ack(context.Context, []queue.Lease) error    { return nil }
func (q *instantQueue) Nack(context.Context, []queue.Nack) error    { return nil }

func (q *instantQueue) Release(_ context.Context, l []queue.Lease) error {
	q.released.Add(int64(len(l)))
	return nil
}

func (q *instantQueue) Replace(context.Context, queue.Lease, []queue.Job) error { return nil }
func (q *instantQueue) DeadLetter(context.Context, queue.Lease, string) error   { return nil }
func (q *instantQueue) SetLane(context.Context, queue.LaneUpdate) error         { return nil }
func (q *instantQueue) Close() error                                            { return nil }

// benchHandler makes attempts that take a time and succeed.
type benchHandler struct {
	takes time.Duration
	ended atomic.Int64
	until atomic.Int64 // when this many have ended, done is told
	done  chan struct{}
}

type benchJob struct {
	h *benchHandler
	t *Task
}

func (h *benchHandler) Open(t *Task) Job                         { return &benchJob{h, t} }
func (h *benchHandler) LaneChanged(string, LaneState, LaneState) {}
func (h *benchHandler) LeaseLost(Job)                            {}
func (h *benchHandler) QueueWorks(string)                        {}
func (h *benchHandler) QueueFailed(string, int, error)           {}
func (h *benchHandler) Panicked(_ Job, v any, stack []byte) Result {
	panic(fmt.Sprint(v, string(stack)))
}

func (j *benchJob) Rate() Rate { return Rate{} }

func (j *benchJob) Settled(Result) {
	if j.h.ended.Add(1) == j.h.until.Load() {
		j.h.done <- struct{}{}
	}
}

func (j *benchJob) Run() Result {
	_, cancel := j.t.Attempt(time.Now(), attemptTimeout)
	defer cancel()
	if j.h.takes > 0 {
		time.Sleep(j.h.takes)
	}
	return Result{Action: Ack, Evidence: Up}
}

func cpu() time.Duration {
	used, _ := cputime.Used()
	return used
}

// BenchmarkWorkers prints attempts a second and CPU an attempt, with attempts of 20 ms.
func BenchmarkWorkers(b *testing.B) {
	for _, lanes := range []int{1, 100, 10_000} {
		for _, workers := range []int{20, 100, 300, 1000, 3000} {
			b.Run(fmt.Sprintf("lanes=%d/workers=%d", lanes, workers), func(b *testing.B) {
				benchWorkers(b, names("lane", lanes), workers, 20*time.Millisecond)
			})
		}
	}
}

func benchWorkers(b *testing.B, lanes []string, workers int, takes time.Duration) {
	h := &benchHandler{takes: takes, done: make(chan struct{}, 1)}
	q := &instantQueue{lanes: lanes}
	s := New(q, workers, 1, h)
	s.Start()
	for h.ended.Load() < int64(50*workers) { // it has all workers
		time.Sleep(time.Millisecond)
	}
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	began, before, used := time.Now(), h.ended.Load(), cpu()
	receives, released := q.receives.Load(), q.released.Load()
	h.until.Store(before + int64(b.N) + int64(workers))
	<-h.done
	n := float64(h.ended.Load() - before)
	b.ReportMetric(n/time.Since(began).Seconds(), "attempts/s")
	b.ReportMetric(float64((cpu()-used).Nanoseconds())/n, "cpu-ns/attempt")
	b.ReportMetric(float64(q.receives.Load()-receives)/n, "receives/attempt")
	b.ReportMetric(float64(q.released.Load()-released)/n, "released/attempt")
	b.StopTimer()
	s.Stop(context.Background())
}
