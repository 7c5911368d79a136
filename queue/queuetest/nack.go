package queuetest

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

var nackChecks = []check{
	{"N1", "ADelayIsKept", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		leases := r.take(2)
		long, short := leases[0], leases[1]
		start := time.Now()
		r.nack(long, 2*r.h.Delay, false)
		r.nack(short, r.h.Delay, false)
		// Where both have passed before the first receive returns, they may come in any order.
		due := map[string]time.Time{short.ID: start.Add(r.h.Delay), long.ID: start.Add(2 * r.h.Delay)}
		for range 2 {
			got := r.takeOne()
			r.inTime(got, due[got.ID])
			r.ack(got)
		}
	}},
	{"N1", "ADelayLongerThanALeaseIsKept", func(r *rig) {
		r.enqueue(r.job("a"))
		l := r.takeOne()
		start := time.Now()
		delay := r.q.Traits().Lease + r.h.Delay
		r.nack(l, delay, false)
		r.after(l, start.Add(delay))
	}},
	{"N1", "ACountedDelayIsKept", func(r *rig) {
		if t := r.q.Traits(); t.AtMostOnce || t.OwnRetry {
			return
		}
		r.enqueue(r.job("a"))
		l := r.takeOne()
		start := time.Now()
		r.nack(l, r.h.Delay, true)
		r.after(l, start.Add(r.h.Delay))
	}},
	{"N1", "WithoutADelayTheJobComesAtOnce", func(r *rig) {
		if t := r.q.Traits(); t.AtMostOnce || t.OwnRetry {
			return
		}
		r.enqueue(r.job("a"))
		l := r.takeOne()
		start := time.Now()
		r.nack(l, 0, true)
		r.after(l, start)
	}},
	{"N1", "ManyInOneCall", func(r *rig) {
		jobs := append(r.jobs("a", 5), r.jobs("b", 5)...)
		r.enqueue(jobs...)
		leases := r.take(10)
		nacks := make([]queue.Nack, len(leases))
		for i, l := range leases {
			nacks[i] = queue.Nack{Lease: l, Delay: time.Duration(i%2) * r.h.Delay}
		}
		r.must("Nack", r.q.Nack(r.Context(), nacks))
		var got []queue.Lease
		for range 2 {
			half := r.take(5)
			r.ack(half...)
			got = append(got, half...)
		}
		r.same(got, jobs)
	}},

	{"N2", "ACountedNackIsAnAttempt", leased(func(r *rig) {
		r.enqueue(r.job("a"))
		before := time.Now()
		l := r.takeOne()
		after := time.Now()
		for n := 1; n <= 3; n++ {
			r.nack(l, 0, true)
			l = r.takeOne()
			r.attempts(l, n)
			r.first(l, before, after)
		}
	})},
	{"N2", "ADelayedNackSetsFirst", leased(func(r *rig) {
		r.enqueue(r.job("a"))
		before := time.Now()
		l := r.takeOne()
		after := time.Now()
		for range 2 {
			r.nack(l, r.h.Delay, false)
			l = r.takeOne()
			r.first(l, before, after)
			if !r.h.Lacks.Attempts {
				r.attempts(l, 0)
			}
		}
	})},
	{"N2", "AtMostOnceACountedNackDropsTheJob", func(r *rig) {
		if !r.q.Traits().AtMostOnce {
			return
		}
		r.enqueue(r.job("a"))
		r.nack(r.takeOne(), 0, true)
		r.none(r.quiet(), "the job was nacked as an attempt, and Traits.AtMostOnce says that it is dropped")
	}},

	{"N3", "AReleaseChangesNothing", func(r *rig) {
		r.enqueue(r.job("a"))
		r.nack(r.takeOne(), 0, false)
		l := r.takeOne()
		if r.h.Lacks.Attempts {
			return
		}
		if l.Attempts != 0 || !l.First.IsZero() {
			r.breaks("%q has Attempts %d and First %v after a release; want 0 and zero", l.ID, l.Attempts, l.First)
		}
	}},
	{"N3", "AReleaseAfterAnAttemptChangesNothing", leased(func(r *rig) {
		if r.h.Lacks.Attempts {
			return
		}
		r.enqueue(r.job("a"))
		r.nack(r.takeOne(), 0, true)
		before := r.takeOne()
		r.nack(before, 0, false)
		l := r.takeOne()
		if l.Attempts != before.Attempts || !l.First.Equal(before.First) {
			r.breaks("%q has Attempts %d and First %v after a release; want %d and %v",
				l.ID, l.Attempts, l.First, before.Attempts, before.First)
		}
	})},
	{"N3", "AReleasedJobIsTheNextOfItsLane", func(r *rig) {
		if r.h.Lacks.Order {
			return
		}
		jobs := r.jobs("a", 3)
		r.enqueue(jobs...)
		for range 3 {
			l := r.receiveOne()
			if l.ID != jobs[0].ID {
				r.stop("received %q; want %q, which is the first or was released", l.ID, jobs[0].ID)
			}
			r.nack(l, 0, false)
		}
		r.inOrder(r.take(3), jobs)
	}},
}

// after checks that the next job is l's, and that it comes at its time.
func (r *rig) after(l queue.Lease, due time.Time) {
	r.Helper()
	got := r.takeOne()
	if got.ID != l.ID {
		r.stop("received %q; want %q", got.ID, l.ID)
	}
	r.inTime(got, due)
	r.ack(got)
}

// inTime checks that a job which was received just now came at its time.
func (r *rig) inTime(l queue.Lease, due time.Time) {
	r.Helper()
	now := time.Now()
	if now.Before(due) {
		r.breaks("%q was received %v before its delay had passed", l.ID, due.Sub(now))
	}
	if now.After(due.Add(r.grace())) {
		r.breaks("%q was received %v after its delay had passed", l.ID, now.Sub(due))
	}
}
