package webhook

import (
	"context"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// want returns what may be received now.
func (p *pool) want(now time.Time) queue.Want {
	most := p.most(now)
	p.restLanes(now, most)
	w := queue.Want{Lane: firstShare, Cold: p.workers + p.coldMost(), Lanes: p.shut.limits(now)}
	ready, cold := 0, 0
	p.setAlarm(p.shut.opens, now)
	for l := range p.active {
		p.setAlarm(l.changes(now), now)
		if mayBegin := max(0, min(l.waiting, l.limit(now, most)-len(l.running))); l.proven {
			ready += mayBegin
		} else {
			cold += mayBegin
			w.Cold -= len(l.running) + l.waiting
		}
		n := max(0, p.allowance(l, now, most)-len(l.running)-l.waiting)
		l.starved = n == 0
		w.Lanes[l.name] = queue.Limit{Jobs: n, Warm: l.proven}
	}
	ready += max(0, min(cold, p.coldMost()-p.cold))
	w.Cold = max(0, w.Cold)
	w.Jobs = min(p.workers+p.ahead-p.running-ready, heldFactor*p.workers+p.ahead-len(p.waiting))
	p.tooFew = w.Cold == 0
	return w
}

// allowance returns how many tasks of a lane may be here, begun or waiting.
func (p *pool) allowance(l *lane, now time.Time, most int) int {
	n := l.limit(now, most)
	if l.proven && l.limiter == nil {
		n += min(l.ahead(n), n*p.ahead/p.workers)
	}
	return n
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

// setAlarm sees to it that the pool looks again at the time, unless that is zero.
func (p *pool) setAlarm(at, now time.Time) {
	if p.stopped || at.IsZero() || !p.alarmAt.IsZero() && !at.Before(p.alarmAt) {
		return
	}
	p.alarmAt = at
	if p.alarm == nil {
		p.alarm = time.AfterFunc(at.Sub(now), p.ring)
	} else {
		p.alarm.Reset(at.Sub(now))
	}
}

// ring has everybody look again.
func (p *pool) ring() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alarmAt = time.Time{}
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

// receiveTasks is a receiver: it receives whenever there are few tasks left, until the pool stops.
func (p *pool) receiveTasks() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.stopped {
		if p.low() {
			if w := p.want(time.Now()); w.Jobs > 0 {
				p.fetch(w)
				p.wake()
				continue
			}
		}
		p.hungry.Wait()
	}
}

// feed ends the Receives under way if they ask for none of the lane's jobs and it could begin one.
func (p *pool) feed(l *lane, now time.Time, most int) {
	if p.receiving > 0 && l.starved && l.limit(now, most) > len(l.running)+l.waiting {
		l.starved = false
		p.outdate()
	}
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
	if p.receiving > 1 && slices.ContainsFunc(tasks, func(t *task) bool { return !t.lane.proven }) {
		p.outdate() // the other receivers ask for as many of lanes that are not proven
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
	p.queueUp(tasks)
	if p.stopped && len(tasks) > 0 {
		late := p.unload(func(*task) bool { return true })
		p.mu.Unlock()
		p.release(late)
		p.mu.Lock()
	}
}

// queueUp puts tasks among the waiting ones. The lanes take turns: a webhook's few tasks do not wait for all that were received
// of another's before them. (This is start-time fair queueing, Goyal, Vin and Cheng, 1996, with tasks of equal length.)
func (p *pool) queueUp(tasks []*task) {
	for _, t := range tasks {
		t.turn = max(p.turn, t.lane.turn)
		t.lane.turn = t.turn + 1
		i := len(p.waiting)
		for i > 0 && p.waiting[i-1].turn > t.turn {
			i--
		}
		p.waiting = slices.Insert(p.waiting, i, t)
	}
}
