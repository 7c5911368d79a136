package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

func TestAnEventThatIsRefusedIsNotCountedAsEmitted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.onEnqueue = func(ctx context.Context, _ []queue.Job) error { return hang(ctx) }
		e := start(t, &endpoint{}, with(q), func(o *Options) { o.OutboxBytes = 10_000 })
		took, refused := int64(0), int64(0)
		for i := range 1000 {
			switch err := e.Emit(occupied(i)); {
			case err == nil:
				took++
			case errors.Is(err, ErrOverflow):
				refused++
			default:
				t.Fatal(err)
			}
		}
		if s := e.Stats(); s.Emitted != took || s.Overflowed != refused || refused == 0 {
			t.Errorf("took %d and refused %d, but stats: %+v", took, refused, s)
		}
	})
}

// gate is an Enqueue that waits while it is shut.
func gate(q *riggedQueue) (open func()) {
	opened := make(chan struct{})
	q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
		select {
		case <-opened:
			return q.Memory.Enqueue(ctx, jobs)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return func() { close(opened) }
}

func TestFault39EmitNeverWaitsAndCountsWhatHasNoRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		open := gate(q)
		to := &endpoint{}
		var told atomic.Int64
		e := start(t, to, with(q), apps(testApp("http://a.test/", "http://b.test/", "http://c.test/")), func(o *Options) {
			o.OutboxBytes = 100_000
			o.Trace = &Trace{Dropped: func(i DroppedInfo) {
				if errors.Is(i.Err, ErrOverflow) {
					told.Add(int64(i.Events))
				}
			}}
		})
		took, refused := 0, 0
		began := time.Now()
		for i := range 5000 {
			switch err := e.Emit(occupied(i)); {
			case err == nil:
				took++
			case errors.Is(err, ErrOverflow):
				refused++
			default:
				t.Fatal(err)
			}
		}
		if time.Since(began) != 0 {
			t.Errorf("Emit waited, %v in all", time.Since(began))
		}
		if took == 0 || refused == 0 {
			t.Fatalf("%d taken, %d refused", took, refused)
		}
		open()
		drain(t, e)
		s := e.Stats()
		if s.Matched != int64(3*took) || s.Delivered+s.Dropped != s.Matched || s.Overflowed != int64(refused) || told.Load() != int64(3*refused)+s.Dropped {
			t.Errorf("%d taken, %d refused, stats: %+v, Trace.Dropped told of %d", took, refused, s, told.Load())
		}
		arrived := 0
		for _, a := range to.got() {
			arrived += len(a.payload(t, testKey).Events)
		}
		if int64(arrived) != s.Delivered {
			t.Errorf("%d events arrived, stats: %+v", arrived, s)
		}
	})
}

// not parallel: it looks at the heap
func TestFault39MemoryStaysFlatWhileThereIsNoRoom(t *testing.T) {
	q := rig(t, queue.MemoryOptions{})
	open := gate(q)
	defer open()
	e := start(t, &endpoint{}, with(q), func(o *Options) { o.OutboxBytes = 1 << 20 })
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	refused := int64(0)
	for range 200_000 {
		if errors.Is(e.Emit(occupied(1)), ErrOverflow) {
			refused++
		}
	}
	if grown := int64(heap()) - int64(before); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes, with an outbox of 1 MiB", grown)
	}
	if s := e.Stats(); s.Overflowed != refused || refused < 100_000 {
		t.Errorf("%d refused, stats: %+v", refused, s)
	}
}

func TestAWebhookWhoseLaneIsFullLeavesRoomForTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := testApp("http://hangs.test/", "http://well.test/")
		a.Webhooks[0].Filter.ChannelPrefix = "hangs-"
		a.Webhooks[1].Filter.ChannelPrefix = "well-"
		to := &endpoint{answer: byURL(map[string]func(context.Context, *dispatch.Request) dispatch.Outcome{"http://hangs.test/": hangs})}
		q := memory(t, queue.MemoryOptions{MaxJobs: 1000, MaxBytes: 1 << 20})
		e := start(t, to, with(q), unbatched, apps(a), func(o *Options) { o.OutboxBytes = 1 << 20 })
		refused := 0
		for i := range 20_000 {
			if errors.Is(e.Emit(ChannelOccupied("my-app", fmt.Sprint("hangs-", i))), ErrOverflow) {
				refused++
			}
			if i%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		if refused == 0 {
			t.Fatal("there was always room")
		}
		for i := range 500 {
			emit(t, e, ChannelOccupied("my-app", fmt.Sprint("well-", i)))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		well := 0
		for _, a := range to.got() {
			if a.URL == "http://well.test/" {
				well++
			}
		}
		if well != 500 {
			t.Errorf("%d of 500 delivered to the endpoint that works", well)
		}
	})
}

func TestFault26AnOutageOfTheQueueLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for name, traits := range map[string]bool{"call fails": false, "answer is lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t, queue.MemoryOptions{})
				began := time.Now()
				q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
					down := time.Since(began) >= 200*time.Millisecond && time.Since(began) < 700*time.Millisecond
					if down && !traits {
						return errors.New("connection refused")
					}
					err := q.Memory.Enqueue(ctx, jobs)
					if down {
						return errors.New("connection reset")
					}
					return err
				}
				var mu sync.Mutex
				seen := make(map[string]int, 100_000)
				to := dispatch.SenderFunc(func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
					p, err := Verify(r.Body, r.Header, testKey)
					if err != nil {
						t.Error(err)
						return status(500)
					}
					mu.Lock()
					defer mu.Unlock()
					for _, ev := range p.Events {
						seen[ev.Channel]++
					}
					return status(200)
				})
				e := start(t, nil, with(q), func(o *Options) { o.HTTP = to })
				for i := range 100_000 {
					emit(t, e, occupied(i))
					if i%100 == 99 {
						time.Sleep(time.Millisecond)
					}
				}
				drain(t, e)
				mu.Lock()
				defer mu.Unlock()
				twice := 0
				for _, n := range seen {
					if n > 1 {
						twice++
					}
				}
				if len(seen) != 100_000 || twice > 0 {
					t.Errorf("%d of 100,000 events arrived, %d more than once", len(seen), twice)
				}
				if s := e.Stats(); s.Delivered != 100_000 || s.Overflowed != 0 {
					t.Errorf("stats: %+v", s)
				}
			})
		})
	}
}

func TestJobsThatTheQueueRefusesAreOfferedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		r := rand.New(rand.NewPCG(7, 7))
		q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
			var failed *queue.BatchError
			for i := range jobs {
				if r.IntN(3) == 0 {
					failed = failed.Fail(i, errors.New("throttled"))
				} else if err := q.Memory.Enqueue(ctx, jobs[i:i+1]); err != nil {
					t.Error(err)
				}
			}
			return failed.Err()
		}
		to := &endpoint{}
		e := start(t, to, with(q), unbatched, apps(testApp("http://a.test/", "http://b.test/")))
		for i := range 1000 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		n := channels(t, to.got())
		for i := range 1000 {
			if c := n[fmt.Sprintf("channel-%d", i)]; c != 2 {
				t.Fatalf("event %d arrived %d times, want once at each webhook", i, c)
			}
		}
	})
}

func TestAJobThatIsTooLargeForTheQueueIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told atomic.Int64
		q := memory(t, queue.MemoryOptions{MaxBytes: 2000})
		to := &endpoint{}
		e := start(t, to, with(q), unbatched, func(o *Options) {
			o.Trace = &Trace{Dropped: func(i DroppedInfo) {
				if errors.Is(i.Err, queue.ErrTooLarge) {
					told.Add(int64(i.Events))
				}
			}}
		})
		emit(t, e, ClientEvent("my-app", "private-x", ClientMessage{Name: "client-x", Data: strings.Repeat("x", 3000), SocketID: "1.1"}), occupied(1))
		drain(t, e)
		if s := e.Stats(); s.Dropped != 1 || s.Delivered != 1 || s.Pending != 0 || told.Load() != 1 {
			t.Errorf("stats: %+v, Trace.Dropped told of %d", s, told.Load())
		}
	})
}

func TestAQueueThatIsFullIsWaitedForWithoutALoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := memory(t, queue.MemoryOptions{MaxJobs: 20})
		to := &endpoint{answer: takes(10 * time.Millisecond)}
		e := start(t, to, with(q), unbatched, apps(testApp("http://a.test/", "http://b.test/", "http://c.test/")))
		for i := range 1000 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if s := e.Stats(); s.Delivered != 3000 || s.Attempts != 3000 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestJobsThatALaneRefusesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		r := rand.New(rand.NewPCG(8, 8))
		taken := map[string][]int{} // by lane
		q.onEnqueue = func(_ context.Context, jobs []queue.Job) error {
			var failed *queue.BatchError
			full := map[string]bool{}
			for i, job := range jobs {
				if full[job.Lane] = full[job.Lane] || r.IntN(5) == 0; full[job.Lane] {
					failed = failed.Fail(i, queue.ErrFull)
					continue
				}
				j, err := parseJob(job.Data)
				if err != nil {
					t.Error(err)
					continue
				}
				p, err := parsePayload(j.body)
				var n int
				if _, scanErr := fmt.Sscanf(p.Events[0].Channel, "channel-%d", &n); errors.Join(err, scanErr) != nil {
					t.Error(err, scanErr)
				}
				taken[job.Lane] = append(taken[job.Lane], n)
			}
			return failed.Err()
		}
		e := start(t, &endpoint{}, with(q), unbatched, apps(testApp("http://a.test/", "http://b.test/")), func(o *Options) { o.EmitOnly = true })
		for i := range 2000 {
			emit(t, e, occupied(i))
			if i%3 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		if err := e.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for lane, list := range taken {
			if len(list) != 2000 || !slices.IsSorted(list) {
				t.Errorf("lane %s has %d jobs, in order: %v", lane, len(list), slices.IsSorted(list))
			}
		}
	})
}
