package scheduler

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// A Receive can skip no more than queue.MaxNamed lanes. Where more of them can begin nothing, such
// as thousands with a rate limit and a backlog, the queue goes on to return their jobs. Such a task
// is surplus: it is put off until its lane can use it, so that it is not returned again and again.
// Where the lanes are each process's own, the queue keeps in the process what is released, which
// costs its store nothing, and the pause alone bounds it.
const (
	// maxPutOff bounds for how long. Other processes do not see the job meanwhile.
	maxPutOff = time.Minute

	// surplusPause is what a poller waits for each surplus job, before it receives again. It bounds
	// what a large backlog costs while most of it is put off.
	surplusPause = 100 * time.Microsecond

	// surplusMax is how many jobs are received at once, so that the pause is short.
	surplusMax = 500
)

// manyFull reports whether a Receive cannot skip all lanes that may get no more tasks.
func (s *Scheduler) manyFull() bool { return s.full.len > queue.MaxNamed }

// surplus reports whether a task that may not stay is surplus.
func (s *Scheduler) surplus(t *Task, now time.Time) bool {
	l := t.lane
	return s.manyFull() && !s.suspicion.on && !l.held && !t.Lease.Probe && l.left(now, s.share(now), s.perWork) == 0
}

// putOff returns for how long a surplus job of the lane is put off. Each one comes back when it
// could begin after those that were put off before it.
func (l *lane) putOff(now time.Time) time.Duration {
	step := l.interval(now)
	at := l.putOffUntil.Add(step)
	if first := l.roomAt(now).Add(step / 2); at.Before(first) { // not before the room is there
		at = first
	}
	if last := now.Add(maxPutOff); at.After(last) {
		at = last
	}
	l.putOffUntil = at
	return at.Sub(now)
}

// roomAt returns when the lane, which is full, may get another task.
func (l *lane) roomAt(now time.Time) time.Time {
	switch {
	case now.Before(l.ownUntil):
		return l.ownUntil
	case l.rate.limits():
		return l.rate.next(now)
	}
	return now
}

// interval returns the time between two attempts of a lane that is full.
func (l *lane) interval(now time.Time) time.Duration {
	if l.rate.limits() {
		return time.Duration(min(float64(maxPutOff), float64(time.Second)/l.rate.perSecond))
	}
	took := l.latency
	if l.attempts.len > 0 {
		took = max(took, now.Sub(l.attempts.front.item.began))
	}
	return min(maxPutOff, max(prefetchTime, took/time.Duration(max(1, l.concurrency))))
}

// putOff gives back surplus tasks, each for its time.
func (s *Scheduler) putOff(tasks []*Task) {
	s.giveBack(tasks, func(ctx context.Context, tasks []*Task) error {
		nacks := make([]queue.Nack, len(tasks))
		for i, t := range tasks {
			nacks[i] = queue.Nack{Lease: t.Lease, Delay: t.delay}
		}
		return s.q.Nack(ctx, nacks)
	})
}
