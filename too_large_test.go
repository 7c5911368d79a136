package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// narrow is a queue whose limit for a job is lower than it says.
type narrow struct{ listing }

func (q narrow) Traits() queue.Traits {
	traits := q.listing.Traits()
	traits.MaxJobBytes = 0
	return traits
}

// onNarrowStores runs f on a queue of each kind that takes jobs of 20,000 bytes at most.
func onNarrowStores(t *testing.T, f func(t *testing.T, q listing)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { f(t, memory(t, queue.MemoryOptions{MaxBytes: 20_000})) })
	})
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		q, err := boltqueue.Open(filepath.Join(t.TempDir(), "queue.db"), boltqueue.Options{MaxBytes: 20_000})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close() })
		f(t, q)
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		client := testredis.StartServer(t, testredis.Options{}).Client()
		t.Cleanup(func() { _ = client.Close() })
		q, err := redisqueue.New(t.Context(), client, redisqueue.Options{MaxJobBytes: 20_000})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close() })
		f(t, q)
	})
}

// chat is a client event of about so many bytes.
func chat(n, size int) Event {
	return ClientEvent("my-app", fmt.Sprintf("private-%d", n), ClientMessage{
		Name: "client-x", Data: strings.Repeat("🎉", size/4), SocketID: "1.1",
	})
}

// refusalsOf records what the host is told of dropped events.
type refusalsOf struct {
	mu     sync.Mutex
	events int
	errs   []error
}

func (r *refusalsOf) trace(o *Options) {
	o.Trace = &Trace{Dropped: func(i DroppedInfo) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events += i.Events
		r.errs = append(r.errs, i.Err)
	}}
}

func TestABatchThatTheQueueRefusesForItsSizeIsHalved(t *testing.T) {
	t.Parallel()
	onNarrowStores(t, func(t *testing.T, q listing) {
		to, dropped := &endpoint{}, &refusalsOf{}
		e := start(t, to, with(narrow{q}), dropped.trace, func(o *Options) { o.Batching.Size = 200 })
		for i := range 100 {
			emit(t, e, chat(i, 1000))
		}
		emit(t, e, chat(100, 30_000))
		for i := range 50 {
			emit(t, e, chat(101+i, 1000))
		}
		eventually(t, "150 events are delivered", func() bool { return e.Stats().Delivered == 150 })
		if s := e.Stats(); s.Dropped != 1 || s.Pending != 0 {
			t.Errorf("stats: %+v; want one event to be dropped", s)
		}
		checkTotals(t, e)
		n := channels(t, to.got())
		for i := range 151 {
			if got := n[fmt.Sprintf("private-%d", i)]; got != 1 && i != 100 {
				t.Errorf("event %d arrived %d times", i, got)
			}
		}
		if dropped.events != 1 || !errors.Is(dropped.errs[0], queue.ErrTooLarge) {
			t.Fatalf("the host was told of %d events: %v; want one that is too large", dropped.events, dropped.errs)
		}
		if text := dropped.errs[0].Error(); !strings.Contains(text, "30") || !strings.Contains(text, "20000") && !strings.Contains(text, "20,000") {
			t.Errorf("the reason is %q; want the size and the limit", text)
		}
	})
}

func TestBatchesKeepToTheQueuesLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.traits.MaxJobBytes = 10_000
		largest := 0
		to := &endpoint{}
		e := start(t, to, with(q), func(o *Options) {
			o.Apps[0].ID, o.Apps[0].Key = strings.Repeat("a", 60), strings.Repeat("k", 60)
			o.Apps[0].Webhooks[0].ID = strings.Repeat("w", 60)
		})
		q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
			for _, job := range jobs {
				largest = max(largest, len(job.Data))
			}
			return q.Memory.Enqueue(ctx, jobs)
		}
		for i := range 100 {
			ev := chat(i, 500)
			ev.AppID = strings.Repeat("a", 60)
			emit(t, e, ev)
		}
		eventually(t, "100 events are delivered", func() bool { return e.Stats().Delivered == 100 })
		if largest > 10_000 || largest < 9_000 {
			t.Errorf("the largest job has %d bytes; want nearly 10,000", largest)
		}
	})
}

// numbersOf returns the numbers of a job's channels.
func numbersOf(t *testing.T, job queue.Job) (numbers []int) {
	t.Helper()
	j, err := parseJob(job.Data)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePayload(j.body)
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range p.Events {
		n, err := strconv.Atoi(strings.TrimPrefix(ev.Channel, "channel-"))
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// The halves keep the order of an ordered lane, of which the queue takes no job after a refused
// one.
func TestHalvesOfARefusedBatchKeepTheOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		r := rand.New(rand.NewPCG(9, 9))
		refused := 0
		e := start(t, &endpoint{}, with(q), func(o *Options) { o.Apps[0].Webhooks[0].Ordered = true }, emitOnly)
		var taken []int
		q.onEnqueue = func(_ context.Context, jobs []queue.Job) error {
			var failed *queue.BatchError
			var stopped bool
			for i, job := range jobs {
				switch {
				case stopped:
					failed = failed.Fail(i, errors.New("behind"))
				case len(job.Data) > 1500:
					failed, stopped = failed.Fail(i, queue.ErrTooLarge), true
					refused++
				case r.IntN(4) == 0:
					failed, stopped = failed.Fail(i, queue.ErrFull), true
				default:
					taken = append(taken, numbersOf(t, job)...)
				}
			}
			return failed.Err()
		}
		for wave := range 2 {
			before := refused
			for i := range 500 {
				emit(t, e, occupied(500*wave+i))
			}
			if err := e.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if (refused == before) != (wave == 1) {
				t.Errorf("%d jobs were refused in wave %d; want the size to be learned in the first", refused-before, wave)
			}
		}
		if len(taken) != 1000 {
			t.Fatalf("the queue took %d events; want 1,000", len(taken))
		}
		for i, n := range taken {
			if n != i {
				t.Fatalf("event %d is at place %d", n, i)
			}
		}
		checkTotals(t, e)
	})
}

func TestEmitSyncOfAHalvedBatchSaysWhichEventIsTooLarge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := memory(t, queue.MemoryOptions{MaxBytes: 20_000})
		e := start(t, &endpoint{}, with(narrow{q}))
		events := make([]Event, 40)
		for i := range events {
			events[i] = chat(i, 1000)
		}
		events[17] = chat(17, 30_000)
		errs := make([]error, len(events))
		var running sync.WaitGroup
		for i := range events {
			running.Go(func() { errs[i] = e.EmitSync(t.Context(), events[i]) })
		}
		running.Wait()
		for i, err := range errs {
			if (i == 17) != errors.Is(err, queue.ErrTooLarge) || i != 17 && err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		}
	})
}

// The room of halves is given back to the outbox.
func TestHalvesAreCountedInTheOutbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := memory(t, queue.MemoryOptions{MaxBytes: 20_000})
		e := start(t, &endpoint{}, with(narrow{q}))
		for range 10 {
			for i := range 100 {
				emit(t, e, chat(i, 1000))
			}
			drain(t, e)
		}
		if used := e.outbox.used.Load(); used != 0 {
			t.Errorf("%d bytes of the outbox are in use after everything was delivered", used)
		}
		if s := e.Stats(); s.Delivered != 1000 {
			t.Errorf("stats: %+v", s)
		}
	})
}
