package queuetest

import (
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
	{"P1", "APartIsANewJob", leased(func(r *rig) {
		r.enqueue(r.job("a"))
		r.nack(r.takeOne(), 0, true)
		r.must("Replace", r.q.Replace(r.Context(), r.takeOne(), r.jobs("a", 1)))
		l := r.takeOne()
		if l.Attempts != 0 || !l.First.IsZero() {
			r.breaks("the part has Attempts %d and First %v; want 0 and zero", l.Attempts, l.First)
		}
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
}
