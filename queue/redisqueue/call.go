package redisqueue

import (
	"context"
	"sync"
	"time"
)

// call is a partition to ask.
type call struct {
	p        *partition
	open     rings // that may have lanes
	known    bool  // what it has
	share          // of what is left
	answered bool  // its Receive has the answer
	*flight
}

// flight is a call under way.
type flight struct {
	mu    sync.Mutex
	state flightState
	lost  *lostTake // what was sent
	until time.Time // when its answer is given up
}

type flightState int

const (
	notSent flightState = iota
	sent
	landed
	givenUp
)

// send notes that a take script is sent.
func (f *flight) send(l *lostTake, until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state, f.lost, f.until = sent, l, until
}

// land notes that a take script was answered or has failed, and reports whether that is of use.
func (f *flight) land() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state == givenUp {
		return false
	}
	f.state = landed
	return true
}

// giveUp returns what was sent if its answer is overdue. It is not used then.
func (f *flight) giveUp(now time.Time) *lostTake {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state != sent || now.Before(f.until) {
		return nil
	}
	f.state = givenUp
	return f.lost
}

func (f *flight) isGivenUp() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state == givenUp
}

// leave leaves the calls behind that were not answered. What they bring is kept for the next
// Receive.
func (q *Queue) leave(calls []call, answers <-chan answer) {
	var left []*call
	for i := range calls {
		if !calls[i].answered {
			calls[i].p.leave(1)
			left = append(left, &calls[i])
		}
	}
	go q.attend(left, answers) // ends when the calls do, for which Close waits
}

// overdueEvery is how often it is looked whether answers are overdue. Clients need not notice that.
const overdueEvery = 250 * time.Millisecond

// attend waits for the answers of calls that their Receive has left, or until they are overdue.
func (q *Queue) attend(left []*call, answers <-chan answer) {
	tick := time.NewTicker(overdueEvery)
	defer tick.Stop()
	for n := len(left); n > 0; {
		select {
		case a := <-answers:
			if a.call.isGivenUp() {
				continue
			}
			n--
			a.call.p.leave(-1)
			q.keep(a.leases)
		case now := <-tick.C:
			overdue := q.giveUp(left, now)
			if overdue == 0 {
				continue
			}
			n -= overdue
		}
		q.wakeups.broadcast()
	}
}

// giveUp gives up those of the calls that are overdue, and returns how many they are.
func (q *Queue) giveUp(left []*call, now time.Time) (n int) {
	for _, c := range left {
		if l := c.flight.giveUp(now); l != nil {
			n++
			c.p.leave(-1)
			q.failed(c.p, l, context.DeadlineExceeded, c.bytes, takeTimeout, c.p.wakesSoFar())
		}
	}
	return n
}
