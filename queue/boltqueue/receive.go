package boltqueue

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// Receive leases ready jobs, one of each lane in turn, and reads their Data from the file.
func (q *Queue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	if w.Max < 1 {
		return nil, fmt.Errorf("boltqueue: Want.Max is %d; it must be at least 1", w.Max)
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		taken, waiter, err := q.takeOrWait(lanes.Want(w))
		if err != nil {
			return nil, err
		}
		if waiter == nil {
			if leases, err := q.deliver(taken); err != nil || len(leases) > 0 {
				return leases, err
			}
			continue
		}
		err = waiter.Until(ctx)
		q.mu.Lock()
		q.index.set.Leave(waiter)
		q.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// takenJob is a job that was just leased. It is still to be read from the file, unless it has an
// ID.
type takenJob struct {
	entry *entry
	slot  slot
	lease queue.Lease
}

func (j *takenJob) unread() bool { return j.lease.ID == "" }

// takeOrWait leases what fits, or returns a waiter that is woken when something may.
func (q *Queue) takeOrWait(w lanes.Want) ([]takenJob, *lanes.Waiter, error) {
	x, now, err := q.begin()
	if err != nil {
		return nil, nil, err
	}
	defer q.end()
	entries := x.set.Take(w, now)
	if len(entries) == 0 {
		return nil, x.set.Wait(w, now), nil
	}
	taken := make([]takenJob, len(entries))
	for i, e := range entries {
		taken[i] = takenJob{entry: e, slot: e.Value, lease: x.lease(e, now)}
		if job, ok := x.recent.take(e.Value.seq); ok {
			taken[i].lease.ID, taken[i].lease.Data = job.id, job.data
		}
	}
	return taken, nil, nil
}

// lease returns the lease of an entry that was just taken, without what only the file knows.
func (x *index) lease(e *entry, now time.Duration) queue.Lease {
	lane := e.Lane()
	l := queue.Lease{
		Job:      queue.Job{Lane: lane.Name, Ordered: lane.Ordered},
		Receipt:  strconv.FormatUint(e.Number(), 36),
		Attempts: e.Attempts(),
		Until:    x.set.Time(e.Until()),
		Health:   queue.Health(lane.Health()),
		Probe:    lane.IsProbe(e),
		Holds:    lane.Holds(),
		Age:      now - e.Enqueued(),
	}
	if first, ok := e.First(); ok {
		l.First = x.set.Time(first)
	}
	return l
}

// deliver reads the jobs that were taken. On an error it gives them back.
func (q *Queue) deliver(taken []takenJob) ([]queue.Lease, error) {
	err := q.noteSuspects(taken)
	var leases []queue.Lease
	if err == nil {
		leases, err = q.read(taken)
	}
	if err != nil {
		q.takeBack(taken)
		return nil, err
	}
	return leases, nil
}

// noteSuspects writes which suspects are handed out.
func (q *Queue) noteSuspects(taken []takenJob) error {
	o := &suspectOp{}
	for i := range taken {
		if taken[i].slot.suspect {
			o.taken = append(o.taken, &taken[i])
		}
	}
	if len(o.taken) == 0 {
		return nil
	}
	return q.do(context.Background(), o)
}

// read completes the leases, from the file where need be. A job that is no longer there was settled
// by a later lease, because this one had ended, and is left out.
func (q *Queue) read(taken []takenJob) ([]queue.Lease, error) {
	if slices.ContainsFunc(taken, func(j takenJob) bool { return j.unread() }) {
		if err := q.view(func(tx *bbolt.Tx) error { return readAll(tx, taken) }); err != nil {
			return nil, err
		}
	}
	leases := make([]queue.Lease, 0, len(taken))
	for i := range taken {
		if !taken[i].unread() {
			leases = append(leases, taken[i].lease)
		}
	}
	return leases, nil
}

func readAll(tx *bbolt.Tx, taken []takenJob) error {
	jobs := tx.Bucket([]byte(jobsBucket))
	for i := range taken {
		if !taken[i].unread() {
			continue
		}
		if _, id, data, err := splitRecord(jobs.Get(key(taken[i].slot.seq))); err == nil {
			taken[i].lease.ID, taken[i].lease.Data = string(id), bytes.Clone(data)
		}
	}
	return nil
}

// takeBack releases leases that were not returned.
func (q *Queue) takeBack(taken []takenJob) {
	x, now, err := q.begin()
	if err != nil {
		return
	}
	defer q.end()
	for _, j := range slices.Backward(taken) {
		if e := j.entry; e.State() == lanes.Leased && e.Number() == receiptNumber(j.lease.Receipt) {
			x.set.Release(e, now)
		}
	}
}

// suspectOp writes the leases of suspects as attempts before they are handed out.
type suspectOp struct {
	taken []*takenJob
	notes []note
}

func (o *suspectOp) admit(x *index, _ time.Duration) bool {
	for _, j := range o.taken {
		e := j.entry
		if e.State() != lanes.Leased || e.Number() != receiptNumber(j.lease.Receipt) {
			continue // the lease has ended, which counts it
		}
		p := x.progress(e)
		p.attempts++
		if p.first == 0 {
			p.first = x.unix(e.Began())
		}
		o.notes = append(o.notes, note{e.Value.seq, p})
	}
	return len(o.notes) > 0
}

func (o *suspectOp) write(t *tables) error               { return t.noteAll(o.notes) }
func (o *suspectOp) finish(*index, time.Duration, error) {}
