package queuetest

import (
	"math"
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
	{"N1", "TheLongestDelayIsKept", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		leases := r.take(2)
		r.sleep(r.h.Delay) // so that a time that is the longest delay away overflows
		start := time.Now()
		r.nack(leases[0], math.MaxInt64, false)
		r.nack(leases[1], r.h.Delay, false)
		r.after(leases[1], start.Add(r.h.Delay))
		r.none(r.quiet(), "the longest delay has passed at once")
	}},
	{"N1", "TheLongestDelayEnds", func(r *rig) {
		if r.h.Later == nil && !r.h.Virtual {
			return
		}
		r.enqueue(r.job("a"))
		l := r.takeOne()
		r.sleep(r.h.Delay)
		r.nack(l, math.MaxInt64, false)
		r.later(r.h.MaxDelay - time.Minute)
		r.none(r.quiet(), "the longest delay has passed too early")
		r.later(time.Minute)
		if got := r.takeOne(); got.ID != l.ID {
			r.stop("received %q; want %q", got.ID, l.ID)
		}
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
	{"N2", "ADelayAloneIsNoAttempt", leased(func(r *rig) {
		if r.h.Lacks.Attempts {
			return
		}
		r.enqueue(r.job("a"))
		for range 2 {
			r.nack(r.takeOne(), r.h.Delay, false)
		}
		l := r.takeOne()
		r.attempts(l, 0)
		r.unset(l)
	})},
	{"N2", "FirstIsThatOfTheFirstCountedLease", leased(func(r *rig) {
		if r.h.Lacks.Attempts {
			return
		}
		r.enqueue(r.job("a"))
		r.nack(r.takeOne(), r.h.Delay, false)
		before := time.Now()
		l := r.takeOne()
		after := time.Now()
		r.nack(l, r.h.Delay, true)
		l = r.takeOne()
		r.first(l, before, after)
		r.nack(l, r.h.Delay, false)
		r.release(r.takeOne())
		l = r.takeOne()
		r.attempts(l, 1)
		r.first(l, before, after)
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
		r.release(r.takeOne())
		l := r.takeOne()
		if r.h.Lacks.Attempts {
			return
		}
		r.attempts(l, 0)
		r.unset(l)
	}},
	{"N3", "AReleaseAfterAnAttemptChangesNothing", leased(func(r *rig) {
		if r.h.Lacks.Attempts {
			return
		}
		r.enqueue(r.job("a"))
		r.nack(r.takeOne(), 0, true)
		before := r.takeOne()
		r.release(before)
		l := r.takeOne()
		if off := l.First.Sub(before.First).Abs(); l.Attempts != before.Attempts || off > r.grace()/20 {
			r.breaks("%q has Attempts %d and First %v after a release; want %d and %v",
				l.ID, l.Attempts, l.First, before.Attempts, before.First)
		}
	})},
	{"N3", "AnEmptyNackIsARelease", func(r *rig) {
		jobs := r.jobs("a", 3)
		r.enqueue(jobs...)
		l := r.receiveOne()
		r.nack(l, 0, false)
		got := r.take(3)
		if r.h.Lacks.Attempts {
			r.same(got, jobs)
			return
		}
		r.inOrder(got, jobs)
		for _, l := range got {
			r.attempts(l, 0)
			r.unset(l)
		}
	}},
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
			r.release(l)
		}
		r.inOrder(r.take(3), jobs)
	}},
	{"N3", "JobsOfOneCallKeepTheirOrder", func(r *rig) {
		if r.h.Lacks.Order {
			return
		}
		jobs := r.jobs("a", 6)
		r.enqueue(jobs...)
		r.release(r.take(4)...)
		r.inOrder(r.take(6), jobs)
	}},
	{"N3", "AReleasedJobKeepsItsKind", leased(func(r *rig) {
		if r.h.Lacks.Order || r.q.Traits().OwnRetry {
			return
		}
		jobs := r.jobs("a", 3)
		r.enqueue(jobs...)
		untried, back := r.receiveOne(), r.receiveOne()
		r.nack(back, 0, true)
		r.release(untried) // goes before the third, and after the second, which came back
		r.inOrder(r.take(3), []queue.Job{back.Job, untried.Job, jobs[2]})
	})},
	{"N3", "OfJobsThatCameBackTheReleasedOneIsNext", leased(func(r *rig) {
		if r.h.Lacks.Order || r.q.Traits().OwnRetry {
			return
		}
		r.enqueue(r.jobs("a", 3)...)
		leases := r.take(2)
		r.nack(leases[0], 0, true)
		r.nack(leases[1], 0, true)
		for range 3 {
			l := r.receiveOne()
			r.attempts(l, 1)
			r.release(l)
			again := r.receiveOne()
			if again.ID != l.ID {
				r.stop("received %q; want %q, which was released", again.ID, l.ID)
			}
			r.release(again)
		}
	})},
}

// later lets d pass by the store's clock.
func (r *rig) later(d time.Duration) {
	if r.h.Virtual {
		r.sleep(d)
		return
	}
	r.h.Later(r.T, r.base, d)
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
