package redisqueue

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	// pollEvery is how often a Receive that waits looks by itself, in case a wake message was lost
	// or somebody else's Nack made a job due that it does not know of.
	pollEvery = 500 * time.Millisecond

	// staleAfter is how old a look at a partition is when it is repeated. It is less than
	// pollEvery, so that the partitions are looked at together.
	staleAfter = 400 * time.Millisecond

	// probeTimeout is how long a look at several partitions waits for a partition. One that answers
	// later wakes the Receives that wait.
	probeTimeout = 250 * time.Millisecond

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
// and looks by itself twice a second.
//
// When ctx ends while Redis is leasing, it waits for the answer half a second more. The leases of
// an answer that is lost are released by a later Receive of this Queue.
//
// On a cluster of which some masters do not answer, it goes on with the others, and fails only if
// none does.
func (q *Queue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	q.startListening()
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
		if err := q.wait(ctx, woken); err != nil {
			return nil, err
		}
	}
}

// wait returns nil when it is time to look again.
func (q *Queue) wait(ctx context.Context, woken <-chan struct{}) error {
	timer := time.NewTimer(q.pause(time.Now()))
	defer timer.Stop()
	select {
	case <-woken:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-q.life.Done():
		return queue.ErrClosed
	}
}

// pause is how long there is nothing to look for, unless it is woken.
func (q *Queue) pause(now time.Time) time.Duration {
	d := pollEvery
	for _, p := range q.parts {
		d = min(d, p.pause(now))
	}
	return max(d, time.Millisecond)
}

// look takes what is ready and fits into w, from the partitions in turn. It fails if there is
// nothing and none of the partitions answers.
func (q *Queue) look(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	q.maintain()
	q.probeAll(ctx)
	names := q.namesOf(&w)
	var leases []queue.Lease
	left := w
	first := int(q.turn.Add(1) % uint64(len(q.parts)))
	for k := range q.parts {
		p := q.parts[(first+k)%len(q.parts)]
		if left.Max <= 0 || ctx.Err() != nil || p.looking.Load() || !p.mayGive(time.Now()) {
			continue // one that is being looked at hangs, or wakes the Receives that wait
		}
		got := q.take(ctx, p, &left, names[p.number])
		leases = append(leases, got...)
		left = without(left, got)
	}
	if len(leases) > 0 {
		return leases, nil
	}
	return nil, cmp.Or(q.outage(), q.unreadError())
}

// without returns what is left of w after some leases.
func without(w queue.Want, leases []queue.Lease) queue.Want {
	w.Max -= len(leases)
	for i := range leases {
		switch l := &leases[i]; {
		case l.Probe || l.Health == queue.Failing:
			w.MaxFailing--
		case l.Health == queue.Untried:
			w.MaxUntried--
		}
	}
	return w
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

// namesOf sorts the lanes that w names by their partitions.
func (q *Queue) namesOf(w *queue.Want) [][]string {
	names := make([][]string, len(q.parts))
	for name := range w.Lanes {
		n := q.ofLane(name)
		names[n] = append(names[n], name)
	}
	return names
}

// probeAll finds out which partitions have ready jobs, where that is not known. With a single
// partition there is nothing to choose from, and taking tells.
func (q *Queue) probeAll(ctx context.Context) {
	now := time.Now()
	var asked sync.WaitGroup
	n := 0
	for _, p := range q.parts {
		switch {
		case !p.unknown(now):
		case len(q.parts) == 1:
			p.revive()
		case q.startProbe(p, &asked):
			n++
		}
	}
	if n > 0 {
		waitFor(ctx, &asked, probeTimeout)
	}
}

// startProbe starts a look at a partition unless there is one already, and reports whether it did.
func (q *Queue) startProbe(p *partition, asked *sync.WaitGroup) bool {
	if !p.looking.CompareAndSwap(false, true) {
		return false
	}
	if q.begin() != nil {
		p.looking.Store(false)
		return false
	}
	asked.Add(1)
	go func() {
		defer q.work.Done()
		defer asked.Done()
		defer p.looking.Store(false)
		ctx, cancel := context.WithTimeout(q.life, takeTimeout)
		defer cancel()
		q.takeOnce(ctx, p, &queue.Want{}, nil, takeTimeout)
		if p.mayGive(time.Now()) {
			q.wakeups.broadcast()
		}
	}()
	return true
}

// waitFor waits until all is done, ctx has ended or d has passed.
func waitFor(ctx context.Context, all *sync.WaitGroup, d time.Duration) {
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
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
