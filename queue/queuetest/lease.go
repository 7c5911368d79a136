package queuetest

import (
	"errors"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var leaseChecks = []check{
	{"L1", "NobodyElseReceivesALeasedJob", leased(func(r *rig) {
		r.enqueue(r.job("a"))
		first := r.takeOne()
		second := r.takeOne()
		if now := time.Now(); now.Before(first.Until) {
			r.breaks("%q was received again %v before its lease ended", second.ID, first.Until.Sub(now))
		}
	})},
	{"L1", "AnExtendedLeaseLasts", leased(func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		leases := r.take(2)
		lease := r.q.Traits().Lease
		r.sleep(lease / 2)
		until := time.Now().Add(lease)
		r.must("Extend", r.q.Extend(r.Context(), leases))
		again := r.take(1)
		if now := time.Now(); now.Before(until) {
			r.breaks("%q was received again %v before its extended lease ended", again[0].ID, until.Sub(now))
		}
	})},
	{"L1", "AnExtendedLeaseIsSettled", leased(func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.takeOne()
		for range 3 {
			r.sleep(r.q.Traits().Lease / 2)
			r.must("Extend", r.q.Extend(r.Context(), []queue.Lease{l}))
		}
		r.ack(l)
		r.none(r.quiet(), "the job was acked")
	})},

	{"L3", "AnExtendedLeaseDoesNotHoldOthers", leased(func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		leases := r.take(2)
		r.sleep(r.q.Traits().Lease / 2)
		r.must("Extend", r.q.Extend(r.Context(), leases[:1]))
		again := r.takeOne()
		late := time.Since(leases[1].Until)
		if again.ID != leases[1].ID {
			r.stop("received %q, whose lease was extended; want %q", again.ID, leases[1].ID)
		}
		if late > r.grace() {
			r.breaks("%q was received %v after its lease had ended", again.ID, late)
		}
	})},

	{"L2", "AReleasedLeaseIsLost", receipts(func(r *rig) {
		r.enqueue(r.job("a"))
		old := r.takeOne()
		r.release(old)
		r.refused(old, r.takeOne())
	})},
	{"L2", "AnEndedLeaseIsLost", receipts(func(r *rig) {
		r.enqueue(r.job("a"))
		old := r.takeOne()
		r.refused(old, r.takeOne())
	})},
	{"L2", "ADelayedJobHasNoLease", receipts(func(r *rig) {
		r.enqueue(r.job("a"))
		old := r.takeOne()
		r.nack(old, r.h.Delay, false)
		r.lost("Ack of a delayed job", r.q.Ack(r.Context(), []queue.Lease{old}))
		r.lost("Extend of a delayed job", r.q.Extend(r.Context(), []queue.Lease{old}))
		bare := queue.Lease{Job: old.Job}
		r.lost("Ack without a receipt", r.q.Ack(r.Context(), []queue.Lease{bare}))
		r.ack(r.takeOne())
	})},
	{"L2", "ASettledJobHasNoLease", receipts(func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		leases := r.take(3)
		r.ack(leases[0])
		r.must("DeadLetter", r.q.DeadLetter(r.Context(), leases[1], "gone"))
		r.must("Replace", r.q.Replace(r.Context(), leases[2], nil))
		for _, l := range leases {
			r.allRefused(l)
		}
		r.none(r.quiet(), "all jobs are settled")
	})},
	{"L2", "OneStaleReceiptOfMany", receipts(func(r *rig) {
		r.enqueue(r.jobs("a", 3)...)
		leases := r.take(3)
		r.ack(leases[1])
		for name, call := range r.batchCalls(leases) {
			err := call()
			if queue.ErrorOf(err, 0) != nil || queue.ErrorOf(err, 2) != nil || !errors.Is(queue.ErrorOf(err, 1), queue.ErrLeaseLost) {
				r.breaks("%s with the second of three leases stale returned %v; want ErrLeaseLost for that one only", name, err)
			}
			r.batch(name, err)
		}
		again := r.take(2)
		r.same(again, []queue.Job{leases[0].Job, leases[2].Job})
		r.ack(again...)
	})},
	{"L2", "AMadeUpReceipt", receipts(func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.takeOne()
		for _, receipt := range []string{"", "no such receipt", l.Receipt + "0"} {
			bad := l
			bad.Receipt = receipt
			r.allRefused(bad)
		}
		bad := l
		bad.ID = "no-such-job"
		r.allRefused(bad)
		r.ack(l)
	})},

	{"L3", "AnEndedLeaseIsAnAttempt", leased(func(r *rig) {
		r.enqueue(r.job("a"))
		before := time.Now()
		r.takeOne()
		after := time.Now()
		second := r.takeOne()
		r.attempts(second, 1)
		r.first(second, before, after)
		third := r.takeOne()
		r.attempts(third, 2)
		r.first(third, before, after)
	})},
}

