package scheduler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// attemptTimeout is the timeout of the test endpoints' attempts.
const attemptTimeout = 10 * time.Second

// endpoint is what answers the attempts of a lane.
type endpoint func(ctx context.Context, t *Task) Result

// answers after this time.
func takes(d time.Duration) endpoint {
	return func(ctx context.Context, t *Task) Result {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return Result{Action: Ack, Evidence: Up}
		case <-ctx.Done():
			return failure(t)
		}
	}
}

// hangs never answers.
func hangs(ctx context.Context, t *Task) Result {
	<-ctx.Done()
	return failure(t)
}

// refuses fails at once.
func refuses(_ context.Context, t *Task) Result { return failure(t) }

// unsent fails at once, before anything was sent.
func unsent(_ context.Context, _ *Task) Result {
	return Result{Action: Retry, Evidence: Unsent, Delay: time.Second, Reason: "no route"}
}

// failure is a failed attempt that is repeated with the usual backoff.
func failure(t *Task) Result {
	delay := backoff{first: time.Second, max: time.Minute}.delay(t.Lease.Attempts + 1)
	return Result{Action: Retry, Evidence: Down, Counted: true, Delay: delay, Reason: "timeout"}
}

// event is one attempt.
type event struct {
	lane       string
	id         string
	began, end time.Time
	result     Result
}

// world is a scheduler with a queue and endpoints.
type world struct {
	tb testing.TB
	q  queue.Queue
	s  *Scheduler

	mu       sync.Mutex
	fallback endpoint
	lanes    map[string]endpoint
	rates    map[string]Rate
	hosts    map[string]string
	running  map[string]int // by lane, "" is all
	peak     map[string]int
	sent     map[string]time.Time // jobs, when they were put on the queue
	attempts []event
	settled  map[string]Result
	changes  []string
	lost     int
	failed   map[string]int
	panics   int
	next     int
	done     chan struct{} // closed when the scheduler stops
	stopped  sync.Once
}

type worldJob struct {
	w *world
	t *Task
}

func newWorld(tb testing.TB, q queue.Queue) *world {
	tb.Helper()
	if q == nil {
		q = memory(tb)
	}
	return &world{
		done: make(chan struct{}),
		tb:   tb, q: q, fallback: takes(5 * time.Millisecond),
		lanes: map[string]endpoint{}, rates: map[string]Rate{}, hosts: map[string]string{}, running: map[string]int{},
		peak: map[string]int{}, sent: map[string]time.Time{}, settled: map[string]Result{}, failed: map[string]int{},
	}
}

func memory(tb testing.TB) *queue.Memory {
	tb.Helper()
	m, err := queue.NewMemory(queue.MemoryOptions{MaxJobs: 1 << 20, MaxBytes: 1 << 30})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = m.Close() })
	return m
}

// start starts the scheduler, and has the test stop it.
func (w *world) start(workers, pollers int) *world {
	w.tb.Helper()
	w.s = New(w.q, workers, pollers, w)
	w.s.Start()
	w.tb.Cleanup(w.stop)
	return w
}

// stop aborts what runs.
func (w *world) stop() {
	w.stopped.Do(func() {
		close(w.done)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		w.s.Stop(ctx)
	})
}

func (w *world) set(lane string, e endpoint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lanes[lane] = e
}

// emit puts a job on a lane.
func (w *world) emit(lane string) string {
	w.tb.Helper()
	w.mu.Lock()
	w.next++
	id := fmt.Sprint(lane, "-", w.next)
	w.sent[id] = time.Now()
	w.mu.Unlock()
	if err := w.q.Enqueue(context.Background(), []queue.Job{{ID: id, Lane: lane, Data: []byte("x")}}); err != nil {
		w.tb.Error(err)
	}
	return id
}

// healthy has the queue know that these lanes work.
func (w *world) healthy(lanes ...string) {
	w.tb.Helper()
	ctx := context.Background()
	for _, lane := range lanes {
		job := queue.Job{ID: "healthy-" + lane, Lane: lane}
		if err := w.q.Enqueue(ctx, []queue.Job{job}); err != nil {
			w.tb.Fatal(err)
		}
	}
	for n := 0; n < len(lanes); {
		l, err := w.q.Receive(ctx, queue.Want{Max: 1000, MaxPerLane: 1, MaxUntried: 1000, MaxFailing: 1})
		if err != nil {
			w.tb.Fatal(err)
		}
		if err := w.q.Ack(ctx, l); err != nil {
			w.tb.Fatal(err)
		}
		n += len(l)
	}
}

// names returns n lane names.
func names(prefix string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint(prefix, i))
	}
	return list
}

