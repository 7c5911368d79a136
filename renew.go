package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// renewSoon is how soon a renewal that failed is repeated.
const renewSoon = time.Second

// renew extends the leases of all tasks, begun or waiting, every third of a lease's time. One that can't be extended
// is tried again until it ends; only then is its attempt cancelled.
func (p *pool) renew() {
	lease := p.e.traits.Lease
	timer := time.NewTimer(lease / 3)
	defer timer.Stop()
	for {
		select {
		case <-p.settling.Done():
			return
		case <-timer.C:
		}
		pause := lease / 3
		if tasks := p.held(); !p.extend(tasks) {
			pause = min(pause, renewSoon, p.untilEnd(tasks))
		}
		timer.Reset(pause)
	}
}

// untilEnd returns how long it is until the first lease of those tasks ends that has not ended yet.
func (p *pool) untilEnd(tasks []*task) time.Duration {
	now, left := time.Now(), settleTime
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range tasks {
		if d := t.until.Sub(now); d > 0 {
			left = min(left, d)
		}
	}
	return left
}

// held returns all tasks.
func (p *pool) held() []*task {
	p.mu.Lock()
	defer p.mu.Unlock()
	tasks := append([]*task(nil), p.waiting...)
	for l := range p.active {
		tasks = append(tasks, l.running...)
	}
	return tasks
}

// extend extends the leases of tasks and reports whether all of them could be.
func (p *pool) extend(tasks []*task) bool {
	if len(tasks) == 0 {
		return true
	}
	leases := make([]queue.Lease, len(tasks))
	for i, t := range tasks {
		leases[i] = t.lease
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(p.settling, p.untilEnd(tasks)) // a queue that hangs must not hide that a lease ends
	defer cancel()
	err := p.e.queue.Extend(ctx, leases)
	if err != nil {
		p.e.log.queueTrouble("extend", 1, err)
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, t := range tasks {
		switch err := queue.ErrorOf(err, i); {
		case err == nil:
			t.until = began.Add(p.e.traits.Lease)
		case errors.Is(err, queue.ErrLeaseLost) || !now.Before(t.until):
			t.lose()
		}
	}
	return err == nil
}

// lose notes that somebody else may have the job now, and cancels the attempt. The pool is locked.
func (t *task) lose() {
	t.lost = true
	if t.cancel != nil {
		t.cancel()
	}
}
