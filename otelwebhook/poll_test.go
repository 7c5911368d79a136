package otelwebhook

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
)

// pollWith runs a poller in a bubble until stop is called.
func pollWith[T any](t *testing.T, p *poller[T]) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func TestAPollerAsksForATwentiethOfTheTimeAtMost(t *testing.T) {
	t.Parallel()
	for took, want := range map[time.Duration]int{time.Millisecond: 240, 10 * time.Second: 18} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			stop := pollWith(t, &poller[int]{interval: 15 * time.Second, limit: time.Minute, ask: func(context.Context) (int, error) {
				asked++
				time.Sleep(took)
				return asked, nil
			}})
			time.Sleep(time.Hour)
			stop()
			if asked < want-1 || asked > want+1 {
				t.Errorf("asked %d times in an hour where an answer takes %v, want about %d", asked, took, want)
			}
		})
	}
}

func TestAPollerForgetsWhatItCannotLearnAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		p := &poller[int]{interval: time.Second, limit: time.Second, ask: func(context.Context) (int, error) {
			if failing.Load() {
				return 0, errors.New("the queue is away")
			}
			return 7, nil
		}}
		if _, _, ok := p.get(time.Now()); ok {
			t.Error("it has an answer before it asks")
		}
		defer pollWith(t, p)()
		synctest.Wait()
		failing.Store(true)
		time.Sleep(2500 * time.Millisecond)
		if n, age, ok := p.get(time.Now()); !ok || n != 7 || age != 2500*time.Millisecond {
			t.Errorf("after a failure it has %d, %v old: %v", n, age, ok)
		}
		time.Sleep(3 * time.Second)
		if n, _, ok := p.get(time.Now()); ok {
			t.Errorf("it still has %d", n)
		}
		failing.Store(false)
		time.Sleep(time.Second)
		if _, _, ok := p.get(time.Now()); !ok {
			t.Error("it does not recover")
		}
	})
}

func TestAPollerWithANegativeIntervalNeverAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stop := pollWith(t, &poller[int]{interval: -1, ask: func(context.Context) (int, error) {
			t.Error("it asks")
			return 0, nil
		}})
		time.Sleep(time.Hour)
		stop()
	})
}

// hangingQueue does not answer until the call's context ends.
type hangingQueue struct{ *queue.Memory }

func (hangingQueue) Stats(ctx context.Context) (queue.Stats, error) {
	<-ctx.Done()
	return queue.Stats{}, ctx.Err()
}

func (hangingQueue) Lanes(ctx context.Context, _ string, _ int) ([]queue.LaneInfo, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAQueueThatHangsHoldsUpNoCollection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := queue.NewMemory(queue.MemoryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		tel, reader := newTelemetry(t, Options{})
		em := newEmitter(t, webhook.Options{Queue: hangingQueue{m}, Trace: tel.Trace()})
		if err := tel.Observe(em); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			time.Sleep(time.Second)
			began := time.Now()
			got := collect(t, reader)
			if took := time.Since(began); took > 0 {
				t.Fatalf("a collection took %v", took)
			}
			for _, name := range []string{"webhook.queue.jobs", "webhook.webhooks", "webhook.queue.size"} {
				if len(got[name]) > 0 {
					t.Fatalf("%s is reported", name)
				}
			}
			if len(got["webhook.emitted.events"]) == 0 {
				t.Fatal("the emitter's own counts are missing")
			}
		}
		if n := collect(t, reader).sum("webhook.health.problems", "", ""); n == 0 {
			t.Error("there is no problem")
		}
		began := time.Now()
		if err := tel.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestOftenCollectedIsNotOftenAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := queue.NewMemory(queue.MemoryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		q := &countingQueue{Memory: m}
		tel, reader := newTelemetry(t, Options{})
		em := newEmitter(t, webhook.Options{Queue: q, Trace: tel.Trace()})
		if err := tel.Observe(em); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		q.asked.Store(0)
		q.listed.Store(0)
		for range 900 {
			collect(t, reader)
			time.Sleep(100 * time.Millisecond)
		}
		// The counts are asked for twice in an interval: for their own sake, and for the health.
		if asked, listed := q.asked.Load(), q.listed.Load(); asked < 8 || asked > 14 || listed < 1 || listed > 4 {
			t.Errorf("900 collections in 90 seconds asked %d times for counts and %d times for lanes", asked, listed)
		}
	})
}

