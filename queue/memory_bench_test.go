package queue

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"
)

// benchLane names the lane of a job.
func benchLane(i int) string { return "app/webhook-" + strconv.Itoa(i) }

// benchJobs makes batches of 20 jobs, spread over the lanes.
func benchJobs(b *testing.B, lanes int) func() []Job {
	data := make([]byte, 300)
	names := make([]string, lanes)
	for i := range names {
		names[i] = benchLane(i)
	}
	ids := make([]string, 1<<18)
	for i := range ids {
		ids[i] = fmt.Sprintf("01890a5d-ac96-774b-bcce-%012d", i)
	}
	jobs := make([]Job, 20)
	n := 0
	b.ReportAllocs()
	return func() []Job {
		for i := range jobs {
			jobs[i] = Job{ID: ids[n%len(ids)], Lane: names[n%lanes], Data: data}
			n++
		}
		return jobs
	}
}

// pass is a whole round of 20 jobs through the queue.
func pass(b *testing.B, m *Memory, jobs []Job, w Want) {
	ctx := context.Background()
	if err := m.Enqueue(ctx, jobs); err != nil {
		b.Fatal(err)
	}
	for left := len(jobs); left > 0; {
		leases, err := m.Receive(ctx, w)
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Ack(ctx, leases); err != nil {
			b.Fatal(err)
		}
		left -= len(leases)
	}
}

func newBenchMemory(b *testing.B) *Memory {
	m, err := NewMemory(MemoryOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Close() })
	return m
}

// BenchmarkMemory is Enqueue, Receive and Ack of jobs by twenty; ns/job is what one costs.
func BenchmarkMemory(b *testing.B) {
	for _, lanes := range []int{1, 20, 10_000} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			m, next := newBenchMemory(b), benchJobs(b, lanes)
			for b.Loop() {
				pass(b, m, next(), Want{Max: 20, MaxPerLane: 20, MaxUntried: 20})
			}
			perJob(b)
		})
	}
}

// BenchmarkMemoryOneByOne is the same for batches of one job.
func BenchmarkMemoryOneByOne(b *testing.B) {
	m, next := newBenchMemory(b), benchJobs(b, 1)
	var jobs []Job
	for b.Loop() {
		if len(jobs) == 0 {
			jobs = next()
		}
		pass(b, m, jobs[:1], Want{Max: 1, MaxPerLane: 1, MaxUntried: 1})
		jobs = jobs[1:]
	}
}

// BenchmarkMemoryBacklog is the same with 10,000 lanes that each have a backlog.
func BenchmarkMemoryBacklog(b *testing.B) {
	m, next := newBenchMemory(b), benchJobs(b, 10_000)
	for range 2000 {
		if err := m.Enqueue(b.Context(), next()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		pass(b, m, next(), Want{Max: 20, MaxPerLane: 20, MaxUntried: 20})
	}
	perJob(b)
}

// hold makes 10,000 lanes with a job each that are held.
func hold(b *testing.B, m *Memory) {
	crowd(b, m, func(lane string) {
		u := LaneUpdate{Lane: lane, Health: Failing, Hold: MaxHold}
		if err := m.SetLane(b.Context(), u); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkMemoryHeld is the same beside 10,000 lanes that are held.
func BenchmarkMemoryHeld(b *testing.B) {
	m := newBenchMemory(b)
	hold(b, m)
	next := benchJobs(b, 1)
	for b.Loop() {
		pass(b, m, next(), Want{Max: 20, MaxPerLane: 20, MaxUntried: 20})
	}
	perJob(b)
}

// BenchmarkMemoryUntried is the same beside 10,000 untried lanes of which none may run.
func BenchmarkMemoryUntried(b *testing.B) {
	m, next := newBenchMemory(b), benchJobs(b, 1)
	pass(b, m, next(), Want{Max: 20, MaxPerLane: 20, MaxUntried: 20})
	crowd(b, m, func(string) {})
	for b.Loop() {
		pass(b, m, next(), Want{Max: 20, MaxPerLane: 20})
	}
	perJob(b)
}

// BenchmarkMemoryWaiting hands single jobs to a Receive that waits, beside 10,000 held lanes.
func BenchmarkMemoryWaiting(b *testing.B) {
	m := newBenchMemory(b)
	hold(b, m)
	next := benchJobs(b, 1)
	var jobs []Job
	received := make(chan struct{})
	go func() {
		for {
			leases, err := m.Receive(b.Context(), Want{Max: 20, MaxPerLane: 20, MaxUntried: 20})
			if err != nil {
				return
			}
			_ = m.Ack(b.Context(), leases)
			received <- struct{}{}
		}
	}()
	for b.Loop() {
		if len(jobs) == 0 {
			jobs = next()
		}
		_ = m.Enqueue(b.Context(), jobs[:1])
		jobs = jobs[1:]
		<-received
	}
}

// crowd puts jobs into 10,000 lanes and tells their names.
func crowd(b *testing.B, m *Memory, name func(lane string)) {
	jobs := make([]Job, 10_000)
	for i := range jobs {
		jobs[i] = Job{ID: fmt.Sprint("crowd-", i), Lane: fmt.Sprint("crowd/", i), Data: []byte("x")}
		name(jobs[i].Lane)
	}
	if err := m.Enqueue(b.Context(), jobs); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkMemoryStats is Stats with 100,000 ready jobs.
func BenchmarkMemoryStats(b *testing.B) {
	m, next := newBenchMemory(b), benchJobs(b, 10_000)
	for range 4500 {
		if err := m.Enqueue(b.Context(), next()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := m.Stats(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemoryDelays is a Nack with a delay, and the job's return, among 50,000 delayed jobs.
func BenchmarkMemoryDelays(b *testing.B) {
	m, next := newBenchMemory(b), benchJobs(b, 10_000)
	for range 2500 {
		if err := m.Enqueue(b.Context(), next()); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		leases, err := m.Receive(b.Context(), Want{Max: 20, MaxPerLane: 20, MaxUntried: 20})
		if err != nil {
			b.Fatal(err)
		}
		nacks := make([]Nack, len(leases))
		for i, l := range leases {
			nacks[i] = Nack{Lease: l, Delay: time.Millisecond + time.Duration(i)}
		}
		if err := m.Nack(b.Context(), nacks); err != nil {
			b.Fatal(err)
		}
	}
	perJob(b)
}

func perJob(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/20, "ns/job")
}

// Stats of a queue with jobs in 100,000 lanes, while the oldest changes.
func BenchmarkMemoryStatsOfManyLanes(b *testing.B) {
	for _, lanes := range []int{10, 100_000} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			m, err := NewMemory(MemoryOptions{MaxJobs: 1 << 20})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			jobs := benchJobs(b, lanes)
			for range lanes / 10 {
				if err := m.Enqueue(context.Background(), jobs()); err != nil {
					b.Fatal(err)
				}
			}
			w := Want{Max: 1, MaxPerLane: 1, MaxUntried: 1}
			for b.Loop() {
				if _, err := m.Stats(context.Background()); err != nil {
					b.Fatal(err)
				}
				b.StopTimer() // the oldest changes
				leases, err := m.Receive(context.Background(), w)
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Release(context.Background(), leases); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
