package redisqueue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	// takeTimeout is how long Redis has to lease jobs. A call that it comes to later does nothing.
	takeTimeout = 2 * time.Second

	// takeGrace is how long an answer is waited for when the caller has gone.
	takeGrace = 500 * time.Millisecond

	// maxTake is how many jobs one script leases. Nobody has more workers than that.
	maxTake = 2000

	// maxNamed is how many lanes are named to one script.
	maxNamed = 500
)

// taken is what a take script has answered.
type taken struct {
	leases []queue.Lease
	now    int64         // Redis's clock, in microseconds
	due    time.Duration // until the next delay or lease ends; negative: there is none
	left   int           // lanes left in the ring
}

// take leases what is ready in p and fits into w. names are the lanes of p that w names. A failure is noted in p.
func (q *Queue) take(ctx context.Context, p *partition, w *queue.Want, names []string) []queue.Lease {
	if len(names) > maxNamed {
		narrowed, err := q.narrow(ctx, p, w)
		if err != nil {
			p.note(taken{}, err, 0)
			return nil
		}
		w, names = &narrowed, lanesOf(&narrowed)
	}
	if p.skew.Load() == 0 { // the deadline needs Redis's clock
		q.takeOnce(ctx, p, &queue.Want{}, nil, q.patience())
		if p.failure() != nil {
			return nil
		}
	}
	return q.takeOnce(ctx, p, w, names, q.patience())
}

// patience is how long a Receive waits for one partition, while others may have jobs.
func (q *Queue) patience() time.Duration {
	if len(q.parts) == 1 {
		return takeTimeout
	}
	return takeTimeout / 4
}

// takeOnce runs the take script, waits so long for its answer, and notes in p what it says.
func (q *Queue) takeOnce(ctx context.Context, p *partition, w *queue.Want, names []string, patience time.Duration) []queue.Lease {
	start, wakes := time.Now(), p.wakesSoFar()
	token := q.name + "-" + strconv.FormatUint(q.calls.Add(1), 36)
	deadline := p.deadline(start)
	orphans := p.lost()
	args := q.takeArgs(w, names, token, deadline, orphans)

	// The call does not end with ctx: its answer would be lost, and with it the leases.
	patient, stop := linger(ctx, patience)
	defer stop()
	t, err := await(patient, q, func() (taken, error) {
		running, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeTimeout)
		defer cancel()
		answer, err := q.eval(running, takeScript, p, args)
		if err != nil {
			return taken{}, err
		}
		return q.readTaken(running, p, answer, token, start.Add(q.opts.Lease))
	})
	if err != nil {
		p.adopt(err, orphan{token, deadline})
		p.note(taken{}, err, wakes)
		return nil
	}
	p.skew.Store(t.now - time.Now().UnixMicro())
	p.disowned(orphans, t.now)
	p.note(t, nil, wakes)
	return t.leases
}

// linger returns a context that ends after d, or a moment after ctx.
func linger(ctx context.Context, d time.Duration) (context.Context, func()) {
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(takeGrace, cancel) })
	return patient, func() {
		stop()
		cancel()
	}
}

func (q *Queue) takeArgs(w *queue.Want, names []string, token string, deadline int64, orphans []orphan) []any {
	args := make([]any, 0, 10+3*len(names)+len(orphans))
	args = append(args, token, q.opts.Lease.Microseconds(), deadline, min(w.Jobs, maxTake), w.Lane, w.Cold, flag(q.opts.AtMostOnce))
	args = append(args, q.marking()...)
	args = append(args, len(names))
	for _, name := range names {
		l := w.Lanes[name]
		args = append(args, name, l.Jobs, flag(l.Warm))
	}
	for _, o := range orphans {
		args = append(args, o.token)
	}
	return args
}

// readTaken reads the answer of the take script, and the data of the jobs that it leased.
func (q *Queue) readTaken(ctx context.Context, p *partition, answer any, token string, until time.Time) (taken, error) {
	list, _ := answer.([]any)
	if len(list) < 6 {
		return taken{due: -1}, nil
	}
	began, _ := list[0].(string)
	t := taken{now: int64(number(began)), due: time.Duration(number(list[1])) * time.Microsecond, left: number(list[2])}
	ids, lanes, tries := texts(list[3]), texts(list[4]), texts(list[5])
	data, err := q.data(ctx, p, ids, list[6:])
	if err != nil {
		return t, err
	}
	t.leases = make([]queue.Lease, len(ids))
	for i, id := range ids {
		l := &t.leases[i]
		l.Job, l.Until = readJob(id, lanes[i], data[i]), until
		l.Receipt = newReceipt(token, began, &l.Job)
		if len(tries) > 0 {
			l.Attempts, l.First = readTries(&tries[i])
		}
	}
	return t, nil
}

// data returns the data of jobs: what came with them if something did, else what Redis has. A job whose data is gone, which
// only an eviction or a stranger can cause, has none.
func (q *Queue) data(ctx context.Context, p *partition, ids []string, came []any) ([]string, error) {
	switch {
	case len(came) > 0:
		return texts(came[0]), nil
	case len(ids) == 0:
		return nil, nil
	}
	values, err := q.client.HMGet(ctx, p.data(), ids...).Result()
	if err != nil {
		// Not wrapped, because this is no refusal of Redis to lease: the jobs are leased.
		return nil, fmt.Errorf("redisqueue: read jobs: %s", err.Error())
	}
	return texts(values), nil
}

// narrow turns a Want that names too many lanes into one that names just those that have jobs and may give some.
func (q *Queue) narrow(ctx context.Context, p *partition, w *queue.Want) (queue.Want, error) {
	narrowed := queue.Want{Jobs: w.Jobs, Cold: w.Cold, Lanes: make(map[string]queue.Limit)}
	jobs, cold := w.Jobs, w.Cold // what is still to be found
	for from := 0; ; from += maxNamed {
		answer, err := await(ctx, q, func() (any, error) {
			return q.eval(ctx, lanesScript, p, []any{from, maxNamed})
		})
		if err != nil {
			return narrowed, err
		}
		page := texts(answer)
		for _, l := range page {
			name := l[1:]
			n, isCold := w.Of(name)
			if n <= 0 || jobs <= 0 || isCold && cold <= 0 {
				continue
			}
			narrowed.Lanes[name] = queue.Limit{Jobs: n, Warm: !isCold}
			jobs-- // a lane of the ring has one at least
			if isCold {
				cold--
			}
		}
		if len(page) < maxNamed || jobs <= 0 {
			return narrowed, nil
		}
	}
}

func lanesOf(w *queue.Want) []string {
	names := make([]string, 0, len(w.Lanes))
	for name := range w.Lanes {
		names = append(names, name)
	}
	return names
}
