package queuetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var receiveChecks = []check{
	{"R1", "ReturnsAllThatFits", func(r *rig) {
		for _, lane := range []string{"a", "b", "c"} {
			r.enqueue(r.jobs(lane, 3)...)
		}
		start := time.Now()
		got := r.receive(all(9), r.patience())
		if took := time.Since(start); took > r.grace() {
			r.breaks("Receive took %v although jobs were ready", took)
		}
		if len(got) == 0 || len(got) < 9 && !r.h.Lacks.Partial {
			r.breaks("Receive returned %d jobs; 9 are ready and fit", len(got))
		}
	}},
	{"R1", "ReturnsFewerThanWanted", func(r *rig) {
		jobs := r.jobs("a", 2)
		r.enqueue(jobs...)
		start := time.Now()
		r.same(r.take(2), jobs)
		if took := time.Since(start); took > r.grace() {
			r.breaks("2 jobs were received after %v although they were ready", took)
		}
	}},
	{"R1", "WaitsWhileThereIsNone", func(r *rig) {
		ctx, cancel := context.WithTimeout(r.Context(), r.quiet())
		defer cancel()
		if leases, err := r.q.Receive(ctx, all(1)); err == nil {
			r.breaks("Receive of an empty queue returned %s", ids(leases))
		}
	}},

	{"R3", "ABacklogDoesNotKeepOthersWaiting", func(r *rig) {
		if r.h.Lacks.Turns {
			return
		}
		r.enqueue(r.jobs("backlog", 100)...)
		r.enqueue(r.job("b"), r.job("c"))
		waiting := map[string]bool{"b": true, "c": true}
		for range 10 {
			l := r.receiveOne()
			delete(waiting, l.Lane)
			r.ack(l)
			r.enqueue(r.job("backlog"))
		}
		if len(waiting) > 0 {
			r.breaks("10 jobs were received, and the only jobs of %d lanes are not among them", len(waiting))
		}
	}},
	{"R3", "SkippedLanesDoNotKeepOthersWaiting", func(r *rig) {
		if r.h.Lacks.Turns {
			return
		}
		const crowd = queue.MaxNamed
		skip := make(limits)
		var jobs []queue.Job
		for i := range crowd {
			lane := fmt.Sprintf("skipped-%d", i)
			skip[lane] = 0
			jobs = append(jobs, r.job(lane))
		}
		r.enqueue(jobs...)
		healthy := r.job("healthy")
		r.enqueue(healthy)
		w := all(10)
		w.Lanes = skip
		r.same(r.receive(w, r.patience()), []queue.Job{healthy})
		r.same(r.take(crowd), jobs)
	}},

	{"R4", "AnEndedContextIsAnError", func(r *rig) {
		r.enqueue(r.job("a"))
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		if leases, err := r.q.Receive(ctx, all(1)); len(leases) == 0 && !errors.Is(err, context.Canceled) {
			r.breaks("Receive returned %v; want context.Canceled", err)
		}
	}},
	{"R4", "ReturnsSoonWhenTheContextEnds", func(r *rig) {
		ctx, cancel := context.WithTimeout(r.Context(), r.quiet())
		defer cancel()
		start := time.Now()
		leases, err := r.q.Receive(ctx, all(1))
		if took := time.Since(start) - r.quiet(); took > r.grace() {
			r.breaks("Receive returned %v after its context had ended", took)
		}
		if len(leases) > 0 || !errors.Is(err, context.DeadlineExceeded) {
			r.breaks("Receive returned %s, %v; want context.DeadlineExceeded", ids(leases), err)
		}
	}},
	{"R4", "NoLeaseIsLeftBehind", func(r *rig) {
		if r.h.Lacks.Orphans {
			return
		}
		for range 20 {
			if l, ok := r.cancelledReceive(r.job("a")); ok {
				r.ack(l)
				continue
			}
			l := r.takeOne()
			if l.Attempts > 0 {
				r.stop("%q was leased by a Receive that returned an error", l.ID)
			}
			r.ack(l)
		}
	}},

	{"C1", "EndsAWaitingReceive", func(r *rig) {
		done := r.receiveLater(r.Context())
		r.sleep(r.quiet())
		start := time.Now()
		r.must("Close", r.q.Close())
		if _, err := r.answer(done); !errors.Is(err, queue.ErrClosed) {
			r.breaks("a Receive that waited returned %v; want ErrClosed", err)
		}
		if took := time.Since(start); took > r.grace() {
			r.breaks("a Receive that waited returned %v after Close", took)
		}
	}},
	{"C1", "EveryMethodFailsAfterwards", func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.takeOne()
		r.must("Close", r.q.Close())
		for name, err := range r.callAll(l) {
			if !errors.Is(err, queue.ErrClosed) {
				r.breaks("%s returned %v; want ErrClosed", name, err)
			}
		}
		r.must("the second Close", r.q.Close())
	}},
}

