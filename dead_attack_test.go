package webhook

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// deadCount is how many dead letters these tests have; DEADLETTER_TEST_COUNT=50000 is for more.
func deadCount(t *testing.T) int {
	t.Helper()
	text := os.Getenv("DEADLETTER_TEST_COUNT")
	if text == "" {
		return 1000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// deadQueues are real queues with room for the tests' dead letters, and a second handle of each.
var deadQueues = map[string]func(t *testing.T, n int) (first, second queue.Queue){
	"redis": func(t *testing.T, n int) (queue.Queue, queue.Queue) { return openTwice(t, n, 1) },
	"redis, partitions": func(t *testing.T, n int) (queue.Queue, queue.Queue) {
		return openTwice(t, n, 16)
	},
	"disk": func(t *testing.T, n int) (queue.Queue, queue.Queue) {
		q, err := boltqueue.Open(filepath.Join(t.TempDir(), "queue.db"), boltqueue.Options{MaxDead: 2 * n, MaxJobs: 2 * n})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close() })
		return q, q
	},
}

func openTwice(t *testing.T, n, partitions int) (first, second queue.Queue) {
	t.Helper()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	t.Cleanup(func() { _ = client.Close() })
	var handles [2]queue.Queue
	for i := range handles {
		q, err := redisqueue.New(t.Context(), client, redisqueue.Options{Partitions: partitions, MaxDead: 2 * n})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close() })
		handles[i] = q
	}
	return handles[0], handles[1]
}

// ended shuts an emitter down.
func ended(t *testing.T, e *Emitter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := e.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
}

// Two replay all dead letters, one discards some of them, one reads and another reads a part, all
// at the same time. Each dead letter is replayed or discarded once, and each replayed job delivered
// once.
func TestDeadLettersAreReplayedAndDiscardedByManyAtOnce(t *testing.T) {
	t.Parallel()
	for name, open := range deadQueues {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := deadCount(t)
			first, second := open(t, n)
			gone := &endpoint{answer: answers(dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"})}
			a := named("a", "b")
			dying := start(t, gone, with(first), unbatched, apps(a), func(o *Options) { o.Workers = 40 })
			began := time.Now()
			for i := range n / 2 {
				emit(t, dying, occupied(i))
				if i%1000 == 999 { // so that the outbox has room
					eventually(t, "they are dead letters", func() bool { return dying.Stats().Dead >= int64(2*i-1000) })
				}
			}
			eventually(t, "all are dead letters", func() bool { return dying.Stats().Dead == int64(n) })
			ended(t, dying)
			t.Logf("%d dead letters after %v", n, time.Since(began).Round(time.Millisecond))

			one := start(t, nil, with(first), apps(a), emitOnly)
			two := start(t, nil, with(second), apps(a), emitOnly)
			checkReading(t, one, n)
			checkChoicesOfNothing(t, one, n)
			// The server's clock is not quite known, and Replay leaves out what is younger than
			// its call.
			time.Sleep(time.Second)

			var all sync.WaitGroup
			var replayed [2]int
			discarded, read, twice := 0, 0, 0
			for i, e := range []*Emitter{one, two} {
				all.Go(func() {
					var last DeadLetterProgress
					got, err := e.Replay(t.Context(), DeadLetterQuery{Progress: func(p DeadLetterProgress) {
						if p.Done < last.Done || p.Seen < last.Seen || p.Done > p.Chosen || p.Chosen > p.Seen {
							t.Errorf("the progress is %+v after %+v", p, last)
						}
						last = p
					}})
					if replayed[i] = got; err != nil || last.Done != got {
						t.Errorf("Replay: %d, %v; the progress is %+v", got, err, last)
					}
				})
			}
			all.Go(func() {
				var err error
				if discarded, err = two.Discard(t.Context(), DeadLetterQuery{WebhookID: "b"}); err != nil {
					t.Error("Discard:", err)
				}
			})
			all.Go(func() {
				seen := map[string]bool{}
				for d, err := range one.DeadLetters(t.Context(), DeadLetterQuery{}) {
					if err != nil {
						t.Error(err)
						return
					}
					if read++; seen[d.ID] {
						twice++
					}
					seen[d.ID] = true
				}
				if len(seen) > n {
					t.Errorf("%d were read of %d", len(seen), n)
				}
			})
			all.Wait()
			t.Logf("%d and %d replayed, %d discarded, %d read meanwhile, of them %d twice", replayed[0], replayed[1], discarded, read, twice)
			kept := replayed[0] + replayed[1]
			if kept+discarded != n {
				t.Errorf("%d replayed and %d discarded of %d", kept, discarded, n)
			}
			if left := found(t, one, DeadLetterQuery{}); len(left) != 0 {
				t.Errorf("%d are left", len(left))
			}
			delivered := &endpoint{}
			e := start(t, delivered, with(first), unbatched, apps(a), func(o *Options) { o.Workers = 40 })
			for before := int64(-1); e.Stats().Delivered < int64(kept) && e.Stats().Delivered > before; {
				before = e.Stats().Delivered
				eventually(t, "more are delivered", func() bool { return e.Stats().Delivered >= min(before+1000, int64(kept)) })
			}
			ended(t, e)
			ids := map[string]int{}
			for _, r := range delivered.got() {
				ids[r.JobID]++
			}
			if len(ids) != kept || len(delivered.got()) != kept {
				t.Errorf("%d jobs were delivered %d times, want %d once", len(ids), len(delivered.got()), kept)
			}
		})
	}
}

