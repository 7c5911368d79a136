package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

func TestAnAttemptIsCancelledAtItsLeasesEnd(t *testing.T) {
	t.Parallel()
	for name, extend := range map[string]func(context.Context) error{
		"renewing fails": func(context.Context) error { return errors.New("connection refused") },
		"renewing hangs": hang,
	} {
		for _, failFrom := range []time.Duration{0, 15 * time.Second, 25 * time.Second} {
			t.Run(fmt.Sprint(name, " from ", failFrom), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := rig(t, queue.MemoryOptions{Lease: 30 * time.Second})
					began := time.Now()
					var leased time.Time // by the last extension that worked
					q.onExtend = func(ctx context.Context, l []queue.Lease) error {
						if time.Since(began) >= failFrom {
							return extend(ctx)
						}
						leased = time.Now()
						return q.Memory.Extend(ctx, l)
					}
					ended := make(chan time.Time, 10)
					to := &endpoint{answer: func(ctx context.Context, _ *dispatch.Request) dispatch.Outcome {
						<-ctx.Done()
						ended <- time.Now()
						return timedOut(ctx)
					}}
					// The attempt may take longer than the lease only in this test: options forbid it.
					e := start(t, to, with(q), unbatched)
					e.sender.timeout = 10 * time.Minute
					leased = time.Now()
					emit(t, e, occupied(1))
					at := <-ended
					if d := at.Sub(leased); d > 30*time.Second || d < 29*time.Second {
						t.Errorf("cancelled %v after the lease began, want 30 s", d)
					}
				})
			})
		}
	}
}

// patient lets attempts take longer than a lease, which options forbid.
func patient(t *testing.T, to *endpoint, q queue.Queue, change ...func(*Options)) *Emitter {
	t.Helper()
	e := start(t, to, append(change, with(q), unbatched)...)
	e.sender.timeout = 10 * time.Minute
	return e
}

func TestFault31AnAttemptLongerThanItsLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{Lease: 30 * time.Second})
		to := &endpoint{answer: takes(5 * time.Minute)}
		e := patient(t, to, q)
		for i := range 10 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if s := e.Stats(); s.Delivered != 10 || s.Attempts != 10 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestARenewalThatFailsOnceHarmsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{Lease: 30 * time.Second})
		n := 0
		q.onExtend = func(ctx context.Context, l []queue.Lease) error {
			if n++; n%3 != 0 { // two of three fail
				return errors.New("connection reset")
			}
			return q.Memory.Extend(ctx, l)
		}
		e := patient(t, &endpoint{answer: takes(5 * time.Minute)}, q)
		emit(t, e, occupied(1))
		drain(t, e)
		if s := e.Stats(); s.Delivered != 1 || s.Attempts != 1 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestFault31ALateAckIsRefusedAndTheJobDeliveredAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{Lease: 30 * time.Second})
		q.onExtend = func(context.Context, []queue.Lease) error { return errors.New("connection refused") }
		var mu sync.Mutex
		var refused []error
		q.onAck = func(ctx context.Context, l []queue.Lease) error {
			err := q.Memory.Ack(ctx, l)
			mu.Lock()
			defer mu.Unlock()
			refused = append(refused, err)
			return err
		}
		var first atomic.Bool
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			if first.CompareAndSwap(false, true) {
				time.Sleep(40 * time.Second) // it does not heed its context
			}
			return status(200)
		}}
		e := patient(t, to, q)
		emit(t, e, occupied(1))
		time.Sleep(2 * time.Minute)
		drain(t, e)
		got := to.got()
		if len(got) != 2 || got[0].JobID != got[1].JobID || got[1].Attempt != 2 {
			t.Errorf("attempts: %+v", got)
		}
		if s := e.Stats(); s.Delivered != 1 || s.Queued != 0 {
			t.Errorf("stats: %+v", s)
		}
		mu.Lock()
		defer mu.Unlock()
		if !errors.Is(errors.Join(refused...), queue.ErrLeaseLost) { // of one call, perhaps
			t.Errorf("the acks returned %v, want one to be refused", refused)
		}
	})
}

func TestAnAckThatFailsIsRepeated(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} { // what is lost: the call, or its answer
		t.Run(fmt.Sprint("answer lost: ", lost), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t, queue.MemoryOptions{})
				failures := 0
				q.onAck = func(ctx context.Context, l []queue.Lease) error {
					if failures++; failures > 3 {
						return q.Memory.Ack(ctx, l)
					}
					if lost {
						_ = q.Memory.Ack(ctx, l)
					}
					return errors.New("connection reset")
				}
				to := &endpoint{}
				e := start(t, to, with(q))
				emit(t, e, occupied(1), occupied(2))
				time.Sleep(time.Minute)
				if s := e.Stats(); s.Delivered != 2 || s.Attempts != 1 || s.Queued != 0 {
					t.Errorf("stats: %+v", s)
				}
				checkTotals(t, e)
			})
		})
	}
}

func TestADeadLetterWhoseAnswerIsLostCountsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.onDead = func(ctx context.Context, l queue.Lease, reason string) error {
			if err := q.Memory.DeadLetter(ctx, l, reason); err != nil {
				return err
			}
			return errors.New("connection reset")
		}
		e := start(t, &endpoint{answer: answers(dispatch.Outcome{Verdict: dispatch.Stop, Reason: "gone"})}, with(q))
		emit(t, e, occupied(1))
		time.Sleep(time.Minute)
		if s := e.Stats(); s.Dead != 1 || s.Queued != 0 || len(deadLetters(t, e)) != 1 {
			t.Errorf("stats: %+v", s)
		}
		checkTotals(t, e)
	})
}

func TestFault31DeliveredJobsThatAreUnsettledAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		var down atomic.Bool
		q.onAck = func(ctx context.Context, l []queue.Lease) error {
			if down.Load() {
				return errors.New("connection refused")
			}
			return q.Memory.Ack(ctx, l)
		}
		to := &endpoint{answer: takes(10 * time.Millisecond)}
		e := start(t, to, with(q), unbatched)
		for i := range 2000 {
			emit(t, e, occupied(i))
		}
		time.Sleep(505 * time.Millisecond)
		down.Store(true)
		settled := e.Stats().Delivered
		time.Sleep(10 * time.Second)
		if n := e.Stats().Attempts - settled; n > 100 || n < 2 {
			t.Errorf("%d delivered jobs are unsettled, at most 5 a worker may be", n)
		}
		down.Store(false)
		drain(t, e)
		if s := e.Stats(); s.Delivered != 2000 || s.Attempts != 2000 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestASettlementThatNeverSucceedsHoldsNoWorkerForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.onDead = func(context.Context, queue.Lease, string) error { return errors.New("access denied") }
		to := &endpoint{answer: byURL(map[string]func(context.Context, *dispatch.Request) dispatch.Outcome{
			"http://gone.test/": answers(dispatch.Outcome{Verdict: dispatch.Stop, Reason: "gone"}),
		})}
		list := manyApps("gone", 30)
		for i := range list {
			list[i].Webhooks[0].URL = "http://gone.test/"
		}
		e := start(t, to, with(q), unbatched, apps(append(list, testApp("http://fine.test/"))...))
		for _, a := range list {
			emit(t, e, ChannelOccupied(a.ID, "c"))
		}
		time.Sleep(time.Second)
		emit(t, e, occupied(1))
		time.Sleep(5 * time.Minute)
		if s := e.Stats(); s.Delivered != 1 {
			t.Errorf("the webhook that works got nothing, stats: %+v", s)
		}
	})
}
