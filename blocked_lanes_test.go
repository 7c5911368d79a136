package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/internal/cputime"
	"github.com/pushhooks/webhook/queue"
)

// fullLanes is a queue that is full for lanes that begin with "full-", and whose calls take a
// while.
type fullLanes struct {
	*riggedQueue
	mu     sync.Mutex
	calls  int
	jobs   int // that were offered
	taken  []string
	takes  time.Duration // how long a call takes
	refuse bool
}

func newFullLanes(t testing.TB, takes time.Duration) *fullLanes {
	m, err := queue.NewMemory(queue.MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	q := &fullLanes{riggedQueue: &riggedQueue{Memory: m, traits: m.Traits()}, takes: takes, refuse: true}
	q.onEnqueue = func(_ context.Context, jobs []queue.Job) error {
		if q.takes > 0 {
			time.Sleep(q.takes)
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		q.calls++
		q.jobs += len(jobs)
		var failed *queue.BatchError
		for i, job := range jobs {
			if q.refuse && strings.HasPrefix(job.Lane, "full-") {
				failed = failed.Fail(i, queue.ErrFull)
				continue
			}
			q.taken = append(q.taken, job.Lane)
		}
		return failed.Err()
	}
	return q
}

func (q *fullLanes) seen() (calls, jobs int, taken []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.calls, q.jobs, slices.Clone(q.taken)
}

// withFullLanes makes an emitter that has a job for each of n full lanes.
func withFullLanes(t testing.TB, q *fullLanes, n int) *Emitter {
	o := Options{Logger: slog.New(slog.DiscardHandler), Apps: append(manyApps("full", n), testApp("http://receiver.test/")), Queue: q, EmitOnly: true}
	o.Batching.Disabled = true
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	for i := range n {
		if err := e.Emit(ChannelOccupied(fmt.Sprint("full-", i), "c")); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func TestAFreshJobWaitsForNoFullLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// while a call runs, hundreds of full lanes become due
		q := newFullLanes(t, 50*time.Millisecond)
		e := withFullLanes(t, q, 10_000)
		time.Sleep(10 * time.Second)
		for i := range 30 {
			before, _, taken := q.seen()
			emit(t, e, occupied(i))
			for len(taken) == i {
				time.Sleep(time.Millisecond)
				var calls int
				if calls, _, taken = q.seen(); calls > before+2 {
					t.Fatalf("the event is not handed over after %d calls", calls-before)
				}
			}
			time.Sleep(37 * time.Millisecond)
		}
	})
}

func TestFullLanesAreOfferedLessAndLess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newFullLanes(t, 0)
		e := withFullLanes(t, q, 1000)
		time.Sleep(20 * time.Second)
		_, before, _ := q.seen()
		time.Sleep(20 * time.Second)
		_, jobs, _ := q.seen()
		if n := float64(jobs-before) / 1000 / 20; n > 1.01 || n < 0.8 {
			t.Errorf("each full lane is offered %.2f times a second, want 0.8 to 1", n)
		}
		q.mu.Lock()
		q.refuse = false
		q.mu.Unlock()
		began := time.Now()
		if err := e.Flush(t.Context()); err != nil || time.Since(began) > 1300*time.Millisecond {
			t.Errorf("Flush returned %v after %v", err, time.Since(began))
		}
	})
}

// BenchmarkFullLanes has 10,000 full lanes at rest. An operation is a second of the hand-over's
// work.
func BenchmarkFullLanes(b *testing.B) {
	q := newFullLanes(b, 0)
	e := withFullLanes(b, q, 10_000)
	defer e.Close()
	time.Sleep(5 * time.Second)
	began, cpu := time.Now(), processTime(b)
	for b.Loop() {
		time.Sleep(time.Second)
	}
	b.ReportMetric(100*float64(processTime(b)-cpu)/float64(time.Since(began)), "%cpu")
}

// processTime returns the CPU time that the process has used.
func processTime(b *testing.B) time.Duration {
	b.Helper()
	used, err := cputime.Used()
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// A lane that works again while the queue is refusing its job, perhaps its first one, is offered
// again at once.
func TestALaneThatRecoversDuringAnOfferIsOfferedAtOnce(t *testing.T) {
	t.Parallel()
	for _, before := range []int{0, 5} { // refusals
		t.Run(fmt.Sprint("after ", before), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t, queue.MemoryOptions{})
				e := start(t, &endpoint{}, with(q), apps(named("a")), unbatched, emitOnly)
				h := e.apps.hook("my-app", "a")
				calls := 0
				var refused, taken time.Time
				q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
					if calls++; calls > before+1 {
						taken = time.Now()
						return q.Memory.Enqueue(ctx, jobs)
					}
					if calls == before+1 {
						e.outbox.setFailing(h, false) // as a worker does meanwhile
						refused = time.Now()
					}
					var failed *queue.BatchError
					return failed.Fail(0, queue.ErrLaneFailing).Err()
				}
				emit(t, e, occupied(1))
				time.Sleep(time.Minute)
				synctest.Wait() // for the race detector, too, the queue was called before this
				if wait := taken.Sub(refused); taken.IsZero() || wait > 100*time.Millisecond {
					t.Errorf("it was offered again after %v", wait)
				}
			})
		})
	}
}

// A lane may also recover between the moment it is taken up for an offer and the call.
func TestALaneThatRecoversBeforeItsOfferIsOfferedAtOnceIfRefused(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := blockedLanes{byName: map[string]*blockedLane{}}
	b := &batch{job: queue.Job{Lane: "a"}}
	refused := refusals{}
	refused.add(b, queue.ErrLaneFailing)
	l.block(refused, now)
	now = now.Add(time.Minute)
	for want := range 2 { // the second time it has not recovered
		if got, _ := l.due(now, 1); len(got) != 1 {
			t.Fatalf("%d batches are due", len(got))
		}
		if want == 0 {
			l.recover("a", now)
		}
		l.block(refused, now)
		l.settle(now)
		if wait := l.untilRetry(now); (wait < time.Second/2) != (want == 0) {
			t.Errorf("offer %d: it is offered again after %v", want, wait)
		}
	}
}
