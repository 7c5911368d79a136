package queuetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// rig is a queue under test, and the rule that is being checked.
type rig struct {
	*testing.T
	h      Harness
	rule   string
	q      queue.Queue
	base   queue.Queue // what q was made of, as the harness opened it
	paired bool        // q is two handles
	made   int         // jobs
}

func newRig(t *testing.T, h Harness, rule string) *rig {
	r := &rig{T: t, h: h, rule: rule}
	r.use(h.Open(t))
	return r
}

// use makes q the queue under test and closes it in the end.
func (r *rig) use(q queue.Queue) {
	r.q, r.base = q, q
	r.closeLater(q)
	if r.paired {
		r.beside()
	}
}

func (r *rig) closeLater(q queue.Queue) {
	r.Cleanup(func() {
		if err := q.Close(); err != nil {
			r.Errorf("Close: %v", err)
		}
	})
}

// breaks reports that the rule was broken.
func (r *rig) breaks(format string, args ...any) {
	r.Helper()
	r.breaksRule(r.rule, format, args...)
}

// breaksRule reports that a rule was broken that is not the check's own.
func (r *rig) breaksRule(rule, format string, args ...any) {
	r.Helper()
	r.Errorf("%s\n%s", fmt.Sprintf(format, args...), quote(rule))
}

// stop is breaks, and ends the check.
func (r *rig) stop(format string, args ...any) {
	r.Helper()
	r.breaks(format, args...)
	r.FailNow()
}

// quote returns the text of a rule.
func quote(rule string) string {
	text, ok := rules[rule]
	if !ok {
		return "See the documentation of " + rule + " in package queue."
	}
	return "Rule " + rule + ": " + text
}

// patience is how long something that must happen is waited for.
func (r *rig) patience() time.Duration {
	return 10*time.Second + 2*r.q.Traits().Lease
}

// quiet is how long nothing must happen.
func (r *rig) quiet() time.Duration {
	return 250 * time.Millisecond
}

// grace is how late a server and a busy machine may be. There is none in virtual time.
func (r *rig) grace() time.Duration {
	if r.h.Virtual {
		return 0
	}
	return 2 * time.Second
}

// sleep waits, in virtual or real time.
func (r *rig) sleep(d time.Duration) {
	<-time.After(d)
}

// job makes a job with a new ID.
func (r *rig) job(lane string) queue.Job {
	r.made++
	id := fmt.Sprintf("%s-%04d", strings.ToLower(r.rule), r.made)
	return queue.Job{ID: id, Lane: lane, Data: []byte(`{"id":"` + id + `","text":"Zoë` + "\u2028\n" + `<&>"}`)}
}

// jobs makes n jobs of one lane.
func (r *rig) jobs(lane string, n int) []queue.Job {
	jobs := make([]queue.Job, n)
	for i := range jobs {
		jobs[i] = r.job(lane)
	}
	return jobs
}

// ordered makes n jobs of one ordered lane.
func (r *rig) ordered(lane string, n int) []queue.Job {
	jobs := r.jobs(lane, n)
	for i := range jobs {
		jobs[i].Ordered = true
	}
	return jobs
}

// enqueue hands jobs over, which must work.
func (r *rig) enqueue(jobs ...queue.Job) {
	r.Helper()
	r.must("Enqueue", r.q.Enqueue(r.Context(), jobs))
}

// must ends the check if a call failed.
func (r *rig) must(call string, err error) {
	r.Helper()
	if err != nil {
		r.stop("%s: %v", call, err)
	}
}

// lost checks that a call was refused for its receipt.
func (r *rig) lost(call string, err error) {
	r.Helper()
	if !errors.Is(err, queue.ErrLeaseLost) {
		r.breaks("%s returned %v; want ErrLeaseLost", call, err)
	}
}

// all wants n jobs of any lane.
func all(n int) queue.Want {
	return queue.Want{Max: n, MaxPerLane: n, MaxUntried: n, MaxFailing: n}
}

