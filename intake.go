package webhook

import (
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// want returns what may be received now, and sets the alarm for when that changes by itself.
func (p *pool) want(now time.Time) queue.Want {
	most := p.most(now)
	p.restLanes(now, most)
	w := queue.Want{Lane: firstShare, Cold: p.workers + p.coldMost(), Lanes: p.shut.limits(now)}
	ready, alarm := 0, p.shut.opens
	for l := range p.active {
		n := l.limit(now, most)
		if at := l.changes(now); !at.IsZero() && (alarm.IsZero() || at.Before(alarm)) {
			alarm = at
		}
		ready += max(0, min(l.waiting, n-len(l.running)))
		if l.proven && l.limiter == nil {
			n *= 2 // one share ahead
		}
		if !l.proven {
			w.Cold -= len(l.running) + l.waiting
		}
		w.Lanes[l.name] = queue.Limit{Jobs: max(0, n-len(l.running)-l.waiting), Warm: l.proven}
	}
	w.Cold = max(0, w.Cold)
	w.Jobs = min(2*p.workers-p.running-ready, heldFactor*p.workers-len(p.waiting))
	p.tooFew = w.Cold == 0
	p.setAlarm(alarm, now)
	return w
}

// restLanes takes lanes without tasks out of the active ones: they need no naming, or are shut until a time.
func (p *pool) restLanes(now time.Time, most int) {
	for l := range p.active {
		if !l.quiet() {
			continue
		}
		switch at := l.changes(now); {
		case at.IsZero():
			delete(p.active, l)
		case l.limit(now, most) == 0:
			p.shut.add(l, at)
			delete(p.active, l)
		}
	}
}

func (p *pool) setAlarm(at, now time.Time) {
	switch {
	case at.IsZero():
	case p.alarm == nil:
		p.alarm = time.AfterFunc(at.Sub(now), p.ring)
	default:
		p.alarm.Reset(at.Sub(now))
	}
}

// ring makes the workers look again.
func (p *pool) ring() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outdate()
}

// outdate ends the Receives under way, whose Want is out of date, and wakes a worker.
func (p *pool) outdate() {
	if p.stopped {
		return
	}
	p.refresh()
	p.receive, p.refresh = context.WithCancel(context.Background())
	p.wake()
}

// fetch receives. The pool is locked, but not meanwhile.
func (p *pool) fetch(w queue.Want) {
	p.receiving++
	ctx, failures := p.receive, p.failures+1
	p.mu.Unlock()
	leases, err := p.e.queue.Receive(ctx, w)
	tasks := p.locate(leases)
	for _, t := range tasks {
		t.parse()
		t.rate = p.e.rateOf(t.job)
	}
	failed := err != nil && ctx.Err() == nil
	if failed {
		p.e.log.queueTrouble("receive", failures, err)
		handoverBackoff.sleep(ctx, failures)
	}
	p.mu.Lock()
	p.receiving--
	p.failures = 0
	if failed {
		p.failures = failures
	}
	p.admit(tasks)
}

// locate makes tasks of leases, each counted in its lane.
func (p *pool) locate(leases []queue.Lease) []*task {
	tasks := make([]*task, len(leases))
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range leases {
		t := &task{lease: leases[i], until: leases[i].Until, lane: p.lane(leases[i].Lane)}
		t.parsed.envelope = t.lane.like
		t.lane.waiting++
		p.active[t.lane] = struct{}{}
		tasks[i] = t
	}
	return tasks
}

// admit lets located tasks begin. When the pool has stopped meanwhile they go back.
func (p *pool) admit(tasks []*task) {
	for _, t := range tasks {
		t.lane.setRate(t.rate)
		if t.job != nil {
			t.lane.like = t.job.envelope
		}
	}
	p.waiting = append(p.waiting, tasks...)
	if p.stopped && len(tasks) > 0 {
		late := p.unload(func(*task) bool { return true })
		p.mu.Unlock()
		p.release(late)
		p.mu.Lock()
	}
}
