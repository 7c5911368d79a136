package redisqueue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// kept holds leases that came when their Receive had gone. The next Receive returns them, and if
// there is none for takeGrace, they are given back.
type kept struct {
	mu      sync.Mutex
	leases  []queue.Lease
	timer   *time.Timer
	waiting int // Receives under way
}

// enter notes that a Receive has begun, and exit that it has ended.
func (k *kept) enter() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting++
}

func (k *kept) exit() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting--
	if k.waiting == 0 && len(k.leases) > 0 {
		k.timer.Reset(takeGrace)
	}
}

// keep keeps leases for the next Receive.
func (q *Queue) keep(leases []queue.Lease) {
	if len(leases) == 0 {
		return
	}
	q.kept.mu.Lock()
	defer q.kept.mu.Unlock()
	q.kept.leases = append(q.kept.leases, leases...)
	if q.kept.timer == nil {
		q.kept.timer = time.AfterFunc(takeGrace, func() { q.giveBack(q.kept.abandoned()) })
	} else {
		q.kept.timer.Reset(takeGrace)
	}
}

// abandoned returns what is kept if there is no Receive that could return it, and forgets it.
func (k *kept) abandoned() []queue.Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.waiting > 0 {
		return nil
	}
	leases := k.leases
	k.leases = nil
	return leases
}

// all returns what is kept, and forgets it.
func (k *kept) all() []queue.Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	leases := k.leases
	k.leases = nil
	return leases
}

// takeKept returns the kept leases that fit into w, and gives the others back.
func (q *Queue) takeKept(w *queue.Want) []queue.Lease {
	kept := q.kept.all()
	if len(kept) == 0 {
		return nil
	}
	left, got := *w, make(map[string]int)
	var fit, rest []queue.Lease
	for _, l := range kept {
		switch {
		case time.Until(l.Until) <= 0: // it has ended by itself
		case left.Max > 0 && got[l.Lane] < w.Limit(l.Lane) && allowed(&left)&ring(healthOf(&l)) != 0:
			got[l.Lane]++
			left = without(left, &l)
			fit = append(fit, l)
		default:
			rest = append(rest, l)
		}
	}
	q.giveBack(rest)
	return fit
}

// giveBack releases leases in the background, until Redis has answered or they have ended by
// themselves. Their partitions are not asked meanwhile, so that later jobs of their lanes do not
// overtake them.
func (q *Queue) giveBack(leases []queue.Lease) {
	if len(leases) == 0 || q.begin() != nil {
		return
	}
	parts := make(map[*partition]bool)
	for i := range leases {
		parts[q.parts[q.ofLane(leases[i].Lane)]] = true
	}
	for p := range parts {
		p.leave(1)
	}
	go func() {
		defer q.work.Done()
		q.releaseAll(leases)
		for p := range parts {
			p.leave(-1)
			p.wake()
		}
		q.wakeups.broadcast()
	}()
}

// releaseAll releases leases, and repeats what fails until they have ended.
func (q *Queue) releaseAll(leases []queue.Lease) {
	ctx, cancel := context.WithDeadline(q.life, leases[0].Until)
	defer cancel()
	for pause := retryAfter; ctx.Err() == nil; pause *= 2 {
		leases = failedOf(leases, q.Release(ctx, leases))
		if len(leases) == 0 {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// failedOf returns the leases of which it is not known whether they were released.
func failedOf(leases []queue.Lease, err error) []queue.Lease {
	var failed []queue.Lease
	for i := range leases {
		if e := queue.ErrorOf(err, i); e != nil && !errors.Is(e, queue.ErrLeaseLost) {
			failed = append(failed, leases[i])
		}
	}
	return failed
}
