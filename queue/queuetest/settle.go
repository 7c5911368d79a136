package queuetest

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

var settleChecks = []check{
	{"A1", "AnAckedJobNeverComesBack", func(r *rig) {
		jobs := append(r.jobs("a", 10), r.jobs("b", 10)...)
		r.enqueue(jobs...)
		leases := r.take(20)
		r.ack(leases[:15]...)
		r.ack(leases[15:]...)
		r.ack()
		r.none(r.q.Traits().Lease+r.quiet(), "all jobs were acked")
		if r.h.Lacks.Dedup {
			return
		}
		r.enqueue(jobs...)
		r.none(r.quiet(), "the jobs were acked lately")
	}},

	{"P1", "ThePartsTakeThePlace", func(r *rig) {
		jobs := r.jobs("a", 3)
		r.enqueue(jobs...)
		whole := r.receiveOne()
		parts := r.jobs("a", 2)
		r.must("Replace", r.q.Replace(r.Context(), whole, parts))
		want := parts
		for _, j := range jobs {
			if j.ID != whole.ID {
				want = append(want, j)
			}
		}
		got := r.take(4)
		r.inOrder(got, want)
		r.ack(got...)
		r.none(r.q.Traits().Lease+r.quiet(), "all parts were acked")
	}},
	{"P1", "KnownPartsAreNotTakenAgain", leased(func(r *rig) {
		if r.h.Lacks.Dedup {
			return
		}
		jobs := r.jobs("a", 3)
		r.enqueue(jobs...)
		l := r.receiveOne()
		r.ack(l)
		whole := r.receiveOne()
		rest := r.receiveOne()
		fresh := r.job("a")
		r.must("Replace", r.q.Replace(r.Context(), whole, []queue.Job{l.Job, rest.Job, fresh}))
		r.same(r.take(1), []queue.Job{fresh})
		r.none(r.quiet(), "the other parts are known: one was acked and one is leased")
	})},
	{"P1", "InAnOrderedLane", func(r *rig) {
		if !r.q.Traits().Ordered {
			return
		}
		jobs := r.ordered("a", 2)
		r.enqueue(jobs...)
		parts := r.ordered("a", 2)
		r.must("Replace", r.q.Replace(r.Context(), r.takeOne(), parts))
		for _, want := range append(parts, jobs[1]) {
			l := r.takeOne()
			if l.ID != want.ID {
				r.breaks("received %q; want %q", l.ID, want.ID)
			}
			r.ack(l)
		}
	}},

	{"P2", "PartsKeepFirst", leased(func(r *rig) {
		r.enqueue(r.job("a"))
		before := time.Now()
		l := r.takeOne()
		after := time.Now()
		r.nack(l, r.h.Delay, true)
		r.must("Replace", r.q.Replace(r.Context(), r.takeOne(), r.jobs("a", 2)))
		for _, l := range r.take(2) {
			r.attempts(l, 0)
			r.first(l, before, after)
		}
	})},
	{"P2", "PartsOfPartsKeepFirst", leased(func(r *rig) {
		r.enqueue(r.job("a"))
		before := time.Now()
		l := r.takeOne()
		after := time.Now()
		r.nack(l, r.h.Delay, true)
		for range 2 {
			r.must("Replace", r.q.Replace(r.Context(), r.takeOne(), r.jobs("a", 1)))
		}
		l = r.takeOne()
		r.attempts(l, 0)
		r.first(l, before, after)
	})},
	{"P2", "AFirstLeaseGivesNoFirst", leased(func(r *rig) {
		if r.h.Lacks.Attempts {
			return
		}
		r.enqueue(r.job("a"))
		r.must("Replace", r.q.Replace(r.Context(), r.takeOne(), r.jobs("a", 1)))
		l := r.takeOne()
		r.attempts(l, 0)
		r.unset(l)
	})},
	{"P2", "PartsKeepAge", leased(func(r *rig) {
		before := time.Now()
		r.enqueue(r.job("a"))
		after := time.Now()
		r.sleep(r.ageTime())
		r.must("Replace", r.q.Replace(r.Context(), r.takeOne(), r.jobs("a", 2)))
		for range 2 {
			r.aged(before, after)
		}
	})},
}

var ageChecks = []check{
	{"Age", "BeginsWithEnqueue", func(r *rig) {
		before := time.Now()
		r.enqueue(r.job("a"))
		after := time.Now()
		r.sleep(r.ageTime())
		r.aged(before, after)
	}},
	{"Age", "GoesOnWhenAJobComesBack", leased(func(r *rig) {
		before := time.Now()
		r.enqueue(r.job("a"))
		after := time.Now()
		l := r.takeOne()
		r.sleep(min(r.ageTime(), r.q.Traits().Lease/2))
		r.nack(l, r.ageTime(), false)
		r.aged(before, after)
	})},
}

// ageTime is how long a check of ages lasts: more than a server and a busy machine may be late.
func (r *rig) ageTime() time.Duration {
	return max(2*r.grace(), r.h.Delay)
}

// aged receives a job whose age must have begun between two times, by a server's clock.
func (r *rig) aged(from, to time.Time) {
	r.Helper()
	begun := time.Now()
	l := r.takeOne()
	least, most := begun.Sub(to)-r.grace(), time.Since(from)+r.grace()
	if l.Age < least || l.Age > most {
		r.breaks("%q has Age %v; want between %v and %v", l.ID, l.Age, least, most)
	}
}
