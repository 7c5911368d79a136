package queuetest

import (
	"bytes"
	"errors"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var enqueueChecks = []check{
	{"E1", "EveryJobIsReceivedAsItWas", func(r *rig) {
		var jobs []queue.Job
		for _, lane := range []string{"app/a", "app/b {tag}", "ä:💥*\n\"", "x y", "z"} {
			jobs = append(jobs, r.jobs(lane, 5)...)
		}
		before := time.Now()
		r.enqueue(jobs...)
		leases := r.take(len(jobs))
		r.same(leases, jobs)
		for _, l := range leases {
			r.fresh(l, before)
		}
		r.ack(leases...)
	}},
	{"E1", "NoJobsIsNoError", func(r *rig) {
		r.enqueue()
		r.none(r.quiet(), "nothing was enqueued")
	}},
	{"E1", "AnotherHandleSeesTheJobs", func(r *rig) {
		if r.h.Another == nil {
			return
		}
		jobs := r.jobs("a", 5)
		r.enqueue(jobs...)
		r.use(r.h.Another(r.T, r.q))
		leases := r.take(5)
		r.same(leases, jobs)
		r.ack(leases...)
	}},
	{"E1", "JobsOutliveTheHandle", func(r *rig) {
		if r.h.Reopen == nil {
			return
		}
		jobs := r.jobs("a", 5)
		r.enqueue(jobs...)
		r.ack(r.take(2)...)
		r.must("Close", r.q.Close())
		r.use(r.h.Reopen(r.T, r.q))
		leases := r.take(3)
		r.none(r.quiet(), "3 jobs were left and all are leased")
		r.ack(leases...)
	}},

	{"E2", "CopiesAreNotTaken", func(r *rig) {
		if r.h.Lacks.Dedup {
			return
		}
		j := r.job("a")
		r.enqueue(j, j)
		r.enqueue(j) // ready
		l := r.takeOne()
		if !r.q.Traits().AtMostOnce {
			r.enqueue(j) // leased
			r.none(r.quiet(), "the copies were taken by doing nothing")
			r.nack(l, r.h.Delay, false)
			r.enqueue(j) // delayed
			l = r.takeOne()
		}
		r.ack(l)
		r.enqueue(j) // acked
		r.none(r.quiet(), "the job was acked, and its copy is taken by doing nothing")
	}},
	{"E2", "ACopyOfOneLeavesTheOthersAlone", func(r *rig) {
		if r.h.Lacks.Dedup {
			return
		}
		jobs := r.jobs("a", 3)
		r.enqueue(jobs[1])
		r.enqueue(jobs...)
		r.same(r.take(3), jobs)
		r.none(r.quiet(), "all three jobs are leased")
	}},

	{"E4", "JobsOfALaneComeInOrder", func(r *rig) {
		if r.h.Lacks.Order {
			return
		}
		jobs := r.jobs("a", 20)
		for i := 0; i < len(jobs); i += 5 {
			r.enqueue(jobs[i : i+5]...)
			r.enqueue(r.jobs("b", 2)...)
		}
		want := all(7)
		want.Lanes = limits{"b": 0}
		var got []queue.Lease
		for deadline := time.Now().Add(r.patience()); len(got) < len(jobs) && time.Now().Before(deadline); {
			leases := r.receive(want, r.patience())
			r.ack(leases...)
			got = append(got, leases...)
		}
		r.inOrder(got, jobs)
	}},
}

var boundChecks = []check{
	{"E3", "WhatDoesNotFitIsNamedAndTheRestIsTaken", func(r *rig) {
		if r.h.OpenBounded == nil {
			return
		}
		r.use(r.h.OpenBounded(r.T, 5))
		var jobs []queue.Job
		for _, lane := range []string{"a", "b", "c", "d"} {
			jobs = append(jobs, r.jobs(lane, 2)...)
		}
		taken := r.offer(jobs, queue.ErrFull)
		if len(taken) == 0 || len(taken) > 5 {
			r.breaksRule("E5", "%d of 8 jobs were taken; the bound is 5", len(taken))
		}
		leases := r.take(len(taken))
		r.same(leases, taken)
		r.none(r.quiet(), "the other jobs were refused")
		r.ack(leases...)
		if !r.h.Lacks.Dedup {
			taken = taken[len(taken):]
			for _, j := range jobs {
				taken = append(taken, r.offer([]queue.Job{j}, queue.ErrFull)...)
			}
			if len(taken) <= len(leases) {
				r.breaks("jobs that were refused were not taken when there was room")
			}
		}
	}},
	{"E3", "AJobThatIsTooLargeIsNamed", func(r *rig) {
		if r.h.TooLarge == 0 {
			return
		}
		jobs := r.jobs("a", 3)
		jobs[1].Data = bytes.Repeat([]byte("x"), r.h.TooLarge)
		taken := r.offer(jobs, queue.ErrTooLarge)
		r.same(r.take(2), []queue.Job{jobs[0], jobs[2]})
		r.none(r.quiet(), "the large job was refused")
		if len(taken) != 2 {
			r.breaks("%d of 3 jobs were taken; want 2", len(taken))
		}
	}},
	{"E4", "NothingFollowsARefusedJobInAnOrderedLane", func(r *rig) {
		if r.h.OpenBounded == nil || !r.q.Traits().Ordered {
			return
		}
		r.use(r.h.OpenBounded(r.T, 5))
		jobs := r.ordered("a", 8)
		taken := r.offer(jobs, queue.ErrFull)
		for _, j := range taken {
			r.ack(r.takeOne())
			if j.ID != jobs[0].ID {
				r.breaks("%q was taken after %q had been refused", j.ID, jobs[0].ID)
			}
			jobs = jobs[1:]
		}
	}},
	{"E4", "NothingFollowsALargeJobInAnOrderedLane", func(r *rig) {
		if r.h.TooLarge == 0 || !r.q.Traits().Ordered {
			return
		}
		jobs := r.ordered("a", 3)
		jobs[1].Data = bytes.Repeat([]byte("x"), r.h.TooLarge)
		err := r.q.Enqueue(r.Context(), jobs)
		if queue.ErrorOf(err, 0) != nil || !errors.Is(queue.ErrorOf(err, 1), queue.ErrTooLarge) || queue.ErrorOf(err, 2) == nil {
			r.breaks("Enqueue of a good, a large and a good job returned %v; want that the second is too large and the third refused", err)
		}
	}},
	{"E5", "TheBoundOnJobsIsKept", func(r *rig) {
		if r.h.OpenBounded == nil {
			return
		}
		r.use(r.h.OpenBounded(r.T, 5))
		var taken []queue.Job
		for _, lane := range []string{"a", "b", "c", "a", "b", "c", "a", "b", "c", "d"} {
			taken = append(taken, r.offer(r.jobs(lane, 1), queue.ErrFull)...)
		}
		if len(taken) == 0 || len(taken) > 5 {
			r.breaks("%d jobs were taken; the bound is 5", len(taken))
		}
		leases := r.take(len(taken))
		if again := r.offer(r.jobs("e", 6), queue.ErrFull); len(again)+len(leases) > 5 && !r.q.Traits().AtMostOnce {
			r.breaks("%d jobs were taken beside %d leased ones; the bound is 5", len(again), len(leases))
		}
		r.ack(leases...)
		if again := r.offer(r.jobs("f", 1), queue.ErrFull); len(again) == 0 {
			r.breaks("a job was refused although %d had been acked", len(leases))
		}
	}},
	{"E5", "AJobOfMaxJobBytesIsTaken", func(r *rig) {
		limit := r.q.Traits().MaxJobBytes
		if limit == 0 || limit > 8<<20 {
			return
		}
		j := r.job("a")
		j.Data = bytes.Repeat([]byte("x"), limit)
		r.enqueue(j)
		r.same(r.take(1), []queue.Job{j})
	}},
	{"E5", "ALargeJobIsRefused", func(r *rig) {
		if r.h.TooLarge == 0 {
			return
		}
		j := r.job("a")
		j.Data = bytes.Repeat([]byte("x"), r.h.TooLarge)
		if taken := r.offer([]queue.Job{j}, queue.ErrTooLarge); len(taken) > 0 {
			r.breaks("a job of %d bytes was taken", r.h.TooLarge)
		}
	}},
}

// fresh checks what a first lease looks like.
func (r *rig) fresh(l queue.Lease, before time.Time) {
	r.Helper()
	if l.Attempts != 0 || !l.First.IsZero() {
		r.breaksRule("Lease", "the first lease of %q has Attempts %d and First %v; want 0 and zero", l.ID, l.Attempts, l.First)
	}
	if l.Receipt == "" && !r.q.Traits().AtMostOnce {
		r.breaksRule("Lease", "the lease of %q has no Receipt", l.ID)
	}
	if lease := r.q.Traits().Lease; !r.q.Traits().AtMostOnce && (!l.Until.After(before) || l.Until.After(time.Now().Add(lease))) {
		r.breaksRule("Lease", "the lease of %q ends %v from now; want at most %v", l.ID, time.Until(l.Until), lease)
	}
}

// offer enqueues jobs of which some may be refused with the error want, and returns those that were
// taken.
func (r *rig) offer(jobs []queue.Job, want error) (taken []queue.Job) {
	r.Helper()
	err := r.q.Enqueue(r.Context(), jobs)
	var batch *queue.BatchError
	if err != nil && !errors.As(err, &batch) {
		r.stop("Enqueue returned %v; want a *BatchError", err)
	}
	for i, j := range jobs {
		switch err := queue.ErrorOf(err, i); {
		case err == nil:
			taken = append(taken, j)
		case !errors.Is(err, want):
			r.breaks("Enqueue said of %q: %v; want %v", j.ID, err, want)
		}
	}
	return taken
}