// checkReading reads all dead letters, page by page, and a part of them.
func checkReading(t *testing.T, e *Emitter, n int) {
	t.Helper()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	count, pages, before, most := 0, 0, heap(), uint64(0)
	q := DeadLetterQuery{Progress: func(DeadLetterProgress) {
		if pages++; pages%100 == 5 {
			most = max(most, heap())
		}
	}}
	for _, err := range e.DeadLetters(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != n || pages < n/deadLetterPage {
		t.Errorf("%d read in %d pages", count, pages)
	}
	// by other tests, too
	t.Logf("%d read in %d pages, the heap grew by %d KiB", count, pages, (int64(most)-int64(before))>>10)
	count = 0
	for range e.DeadLetters(t.Context(), DeadLetterQuery{}) {
		if count++; count == n/2 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := error(nil)
	for _, err := range e.DeadLetters(ctx, DeadLetterQuery{}) {
		if cancel(); err != nil {
			failed = err
		}
	}
	if failed == nil {
		t.Error("a reader whose context ends gets no error")
	}
}

// checkChoicesOfNothing replays and discards what is not there.
func checkChoicesOfNothing(t *testing.T, e *Emitter, n int) {
	t.Helper()
	some := found(t, e, DeadLetterQuery{WebhookID: "a"})[0]
	for _, q := range []DeadLetterQuery{
		{IDs: []string{"nothing", some.ID + "~1", ""}},
		{IDs: []string{}},
		{Since: time.Now().Add(time.Hour)},
		{AppID: "other"},
		{WebhookID: "c"},
		{IDs: []string{some.ID}, WebhookID: "b"},
		{IDs: []string{some.ID}, Since: time.Now().Add(time.Hour)},
	} {
		if got, err := e.Replay(t.Context(), q); got != 0 || err != nil {
			t.Errorf("Replay of %+v: %d, %v", q, got, err)
		}
		if got, err := e.Discard(t.Context(), q); got != 0 || err != nil {
			t.Errorf("Discard of %+v: %d, %v", q, got, err)
		}
	}
	if left := len(found(t, e, DeadLetterQuery{})); left != n {
		t.Errorf("%d of %d are left", left, n)
	}
}

// A dead letter of a webhook that was removed can be replayed, and is a dead letter again: nothing
// is lost.
func TestAReplayToARemovedWebhookIsADeadLetterAgain(t *testing.T) {
	t.Parallel()
	for name, open := range deadQueues {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, _ := open(t, 100)
			gone := &endpoint{answer: answers(dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"})}
			e := start(t, gone, with(q), unbatched, apps(named("a", "b")))
			const n = 20
			for i := range n {
				emit(t, e, occupied(i))
			}
			eventually(t, "all are dead letters", func() bool { return e.Stats().Dead == 2*n })
			if err := e.SetApp(named("a")); err != nil {
				t.Fatal(err)
			}
			// by time, the youngest may be left out: the server's clock is not quite known
			var ids []string
			for _, d := range found(t, e, DeadLetterQuery{WebhookID: "b"}) {
				ids = append(ids, d.ID)
			}
			if got, err := e.Replay(t.Context(), DeadLetterQuery{IDs: ids}); got != n || len(ids) != n || err != nil {
				t.Errorf("%d replayed, %v", got, err)
			}
			eventually(t, "they are dead letters again", func() bool { return e.Stats().Dead == 3*n })
			seen := map[string]int{}
			for _, d := range found(t, e, DeadLetterQuery{WebhookID: "b"}) {
				seen[fmt.Sprint(d.Reason, d.ID == d.JobID+"~1")]++
			}
			if len(seen) != 1 || seen["webhook_removed: it was taken out of the configurationtrue"] != n {
				t.Errorf("the dead letters are %v", seen)
			}
		})
	}
}
