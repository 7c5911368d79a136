package flatqueue

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

// world is the webhooks of a scheduler. Those whose name begins with "dead" hang, all others answer.
type world struct {
	t *testing.T
	q *Queue

	mu      sync.Mutex
	sent    map[string]time.Time
	latency []time.Duration // of the jobs that were delivered
}

// worldJob is a job of one of them.
type worldJob struct {
	w *world
	t *scheduler.Task
}

func (w *world) Open(t *scheduler.Task) scheduler.Job                         { return worldJob{w, t} }
func (w *world) LaneChanged(string, scheduler.LaneState, scheduler.LaneState) {}
func (w *world) LeaseLost(scheduler.Job)                                      {}
func (w *world) QueueWorks(string)                                            {}
func (w *world) QueueFailed(string, int, error)                               {}
func (w *world) Panicked(scheduler.Job, any, []byte) scheduler.Result         { return scheduler.Result{} }

func (j worldJob) Rate() scheduler.Rate     { return scheduler.Rate{} }
func (j worldJob) Settled(scheduler.Result) {}

func (j worldJob) Run() scheduler.Result {
	ctx, cancel := j.t.Attempt(time.Now(), 10*time.Second)
	defer cancel()
	r := scheduler.Result{Action: scheduler.Ack, Evidence: scheduler.Up, Host: j.t.Lease.Lane}
	if strings.HasPrefix(j.t.Lease.Lane, "dead") {
		<-ctx.Done()
		r.Action, r.Evidence, r.Delay, r.Counted = scheduler.Retry, scheduler.Down, time.Second, true
		return r
	}
	time.Sleep(10 * time.Millisecond)
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	j.w.latency = append(j.w.latency, time.Since(j.w.sent[j.t.Lease.ID]))
	return r
}

// emit enqueues jobs of a lane, numbered from a number on.
func (w *world) emit(lane string, from, n int) {
	w.t.Helper()
	jobs := make([]queue.Job, n)
	w.mu.Lock()
	for i := range jobs {
		jobs[i] = queue.Job{ID: fmt.Sprint(lane, ".", from+i), Lane: lane}
		w.sent[jobs[i].ID] = time.Now()
	}
	w.mu.Unlock()
	enqueue(w.t, w.q, jobs...)
}

// emitFor emits one job a second of each of ten healthy lanes, and returns their latencies in order.
func (w *world) emitFor(d time.Duration, from int) []time.Duration {
	w.mu.Lock()
	w.latency = nil
	w.mu.Unlock()
	for n := range int(d / time.Second) {
		for i := range 10 {
			w.emit(fmt.Sprint("healthy", i), from+n, 1)
		}
		time.Sleep(time.Second)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	slices.Sort(w.latency)
	return w.latency
}

// Webhooks that work go on beside many that hang, each with a backlog that is returned first, on a
// store whose calls take 15 ms.
func TestHealthyLanesBesideHangingOnesBelowAScheduler(t *testing.T) {
	for _, c := range []struct {
		dead, pollers int
		first, then   time.Duration // the 99th percentiles in the first minute and after it
	}{
		{0, 2, 20 * time.Millisecond, 20 * time.Millisecond},
		{50, 2, 3 * time.Second, 50 * time.Millisecond},
		{200, 4, 4 * time.Second, 100 * time.Millisecond},
	} {
		t.Run(fmt.Sprint("Dead=", c.dead), func(t *testing.T) {
			virtual(t, func(t *testing.T, f *flat) {
				f.latency = 15 * time.Millisecond
				w := &world{t: t, sent: make(map[string]time.Time)}
				w.q = open(t, f, func(o *Options) { o.Pollers = c.pollers })
				s := scheduler.New(w.q, 20, 2, w)
				s.Start()
				w.emitFor(2*time.Second, 0)
				for i := range c.dead {
					w.emit(fmt.Sprint("dead", i), 0, 20)
				}
				first := w.emitFor(time.Minute, 10)
				then := w.emitFor(2*time.Minute, 100)
				for name, p := range map[string]struct {
					got  []time.Duration
					want time.Duration
				}{"the first minute": {first, c.first}, "the next two": {then, c.then}} {
					n := len(p.got)
					p99 := p.got[n*99/100]
					t.Logf("%s: %d jobs, p50 %v, p99 %v, worst %v", name, n, p.got[n/2], p99, p.got[n-1])
					if p99 > p.want {
						t.Errorf("in %s the 99th percentile is %v; want at most %v", name, p99, p.want)
					}
				}
				if n := len(first) + len(then); n != 1800 {
					t.Errorf("%d healthy jobs were delivered; want 1,800", n)
				}
				s.Stop(t.Context())
			})
		})
	}
}