func (w *world) Open(t *Task) Job { return &worldJob{w, t} }

func (w *world) LaneChanged(lane string, from, to LaneState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := ""
	if d := time.Until(to.HeldUntil); !to.HeldUntil.IsZero() && d > 0 {
		held = fmt.Sprint(" held ", d.Round(time.Second))
	}
	w.changes = append(w.changes, fmt.Sprint(lane, ": ", from.Health, " to ", to.Health, held))
}

func (w *world) LeaseLost(Job) { w.add(&w.lost) }

func (w *world) Panicked(j Job, _ any, _ []byte) Result {
	w.add(&w.panics)
	r := Result{Action: Retry, Counted: true, Reason: "panic"}
	if j != nil {
		r.Delay = panicDelay(j.(*worldJob).t)
	}
	return r
}

func (w *world) add(n *int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*n++
}

func (w *world) QueueWorks(string) {}

func (w *world) QueueFailed(operation string, _ int, _ error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed[operation]++
}

func (j *worldJob) Rate() Rate {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	return j.w.rates[j.t.Lease.Lane]
}

func (j *worldJob) Run() Result {
	w, lane := j.w, j.t.Lease.Lane
	e := event{lane: lane, id: j.t.Lease.ID, began: time.Now()}
	answer := w.enter(lane)
	defer w.leave(lane, &e)
	ctx, cancel := j.t.Attempt(time.Now(), attemptTimeout)
	defer cancel()
	e.result = answer(ctx, j.t)
	if e.result.Host == "" {
		e.result.Host = lane
	}
	return e.result
}

func (w *world) enter(lane string) endpoint {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range []string{"", lane} {
		w.running[name]++
		w.peak[name] = max(w.peak[name], w.running[name])
	}
	if e := w.lanes[lane]; e != nil {
		return e
	}
	return w.fallback
}

func (w *world) leave(lane string, e *event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running[""]--
	w.running[lane]--
	e.end = time.Now()
	w.attempts = append(w.attempts, *e)
}

func (j *worldJob) Settled(r Result) {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	if r.Action != Retry {
		j.w.settled[j.t.Lease.ID] = r
	}
}

// runningNow returns how many attempts run, of the lane or of all.
func (w *world) runningNow(lane string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running[lane]
}

// count returns how many attempts have ended, of the lane or of all.
func (w *world) count(lane string) (n int) {
	for _, e := range w.events() {
		if lane == "" || e.lane == lane {
			n++
		}
	}
	return n
}

func (w *world) events() []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.attempts)
}

// delivered returns how many jobs were acked.
func (w *world) delivered() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.settled {
		if r.Action == Ack {
			n++
		}
	}
	return n
}

// seen returns the changes of lanes that the handler was told of.
func (w *world) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.changes)
}

// held returns how many holds in a row the queue knows of for the lane, and whether it is held.
func (w *world) held(lane string) (info queue.LaneInfo) {
	w.tb.Helper()
	list, err := w.q.(queue.LaneLister).Lanes(context.Background(), "", 100_000)
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, l := range list {
		if l.Lane == lane {
			return l
		}
	}
	return info
}

// waits returns for how long the jobs of these lanes waited for their first attempts, sorted. A job
// without an attempt has waited until now.
func (w *world) waits(lanes ...string) []time.Duration {
	first := map[string]time.Time{}
	for _, e := range w.events() {
		if at, ok := first[e.id]; !ok || e.began.Before(at) {
			first[e.id] = e.began
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []time.Duration
	for id, at := range w.sent {
		lane := id[:lastDash(id)]
		if !slices.Contains(lanes, lane) {
			continue
		}
		began, ok := first[id]
		if !ok {
			began = time.Now()
		}
		list = append(list, began.Sub(at))
	}
	slices.Sort(list)
	return list
}

func lastDash(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '-' {
			return i
		}
	}
	return len(s)
}

// p99 returns the 99th percentile of a sorted list.
func p99(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return -1
	}
	return list[min(len(list)-1, len(list)*99/100)]
}

// peakOf returns how many attempts of the lane have run at once.
func (w *world) peakOf(lane string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peak[lane]
}

// results returns the results of the jobs that are done with.
func (w *world) results() map[string]Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.settled)
}

// losses returns how many leases were lost.
func (w *world) losses() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// panicked returns how many panics the handler was told of.
func (w *world) panicked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.panics
}

// failures returns how often an operation of the queue has failed.
func (w *world) failures(operation string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed[operation]
}

// here returns how many tasks the scheduler has.
func (w *world) here() int {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.s.tasks.len
}

// records returns how many lanes the scheduler remembers.
func (w *world) records() int {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return len(w.s.lanes)
}
