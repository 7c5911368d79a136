package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// wantProblem checks that the report has one problem, with these words in it, or none.
func wantProblem(t *testing.T, when string, h HealthReport, words ...string) {
	t.Helper()
	if h.OK != (len(h.Problems) == 0) || h.OK != (len(words) == 0) || len(h.Problems) > 1 {
		t.Errorf("%s: %+v; want %q", when, h, words)
		return
	}
	for _, w := range words {
		if !strings.Contains(h.Problems[0], w) {
			t.Errorf("%s: %q; want %q in it", when, h.Problems[0], w)
		}
	}
}

// answerQueue's Stats come from the test.
type answerQueue struct {
	*riggedQueue
	stats func(ctx context.Context) (queue.Stats, error)
}

func (q *answerQueue) Stats(ctx context.Context) (queue.Stats, error) { return q.stats(ctx) }

func TestHealthOfAnEmitterThatWorks(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		e := start(t, nil, with(q))
		emit(t, e, occupied(1))
		wantProblem(t, "at once", e.Health(t.Context()))
		time.Sleep(time.Hour)
		wantProblem(t, "after an hour", e.Health(t.Context()))
		e.Close()
		wantProblem(t, "after Close", e.Health(t.Context()), "shut down")
	})
}

func TestHealthAnswersWhileTheQueueHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		q := &answerQueue{riggedQueue: rig(t, queue.MemoryOptions{})}
		// it does not even look at its context
		q.stats = func(context.Context) (queue.Stats, error) {
			<-stop
			return queue.Stats{}, nil
		}
		e := start(t, nil, with(q))
		for i := range 5 {
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
			wantProblem(t, fmt.Sprint("look ", i), e.Health(ctx), "has not answered for ", "look at the queue's server")
			if ctx.Err() != nil || time.Since(began) > 800*time.Millisecond {
				t.Errorf("it took %v", time.Since(began))
			}
			cancel()
		}
		began := time.Now()
		wantProblem(t, "without a deadline", e.Health(t.Context()), "has not answered for 8s")
		if took := time.Since(began); took != healthTime {
			t.Errorf("it took %v", took)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		wantProblem(t, "with an ended context", e.Health(ended), "has not answered")
		close(stop)
		synctest.Wait()
		wantProblem(t, "when it answers", e.Health(t.Context()))
	})
}

func TestHealthTellsSinceWhenTheQueueFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		q := rig(t, queue.MemoryOptions{})
		q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
			if away.Load() {
				return errors.New("connection\nrefused")
			}
			return q.Memory.Enqueue(ctx, jobs)
		}
		e := start(t, nil, with(q))
		time.Sleep(time.Hour)
		wantProblem(t, "before", e.Health(t.Context()))
		since := time.Now().Add(50 * time.Millisecond).UTC().Format(time.RFC3339)
		emit(t, e, occupied(1))
		time.Sleep(3 * time.Minute)
		wantProblem(t, "during the outage", e.Health(t.Context()), since, "connection refused")
		away.Store(false)
		time.Sleep(10 * time.Second)
		wantProblem(t, "afterwards", e.Health(t.Context()))
	})
}

func TestHealthTellsThatTheStatsFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var answer atomic.Pointer[error]
		set := func(err error) { answer.Store(&err) }
		q := &answerQueue{riggedQueue: rig(t, queue.MemoryOptions{})}
		q.stats = func(context.Context) (queue.Stats, error) { return queue.Stats{}, *answer.Load() }
		e := start(t, nil, with(q))
		set(errors.New("no route to host"))
		wantProblem(t, "at first", e.Health(t.Context()), "no route to host")
		set(nil)
		wantProblem(t, "within a second", e.Health(t.Context()), "no route to host")
		time.Sleep(time.Second)
		wantProblem(t, "a second later", e.Health(t.Context()))
		set(queue.ErrClosed)
		time.Sleep(time.Second)
		wantProblem(t, "when it is closed", e.Health(t.Context()), "The queue was closed")
	})
}

func TestHealthTellsThatAllWorkersHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stop atomic.Pointer[chan struct{}]
		hang := func() (end func()) {
			c := make(chan struct{})
			stop.Store(&c)
			return func() { close(c) }
		}
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			<-*stop.Load()
			return status(200)
		}}
		end := hang()
		var list []string
		for i := range 8 {
			list = append(list, fmt.Sprint("w", i))
		}
		e := start(t, to, unbatched, apps(named(list...)), func(o *Options) { o.Workers = 2 })
		emit(t, e, occupied(1))
		time.Sleep(4 * time.Second)
		wantProblem(t, "at first", e.Health(t.Context()))
		time.Sleep(2 * time.Second)
		h := e.Health(t.Context())
		if workers, hanging := e.scheduler.Hanging(); workers != 2 || hanging != 1 {
			t.Fatalf("%d of %d workers hang; untried webhooks have one of two", hanging, workers)
		}
		wantProblem(t, "with a worker left", h)
		end()
		drain(t, e)

		end = hang()
		emit(t, e, occupied(2))
		time.Sleep(6 * time.Second)
		wantProblem(t, "with none left", e.Health(t.Context()), "All 2 workers")
		end()
		drain(t, e)
		wantProblem(t, "afterwards", e.Health(t.Context()))
	})
}

func TestHealthTellsThatTheOutboxIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.onEnqueue = func(ctx context.Context, _ []queue.Job) error { return hang(ctx) }
		var list []string
		for i := range 64 {
			list = append(list, fmt.Sprint("w", i))
		}
		e := start(t, nil, with(q), unbatched, apps(named(list...)), func(o *Options) { o.OutboxBytes = 1 << 20 })
		for i := 0; e.outbox.used.Load() <= 9<<20/10; i++ {
			wantProblem(t, "before it is", e.Health(t.Context()))
			if err := e.Emit(occupied(i)); err != nil {
				t.Fatal(err)
			}
		}
		wantProblem(t, "when it is", e.Health(t.Context()), "The outbox is 9", " % full")
		e.Close()
	})
}

func TestHealthTellsThatJobsAreLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := memory(t, queue.MemoryOptions{})
		e := start(t, nil, with(q), unbatched, func(o *Options) { o.EmitOnly = true })
		emit(t, e, occupied(1), occupied(2), occupied(3))
		flush(t, e)
		time.Sleep(time.Minute - time.Second)
		wantProblem(t, "within a minute", e.Health(t.Context()))
		time.Sleep(2 * time.Second)
		wantProblem(t, "after a minute", e.Health(t.Context()), "1m1s", "2 others")
		start(t, nil, with(q))
		time.Sleep(2 * time.Second)
		wantProblem(t, "with a node that works", e.Health(t.Context()))
	})
}

func TestHealthTellsThatNoHostIsReached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		unsent := dispatch.Outcome{Verdict: dispatch.Unsent, Reason: "dns", Err: errors.New("no name server")}
		to := &endpoint{answer: answers(unsent)}
		e := start(t, to, unbatched, apps(named("a", "b", "c", "d")))
		emit(t, e, occupied(1))
		time.Sleep(5 * time.Second)
		wantProblem(t, "without a network", e.Health(t.Context()), "none of the hosts")
		if s := statusOf(t, e, "a"); s.Here.LastError != "dns: no name server" || s.Here.LastHour != (AttemptCounts{}) {
			t.Errorf("its webhook: %+v", s)
		}
		to.backAgain()
		drain(t, e)
		time.Sleep(time.Second)
		wantProblem(t, "with one", e.Health(t.Context()))
	})
}

// The dearer an answer, the longer it serves, so that a probe takes little of the queue's time.
// That of a queue that fails serves for a second.
func TestHealthAsksASlowQueueRarely(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		takes       time.Duration
		err         error
		least, most int // calls in a minute
	}{
		"fast":        {time.Millisecond, nil, 50, 61},
		"a bit slow":  {40 * time.Millisecond, nil, 14, 16},
		"slow":        {2 * time.Second, nil, 5, 6},
		"slow errors": {500 * time.Millisecond, errors.New("away"), 35, 41},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				q := &answerQueue{riggedQueue: rig(t, queue.MemoryOptions{})}
				q.stats = func(context.Context) (queue.Stats, error) {
					calls++
					time.Sleep(tt.takes)
					return queue.Stats{}, tt.err
				}
				e := start(t, nil, with(q))
				for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(100 * time.Millisecond) {
					if h := e.Health(t.Context()); h.OK != (tt.err == nil) {
						t.Fatalf("%+v", h)
					}
				}
				if calls < tt.least || calls > tt.most {
					t.Errorf("the queue was asked %d times in a minute, want %d to %d", calls, tt.least, tt.most)
				}
			})
		})
	}
}
