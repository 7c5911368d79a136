package redisqueue

import (
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/queue"
)

// wake notes that the partition has ready jobs, or that something may have made some ready.
func (p *partition) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakes++
	p.ready = true
}

// revive lets a partition that has failed be taken from again.
func (p *partition) revive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed, p.ready = nil, true
}

// disarm notes that a wake message for the partition may have been missed.
func (p *partition) disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakes++
	p.armed = false
}

// wakesSoFar is what note is told afterwards.
func (p *partition) wakesSoFar() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wakes
}

// note keeps what a look at the partition has told. wakes is wakesSoFar of before the look: what
// has happened since then may not be in the answer.
func (p *partition) note(t taken, err error, wakes uint64) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed, p.looked, p.due = err, now, time.Time{}
	if err != nil {
		p.retry = now.Add(retryAfter)
		p.ready, p.armed = false, false
		return
	}
	if t.due >= 0 {
		p.due = now.Add(t.due)
	}
	p.ready = t.left > 0 || p.wakes != wakes
	p.armed = p.wakes == wakes && (t.left == 0 || len(t.leases) == 0)
}

// mayGive reports whether the partition may have ready jobs, as far as is known here. One that has
// failed is only looked at, which nobody waits for, until it answers.
func (p *partition) mayGive(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed == nil && (p.ready || !p.due.IsZero() && !now.Before(p.due))
}

// unknown reports whether there is a reason to look whether the partition has ready jobs.
func (p *partition) unknown(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return !now.Before(p.retry)
	}
	return !p.ready && (!p.armed || now.Sub(p.looked) >= staleAfter)
}

// pause is how long there is no reason to look at the partition, unless it is woken.
func (p *partition) pause(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.looking.Load():
		return pollEvery
	case p.failed != nil:
		return p.retry.Sub(now)
	case !p.due.IsZero():
		return min(pollEvery, p.due.Sub(now))
	}
	return pollEvery
}

// failure returns what the last look ended with.
func (p *partition) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// deadline is when a call that starts now is given up, by Redis's clock; 0 if that is not known.
func (p *partition) deadline(start time.Time) int64 {
	skew := p.skew.Load()
	if skew == 0 {
		return 0
	}
	return start.Add(takeTimeout).UnixMicro() + skew
}

// remember keeps a call whose answer was lost, unless Redis itself refused it, or it leased
// nothing.
func (p *partition) remember(err error, l lostTake) {
	var refused redis.Error
	if errors.As(err, &refused) || errors.Is(err, queue.ErrClosed) || l.deadline == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lost) < maxLost {
		p.lost = append(p.lost, l)
	}
}

// lostTakes returns the calls whose answers were lost.
func (p *partition) lostTakes() []lostTake {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost[:len(p.lost):len(p.lost)]
}

// forget forgets the calls whose leases were released by a call that ran now, when they could not
// run any more.
func (p *partition) forget(lost []lostTake, now int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var left []lostTake
	for _, l := range p.lost {
		if l.deadline >= now || !slices.Contains(lost, l) {
			left = append(left, l)
		}
	}
	p.lost = left
}
