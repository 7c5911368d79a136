package redisqueue

import (
	"cmp"
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	// pollEvery is how often a Receive that waits looks by itself, in case a wake message was lost
	// or somebody else's Nack made a job due that it does not know of. It is less than the second of
	// rule R6, and ten nodes ask 16 partitions 240 times a second.
	pollEvery = 700 * time.Millisecond

	// staleAfter is how old a look at a partition is when it is repeated. It is less than
	// pollEvery, so that the partitions are looked at together.
	staleAfter = 650 * time.Millisecond

	// probeTimeout is how long a Receive waits for a partition's answer at least, while others may
	// have jobs. One that answers later wakes the Receives that wait.
	probeTimeout = 500 * time.Millisecond

	// takeGrace is how long an answer is waited for when the caller has gone, and how long what it
	// brings later is kept for the next one.
	takeGrace = 500 * time.Millisecond

	// retryAfter is how long a partition that failed is left alone.
	retryAfter = 200 * time.Millisecond

	// maintainEvery is how often a receiver runs maintain.
	maintainEvery = time.Minute

	// sweepEvery is how often maintain forgets lanes, which it does when they have had no jobs for
	// laneAge (rule H6).
	sweepEvery = time.Hour
	laneAge    = 24 * time.Hour
)

// Receive leases ready jobs, and waits until there is one. While it waits it is woken by a message,
// and looks by itself every 0.7 seconds. The partitions are asked side by side. It takes no more
// data than the link to Redis carries in about a second, or a single job.
//
// When ctx ends while Redis is leasing, it waits for the answer half a second more. What comes
// later is returned by the next Receive of this Queue, or given back if there is none soon. The
// leases of an answer that is lost are released by a later Receive.
//
// On a cluster of which some masters do not answer, it goes on with the others, and fails only if
// none does.
func (q *Queue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	q.startListening()
	q.kept.enter()
	defer q.kept.exit()
	for {
		if err := q.alive(); err != nil {
			return nil, err
		}
		woken := q.wakeups.wait()
		leases, err := q.look(ctx, w)
		switch {
		case len(leases) > 0:
			return leases, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, err
		}
		if leases, err = q.wait(ctx, woken, w); len(leases) > 0 || err != nil {
			return leases, err
		}
	}
}

// wait returns nothing when it is time to look again, or what an Enqueue has leased for w meanwhile.
func (q *Queue) wait(ctx context.Context, woken <-chan struct{}, w queue.Want) (leases []queue.Lease, err error) {
	timer := time.NewTimer(q.pause(time.Now()))
	defer timer.Stop()
	l := q.loans.offer(w)
	select {
	case leases = <-l.answer:
		return leases, nil
	case <-woken:
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	case <-q.life.Done():
		err = queue.ErrClosed
	}
	if q.loans.withdraw(l) {
		return nil, err
	}
	timer.Reset(probeTimeout)
	select {
	case leases = <-l.answer:
	case <-timer.C:
		leases = q.loans.leave(l)
	case <-q.life.Done():
		leases = q.loans.leave(l)
	}
	if len(leases) > 0 {
		return leases, nil
	}
	return nil, err
}

// pause is how long there is nothing to look for, unless it is woken.
func (q *Queue) pause(now time.Time) time.Duration {
	d := pollEvery
	for _, p := range q.parts {
		d = min(d, p.pause(now))
	}
	return max(d, time.Millisecond)
}

// look takes what is ready and fits into w. It fails if there is nothing and none of the partitions
// answers.
func (q *Queue) look(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	q.maintain()
	if leases := q.takeKept(&w); len(leases) > 0 {
		return leases, nil
	}
	l := q.newLook(&w)
	for l.round(ctx) {
	}
	if len(l.leases) > 0 {
		return l.leases, nil
	}
	return nil, cmp.Or(q.outage(), q.unreadError())
}

// outage returns an error if no partition answers.
func (q *Queue) outage() error {
	var err error
	for _, p := range q.parts {
		if err = p.failure(); err == nil {
			return nil
		}
	}
	return err
}

// maintain checks once a minute that the layout is stored, which an operator's FLUSHALL takes away,
// and drops dead letters that have become too old. Once an hour it forgets the lanes that have had
// no jobs for a day.
func (q *Queue) maintain() {
	now, last := time.Now().UnixNano(), q.maintained.Load()
	if now-last < int64(maintainEvery) || !q.maintained.CompareAndSwap(last, now) || last == 0 || q.begin() != nil {
		return
	}
	go func() {
		defer q.work.Done()
		ctx, cancel := context.WithTimeout(q.life, maintainEvery)
		defer cancel()
		if q.checkLayout(ctx) != nil {
			return
		}
		_, _ = q.counts(ctx)
		if swept := q.swept.Load(); now-swept > int64(sweepEvery) && q.swept.CompareAndSwap(swept, now) {
			_, _ = gather(ctx, q, func(p *partition) (any, error) { return nil, q.sweep(ctx, p, laneAge) })
		}
	}()
}
