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
	p.ready = allRings
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

// note keeps what a call has told of the partition. wakes is wakesSoFar of before the call: what
// has happened since then may not be in the answer.
func (p *partition) note(t taken, err error, wakes uint64) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed, p.looked, p.due = err, now, time.Time{}
	if err != nil {
		p.retry = now.Add(retryAfter)
		p.ready, p.armed = 0, false
		return
	}
	if t.due >= 0 {
		p.due = now.Add(t.due)
	}
	p.ready = t.left
	if p.wakes != wakes {
		p.ready = allRings
	}
	p.armed = p.wakes == wakes && (t.left == 0 || len(t.leases) == 0)
}

// mayGive returns the rings that may have lanes, as far as is known here, and whether that is known
// well enough. If it is not, the caller asks, and others need not. A partition that has failed is
// asked again after a while, and one that hangs is not. What a caller has asked already, it knows.
func (p *partition) mayGive(now time.Time, asked bool) (open rings, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.left > 0 || p.failed != nil && (asked || now.Before(p.retry)):
		return 0, true
	case p.failed != nil:
		p.retry = now.Add(retryAfter)
		return allRings, false
	case asked || p.armed && now.Sub(p.looked) < staleAfter:
		if !p.due.IsZero() && !now.Before(p.due) {
			return allRings, true
		}
		return p.ready, true
	}
	p.looked = now
	if p.armed || p.ready == 0 {
		return allRings, false
	}
	return p.ready, false
}

// pause is how long there is no reason to ask the partition, unless it is woken.
func (p *partition) pause(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.left > 0:
		return pollEvery
	case p.failed != nil:
		return p.retry.Sub(now)
	}
	d := p.looked.Add(pollEvery).Sub(now)
	if !p.due.IsZero() {
		d = min(d, p.due.Sub(now))
	}
	return d
}

// leave notes that nobody waits for n more of its calls, or for fewer if n is negative.
func (p *partition) leave(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left += n
}

// failure returns what the last look ended with.
func (p *partition) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// deadline is when a call that starts now is given up, by Redis's clock; 0 if that is not known.
func (p *partition) deadline(start time.Time, timeout time.Duration) int64 {
	skew := p.skew.Load()
	if skew == 0 {
		return 0
	}
	return start.Add(timeout).UnixMicro() + skew
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
