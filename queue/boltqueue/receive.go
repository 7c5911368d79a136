package boltqueue

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/queue"
)

// Receive leases ready jobs, one of each lane in turn, and reads their Data from the file.
func (q *Queue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	if w.Jobs < 1 {
		return nil, fmt.Errorf("boltqueue: Want.Jobs is %d; it must be at least 1", w.Jobs)
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		loans, wait, err := q.lend(&w)
		if err != nil {
			return nil, err
		}
		if len(loans) > 0 {
			if leases, err := q.deliver(loans); err != nil || len(leases) > 0 {
				return leases, err
			}
			continue
		}
		if err := wait.until(ctx); err != nil {
			return nil, err
		}
	}
}

// loan is a lease whose job is still to be read, unless it has an ID.
type loan struct {
	entry *entry
	seq   uint64
	lease queue.Lease
	note  bool // write it down before it is handed out
}

// loan makes the loan of a leased entry.
func (x *index) loan(e *entry) loan {
	l := loan{entry: e, seq: e.seq, note: e.suspect, lease: x.terms(e)}
	if job, ok := x.recent.take(e.seq); ok {
		l.lease.ID, l.lease.Data = job.id, job.data
	}
	return l
}

// wait is what a Receive waits for when nothing fits.
type wait struct {
	signal <-chan struct{}
	timer  time.Duration // when the next delay or lease ends; 0 for never
}

func (w wait) until(ctx context.Context) error {
	var due <-chan time.Time
	if w.timer > 0 {
		timer := time.NewTimer(w.timer)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-w.signal:
	case <-due:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// lend leases what fits, or says what to wait for.
func (q *Queue) lend(w *queue.Want) ([]loan, wait, error) {
	x, err := q.begin()
	if err != nil {
		return nil, wait{}, err
	}
	defer q.end()
	picked := x.pick(w, q.opts.Lease)
	if len(picked) == 0 {
		x.waiting = true
		return nil, wait{signal: x.signal, timer: x.next()}, nil
	}
	loans := make([]loan, len(picked))
	for i, e := range picked {
		loans[i] = x.loan(e)
	}
	return loans, wait{}, nil
}

// next is how long it takes until a delay or a lease ends, 0 if there is none.
func (x *index) next() time.Duration {
	if len(x.timers) == 0 {
		return 0
	}
	return max(1, time.Duration(x.timers[0].at-x.now()))
}

// terms returns an entry's lease without what the file knows.
func (x *index) terms(e *entry) queue.Lease {
	l := queue.Lease{
		Receipt:  strconv.FormatUint(e.lease, 36),
		Attempts: int(e.attempts),
		Until:    x.base.Add(time.Duration(e.at)),
	}
	if !e.fresh {
		l.First = unixTime(e.first)
	}
	l.Lane = e.lane.name
	l.Ordered = e.lane.ordered
	return l
}

// deliver reads the jobs of the loans. On an error it takes the loans back.
func (q *Queue) deliver(loans []loan) ([]queue.Lease, error) {
	err := q.note(loans)
	var leases []queue.Lease
	if err == nil {
		leases, err = q.read(loans)
	}
	if err != nil {
		q.takeBack(loans)
		return nil, err
	}
	return leases, nil
}

// note writes down which suspects are handed out.
func (q *Queue) note(loans []loan) error {
	o := &noteOp{suspect: true}
	for i := range loans {
		if loans[i].note {
			o.entries = append(o.entries, loans[i].entry)
		}
	}
	if len(o.entries) == 0 {
		return nil
	}
	return q.do(context.Background(), o)
}

// read completes the leases, from the file where need be. A job that is no longer there was settled by somebody
// who received it after this lease had ended, and is left out.
func (q *Queue) read(loans []loan) ([]queue.Lease, error) {
	if slices.ContainsFunc(loans, loan.unread) {
		if err := q.view(func(tx *bbolt.Tx) error { return readAll(tx, loans) }); err != nil {
			return nil, err
		}
	}
	leases := make([]queue.Lease, 0, len(loans))
	for i := range loans {
		if !loans[i].unread() {
			leases = append(leases, loans[i].lease)
		}
	}
	return leases, nil
}

func (l loan) unread() bool { return l.lease.ID == "" }

func readAll(tx *bbolt.Tx, loans []loan) error {
	jobs, data := tx.Bucket([]byte(jobsBucket)), tx.Bucket([]byte(dataBucket))
	for i := range loans {
		if !loans[i].unread() {
			continue
		}
		k := key(loans[i].seq)
		if r, err := decodeRecord(jobs.Get(k)); err == nil {
			loans[i].lease.ID, loans[i].lease.Data = r.id, bytes.Clone(data.Get(k))
		}
	}
	return nil
}

// takeBack releases leases that nobody was told of.
func (q *Queue) takeBack(loans []loan) {
	x, err := q.begin()
	if err != nil {
		return
	}
	defer q.end()
	for _, l := range slices.Backward(loans) {
		if e := l.entry; e.state == leased && strconv.FormatUint(e.lease, 36) == l.lease.Receipt {
			x.release(e)
		}
	}
}