// receiveOne receives one job by one Receive that wants one.
func (r *rig) receiveOne() queue.Lease {
	r.Helper()
	got := r.receive(all(1), r.patience())
	if len(got) != 1 {
		r.stop("received %d jobs within %v; want 1", len(got), r.patience())
	}
	return got[0]
}

// received is a Receive's answer, and when it came.
type received struct {
	leases []queue.Lease
	err    error
	at     time.Time
}

// receiveLater starts a Receive that is answered for.
func (r *rig) receiveLater(ctx context.Context) <-chan received {
	done := make(chan received, 1)
	q := r.q
	go func() {
		leases, err := q.Receive(ctx, all(1))
		done <- received{leases, err, time.Now()}
	}()
	return done
}

// receiveFor starts a Receive that waits for at most d and is answered for.
func (r *rig) receiveFor(d time.Duration) <-chan received {
	done := make(chan received, 1)
	ctx, cancel := context.WithTimeout(r.Context(), d)
	go func() {
		defer cancel()
		leases, err := r.q.Receive(ctx, all(3))
		done <- received{leases, err, time.Now()}
	}()
	return done
}

// answer waits for a Receive that was started.
func (r *rig) answer(done <-chan received) (received, error) {
	r.Helper()
	select {
	case got := <-done:
		return got, got.err
	case <-time.After(r.patience()):
		r.stop("Receive still waits after %v", r.patience())
		return received{}, nil
	}
}

// cancelledReceive enqueues a job and cancels a Receive at about the same time.
func (r *rig) cancelledReceive(j queue.Job) (l queue.Lease, ok bool) {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	done := r.receiveLater(ctx)
	r.enqueue(j)
	cancel()
	got, err := r.answer(done)
	switch {
	case len(got.leases) > 0 && err != nil:
		r.breaks("Receive returned %s together with %v", ids(got.leases), err)
	case len(got.leases) == 0 && !errors.Is(err, context.Canceled):
		r.breaks("Receive returned %v; want context.Canceled", err)
	}
	if len(got.leases) == 0 {
		return l, false
	}
	return got.leases[0], true
}

// callAll calls every method but Traits and Close, and returns their errors.
func (r *rig) callAll(l queue.Lease) map[string]error {
	ctx, cancel := context.WithTimeout(r.Context(), r.patience())
	defer cancel()
	_, receive := r.q.Receive(ctx, all(1))
	errs := map[string]error{
		"Enqueue":    r.q.Enqueue(ctx, r.jobs("a", 1)),
		"Receive":    receive,
		"Extend":     r.q.Extend(ctx, []queue.Lease{l}),
		"Ack":        r.q.Ack(ctx, []queue.Lease{l}),
		"Nack":       r.q.Nack(ctx, []queue.Nack{{Lease: l, Counted: true}}),
		"Release":    r.q.Release(ctx, []queue.Lease{l}),
		"Replace":    r.q.Replace(ctx, l, r.jobs(l.Lane, 1)),
		"DeadLetter": r.q.DeadLetter(ctx, l, "gone"),
		"SetLane":    r.q.SetLane(ctx, queue.LaneUpdate{Lane: l.Lane, Health: queue.Failing}),
	}
	if d, ok := r.q.(queue.DeadLetters); ok {
		_, errs["DeadLetters"] = d.DeadLetters(ctx, "", 1)
		_, errs["Replay"] = d.Replay(ctx, []queue.Replayed{{ID: l.ID, Job: replayOf(l.Job)}})
		_, errs["Discard"] = d.Discard(ctx, []string{l.ID})
	}
	if s, ok := r.q.(queue.StatsReader); ok {
		_, errs["Stats"] = s.Stats(ctx)
	}
	if lister, ok := r.q.(queue.LaneLister); ok {
		_, errs["Lanes"] = lister.Lanes(ctx, "", 1)
	}
	return errs
}