// countingQueue counts questions.
type countingQueue struct {
	*queue.Memory
	asked, listed atomic.Int64
}

func (q *countingQueue) Stats(ctx context.Context) (queue.Stats, error) {
	q.asked.Add(1)
	return q.Memory.Stats(ctx)
}

func (q *countingQueue) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	q.listed.Add(1)
	return q.Memory.Lanes(ctx, after, limit)
}

// answeringQueue says what the test wants.
type answeringQueue struct {
	*queue.Memory
	stats queue.Stats
	err   error
	lanes []queue.LaneInfo
}

func (q *answeringQueue) Stats(context.Context) (queue.Stats, error) { return q.stats, q.err }

func (q *answeringQueue) Lanes(_ context.Context, after string, _ int) ([]queue.LaneInfo, error) {
	if after != "" {
		return nil, nil
	}
	return q.lanes, nil
}

func TestWhatAQueueCannotTellIsAbsent(t *testing.T) {
	t.Parallel()
	jobs := map[string]float64{"ready": 3, "held": 2, "delayed": 1, "leased": 4}
	for _, tt := range []struct {
		name   string
		queue  answeringQueue
		jobs   map[string]float64
		absent []string
	}{
		{"all is known", answeringQueue{
			stats: queue.Stats{Ready: 5, Held: 2, Delayed: 1, Leased: 4, Oldest: time.Second, Bytes: 100},
			lanes: []queue.LaneInfo{{Lane: "my-app/w", Ready: 5, Oldest: time.Minute, Health: queue.Failing, Since: time.Now()}},
		}, jobs, nil},
		{"neither bytes nor age", answeringQueue{
			stats: queue.Stats{Ready: 5, Held: 2, Delayed: 1, Leased: 4},
			lanes: []queue.LaneInfo{{Lane: "my-app/w", Ready: 5, Delayed: -1, Leased: -1, Bytes: -1, Dead: -1}},
		}, jobs, []string{"webhook.queue.oldest_job.age", "webhook.queue.size", "webhook.waiting.oldest_job.age"}},
		{"an empty queue", answeringQueue{
			lanes: []queue.LaneInfo{{Lane: "my-app/w", Health: queue.Healthy}},
		}, map[string]float64{"ready": 0, "held": 0, "delayed": 0, "leased": 0}, nil},
		{"no counts", answeringQueue{
			err: errors.ErrUnsupported, lanes: []queue.LaneInfo{{Lane: "my-app/w", Health: queue.Healthy}},
		}, nil, []string{
			"webhook.queue.oldest_job.age", "webhook.queue.size", "webhook.queue.dead_letters",
			"webhook.queue.evicted_dead_letters",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, err := queue.NewMemory(queue.MemoryOptions{})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				tt.queue.Memory = m
				tel, reader := newTelemetry(t, Options{})
				em := newEmitter(t, webhook.Options{Queue: &tt.queue, Trace: tel.Trace()})
				if err := tel.Observe(em); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				got := collect(t, reader)
				by := got.by("webhook.queue.jobs", keyJobState)
				if !maps.Equal(by, tt.jobs) && len(by)+len(tt.jobs) > 0 {
					t.Errorf("jobs: %v, want %v", by, tt.jobs)
				}
				for _, name := range []string{
					"webhook.queue.oldest_job.age", "webhook.queue.size", "webhook.queue.dead_letters",
					"webhook.queue.evicted_dead_letters", "webhook.waiting.oldest_job.age", "webhook.webhooks",
				} {
					if absent := len(got[name]) == 0; absent != slices.Contains(tt.absent, name) {
						t.Errorf("%s is absent: %v", name, absent)
					}
				}
			})
		})
	}
}

func TestWebhooksThatAreOffReportNoQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tel, reader := newTelemetry(t, Options{})
		em := newEmitter(t, webhook.Options{Queue: queue.None, Trace: tel.Trace()})
		if err := tel.Observe(em); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		got := collect(t, reader)
		for _, name := range []string{"webhook.queue.jobs", "webhook.outbox.usage", "webhook.outbox.limit"} {
			if len(got[name]) > 0 {
				t.Errorf("%s is reported", name)
			}
		}
	})
}