// leased is a check for drivers with leases.
func leased(run func(r *rig)) func(r *rig) {
	return func(r *rig) {
		if !r.q.Traits().AtMostOnce {
			run(r)
		}
	}
}

// receipts is a check for drivers with leases whose receipts fence.
func receipts(run func(r *rig)) func(r *rig) {
	return leased(func(r *rig) {
		if !r.h.Lacks.Receipts {
			run(r)
		}
	})
}

// refused checks that old is refused in everything and that current still holds.
func (r *rig) refused(old, current queue.Lease) {
	r.Helper()
	if old.ID != current.ID {
		r.stop("received %q; want %q again", current.ID, old.ID)
	}
	if old.Receipt == current.Receipt {
		r.breaksRule("Lease", "two leases of %q have the same receipt", old.ID)
	}
	r.allRefused(old)
	r.none(r.quiet(), "the job is leased, and nothing was changed")
	r.ack(current)
	r.none(r.quiet(), "the job was acked")
}

// allRefused checks that every settlement with l fails.
func (r *rig) allRefused(l queue.Lease) {
	r.Helper()
	ctx := r.Context()
	r.lost("Extend", r.q.Extend(ctx, []queue.Lease{l}))
	r.lost("Ack", r.q.Ack(ctx, []queue.Lease{l}))
	r.lost("Release", r.q.Release(ctx, []queue.Lease{l}))
	r.lost("Nack", r.q.Nack(ctx, []queue.Nack{{Lease: l, Delay: r.h.Delay}}))
	r.lost("Nack, counted", r.q.Nack(ctx, []queue.Nack{{Lease: l, Counted: true}}))
	r.lost("Replace", r.q.Replace(ctx, l, r.jobs(l.Lane, 1)))
	r.lost("DeadLetter", r.q.DeadLetter(ctx, l, "gone"))
}

// batchCalls returns calls that keep the job within reach: the last one releases it.
func (r *rig) batchCalls(leases []queue.Lease) func(yield func(string, func() error) bool) {
	return func(yield func(string, func() error) bool) {
		_ = yield("Extend", func() error { return r.q.Extend(r.Context(), leases) }) &&
			yield("Release", func() error { return r.q.Release(r.Context(), leases) })
	}
}

// batch checks that err is a *BatchError.
func (r *rig) batch(call string, err error) {
	r.Helper()
	var batch *queue.BatchError
	if !errors.As(err, &batch) {
		r.breaks("%s returned %v; want a *BatchError", call, err)
	}
}

// attempts checks a lease's count.
func (r *rig) attempts(l queue.Lease, want int) {
	r.Helper()
	if l.Attempts != want {
		r.breaks("%q has Attempts %d; want %d", l.ID, l.Attempts, want)
	}
}

// unset checks that a job has no First.
func (r *rig) unset(l queue.Lease) {
	r.Helper()
	if !l.First.IsZero() {
		r.breaks("%q has First %v; want zero, since no lease of it was an attempt", l.ID, l.First)
	}
}

// first checks that First is between two times, by a server's clock.
func (r *rig) first(l queue.Lease, from, to time.Time) {
	r.Helper()
	if l.First.Before(from.Add(-r.grace())) || l.First.After(to.Add(r.grace())) {
		r.breaks("%q has First %v; want the beginning of its first lease, between %v and %v", l.ID, l.First, from, to)
	}
}
