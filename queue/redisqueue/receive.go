package redisqueue

import (
	"context"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	// pollEvery is how often a Receive that waits looks by itself, in case a wake message was lost or somebody else's
	// Nack made a job due that it does not know of.
	pollEvery = 500 * time.Millisecond

	// staleAfter is how old a look at a partition is when it is repeated. It is less than pollEvery, so that the partitions
	// are looked at together.
	staleAfter = 400 * time.Millisecond

	// surveyPatience is how long a survey waits for a partition. One that answers later rings the bell.
	surveyPatience = 250 * time.Millisecond

	// retryAfter is how long a partition that failed is left alone.
	retryAfter = 200 * time.Millisecond

	// tendEvery is how often a receiver looks after what nobody else does.
	tendEvery = time.Minute
)

// Receive leases ready jobs, and waits until there is one. While it waits it is woken by a message, and looks by itself
// twice a second.
//
// When ctx ends while Redis is leasing, it waits for the answer half a second more. The leases of an answer that is lost
// are released by a later Receive of this Queue.
//
// On a cluster of which some masters do not answer, it goes on with the others, and fails only if none does.
func (q *Queue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	q.startListening()
	for {
		if err := q.alive(); err != nil {
			return nil, err
		}
		rung := q.bell.wait()
		leases, err := q.look(ctx, w)
		switch {
		case len(leases) > 0:
			return leases, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, err
		}
		if err := q.wait(ctx, rung); err != nil {
			return nil, err
		}
	}
}

// wait returns nil when it is time to look again.
func (q *Queue) wait(ctx context.Context, rung <-chan struct{}) error {
	timer := time.NewTimer(q.pause(time.Now()))
	defer timer.Stop()
	select {
	case <-rung:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-q.life.Done():
		return queue.ErrClosed
	}
}

// pause is how long there is nothing to look for, unless the bell rings.
func (q *Queue) pause(now time.Time) time.Duration {
	d := pollEvery
	for _, p := range q.parts {
		d = min(d, p.pause(now))
	}
	return max(d, time.Millisecond)
}

// look takes what is ready and fits into w, from the partitions in turn. It fails if there is nothing and none of the
// partitions answers.
func (q *Queue) look(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	q.tend()
	q.survey(ctx)
	names := q.named(&w)
	var leases []queue.Lease
	left := w
	first := int(q.turn.Add(1) % uint64(len(q.parts)))
	for k := range q.parts {
		p := q.parts[(first+k)%len(q.parts)]
		if left.Jobs <= 0 || ctx.Err() != nil || p.looking.Load() || !p.mayGive(time.Now()) {
			continue // one that is still being looked at hangs, or rings the bell
		}
		got := q.take(ctx, p, &left, names[p.number])
		leases = append(leases, got...)
		left.Jobs -= len(got)
		for i := range got {
			if !w.Lanes[got[i].Lane].Warm {
				left.Cold--
			}
		}
	}
	if len(leases) > 0 {
		return leases, nil
	}
	return nil, q.outage()
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

// named sorts the lanes that w names by their partitions, without those that it treats like any other.
func (q *Queue) named(w *queue.Want) [][]string {
	names := make([][]string, len(q.parts))
	for name, l := range w.Lanes {
		if l.Jobs != w.Lane || l.Warm {
			n := q.ofLane(name)
			names[n] = append(names[n], name)
		}
	}
	return names
}

// survey finds out which partitions have ready jobs, where that is not known. With a single partition there is nothing to
// choose from, and taking tells.
func (q *Queue) survey(ctx context.Context) {
	now := time.Now()
	var asked sync.WaitGroup
	n := 0
	for _, p := range q.parts {
		switch {
		case !p.unknown(now):
		case len(q.parts) == 1:
			p.revive()
		case q.startPeek(p, &asked):
			n++
		}
	}
	if n > 0 {
		waitFor(ctx, &asked, surveyPatience)
	}
}

// startPeek starts a look at a partition unless there is one already, and says whether it did.
func (q *Queue) startPeek(p *partition, asked *sync.WaitGroup) bool {
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
			q.bell.ring()
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

// tend checks once a minute that the number of partitions is stored, which an operator's FLUSHALL takes away, and drops
// dead letters that have become too old.
func (q *Queue) tend() {
	now, last := time.Now().UnixNano(), q.tended.Load()
	if now-last < int64(tendEvery) || !q.tended.CompareAndSwap(last, now) || last == 0 || q.begin() != nil {
		return
	}
	go func() {
		defer q.work.Done()
		ctx, cancel := context.WithTimeout(q.life, takeTimeout)
		defer cancel()
		if q.pin(ctx) == nil {
			_, _ = q.counts(ctx)
		}
	}()
}