// receive calls Receive once, for at most d.
func (r *rig) receive(w queue.Want, d time.Duration) []queue.Lease {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), d)
	defer cancel()
	leases, err := r.q.Receive(ctx, w)
	if err != nil && ctx.Err() == nil {
		r.stop("Receive: %v", err)
	}
	return leases
}

// take receives n jobs, in as many calls as it needs.
func (r *rig) take(n int) []queue.Lease {
	r.Helper()
	deadline := time.Now().Add(r.patience())
	var got []queue.Lease
	for len(got) < n {
		left := time.Until(deadline)
		if left <= 0 {
			r.stop("received %d of %d jobs within %v: %s", len(got), n, r.patience(), ids(got))
		}
		got = append(got, r.receive(all(n-len(got)), left)...)
	}
	return got
}

// takeOne receives one job.
func (r *rig) takeOne() queue.Lease {
	r.Helper()
	return r.take(1)[0]
}

// none checks that there is nothing to receive for d.
func (r *rig) none(d time.Duration, why string) {
	r.Helper()
	if got := r.receive(all(100), d); len(got) > 0 {
		r.stop("%s, but received %s", why, ids(got))
	}
}

// ack settles leases, which must work.
func (r *rig) ack(leases ...queue.Lease) {
	r.Helper()
	r.must("Ack", r.q.Ack(r.Context(), leases))
}

// release gives leases back unused, which must work.
func (r *rig) release(leases ...queue.Lease) {
	r.Helper()
	r.must("Release", r.q.Release(r.Context(), leases))
}

// nack gives a lease back after work, which must work.
func (r *rig) nack(l queue.Lease, delay time.Duration, counted bool) {
	r.Helper()
	nacks := []queue.Nack{{Lease: l, Delay: delay, Counted: counted}}
	r.must("Nack", r.q.Nack(r.Context(), nacks))
}

// same checks that leases are of exactly these jobs, in any order.
func (r *rig) same(leases []queue.Lease, jobs []queue.Job) {
	r.Helper()
	want := make(map[string]queue.Job)
	for _, j := range jobs {
		want[j.ID] = j
	}
	for _, l := range leases {
		j, ok := want[l.ID]
		if !ok {
			r.breaks("received %q, which is not expected, or not twice", l.ID)
			continue
		}
		delete(want, l.ID)
		r.sameJob(l.Job, j)
	}
	for id := range want {
		r.breaks("%q was not received", id)
	}
}

// sameJob checks that a job came through as it was enqueued.
func (r *rig) sameJob(got, want queue.Job) {
	r.Helper()
	if got.ID != want.ID || got.Lane != want.Lane || got.Ordered != want.Ordered || string(got.Data) != string(want.Data) {
		r.breaks("received %+v (data %q); want %+v (data %q)", got, got.Data, want, want.Data)
	}
}

// inOrder checks that leases are of exactly these jobs, in this order unless the store has none.
func (r *rig) inOrder(leases []queue.Lease, jobs []queue.Job) {
	r.Helper()
	r.same(leases, jobs)
	if r.h.Lacks.Order && !jobs[0].Ordered {
		return
	}
	for i, l := range leases {
		if i < len(jobs) && l.ID != jobs[i].ID {
			r.breaks("received in the order %s; want %s", ids(leases), jobIDs(jobs))
			return
		}
	}
}

// ids lists the IDs of leases, for messages.
func ids(leases []queue.Lease) string {
	return list(leases, func(l queue.Lease) string { return l.ID })
}

// jobIDs lists the IDs of jobs, for messages.
func jobIDs(jobs []queue.Job) string {
	return list(jobs, func(j queue.Job) string { return j.ID })
}

func list[T any](items []T, name func(T) string) string {
	const most = 20
	var names []string
	for _, item := range items[:min(most, len(items))] {
		names = append(names, name(item))
	}
	if len(items) > most {
		names = append(names, fmt.Sprintf("and %d more", len(items)-most))
	}
	return "[" + strings.Join(names, " ") + "]"
}
