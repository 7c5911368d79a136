package webhook

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// pool shares the workers among the lanes. There is no dispatcher: receivers keep a few tasks ahead of the workers, and a
// worker that is free takes the first of them that may begin.
type pool struct {
	e        *Emitter
	workers  int
	ahead    int             // tasks kept ready for the workers
	settling context.Context // ends when nothing more may be said to the queue
	silence  context.CancelFunc
	renewing sync.WaitGroup
	working  sync.WaitGroup

	mu        sync.Mutex
	idle      sync.Cond // workers wait here for tasks
	hungry    sync.Cond // receivers wait here for room
	lanes     map[string]*lane
	active    map[*lane]struct{} // lanes with tasks here, or with a rate limit in use
	shut      shutLanes          // lanes without tasks here that may have none for a while
	waiting   []*task            // received and not begun, in the order of their turns
	turn      int                // the last that has begun
	running   int                // tasks begun
	cold      int                // of those, in lanes that are not proven
	resting   int                // workers that wait
	receiving int                // receivers in Receive
	receive   context.Context    // of those; ended when their Want is out of date
	refresh   context.CancelFunc
	tooFew    bool // the last Want had no room for cold lanes
	stopped   bool // no more tasks begin
	cut       bool // running attempts are cut off
	failures  int  // of Receive, in a row
	lastLane  *lane
	mixed     time.Time   // when two lanes last took turns
	alarm     *time.Timer // when a lane's limit changes by itself
	alarmAt   time.Time   // zero: not set

	acks acker
}

const (
	// A lane is alone when no other had a task for this long. Together with others it leaves a quarter of the
	// workers to them, so that they need not wait for its timeouts when it hangs.
	aloneAfter = 10 * time.Second

	// For each worker so many jobs are received ahead at most, so that it need not wait for the queue's next answer. Of a queue
	// that forgets what it gives it is one, since a process that is killed loses them.
	aheadFactor = 4

	// Of a lane no more is received ahead than can begin in this time: what waits long here waits in vain for others.
	aheadTime = 50 * time.Millisecond

	// So many jobs a worker are held besides at most, when some can't begin.
	heldFactor = 2

	// Lane records of webhooks where nothing happens are forgotten beyond this number.
	maxLanes = 1 << 16
)

func newPool(e *Emitter, workers int) *pool {
	p := &pool{e: e, workers: workers, ahead: aheadFactor * workers, lanes: map[string]*lane{}, active: map[*lane]struct{}{}}
	if e.traits.AtMostOnce {
		p.ahead = workers
	}
	p.idle.L, p.hungry.L = &p.mu, &p.mu
	p.acks.queue = e.queue
	p.settling, p.silence = context.WithCancel(context.Background())
	p.receive, p.refresh = context.WithCancel(context.Background())
	return p
}

func (p *pool) start(receivers int) {
	p.renewing.Go(p.renew)
	for range receivers {
		p.working.Go(p.receiveTasks)
	}
	for range p.workers {
		p.working.Go(p.work)
	}
}

func (p *pool) work() {
	for {
		t := p.next()
		if t == nil {
			return
		}
		p.end(t, p.run(t))
	}
}

// next returns the next task to run, or nil when the pool has stopped.
func (p *pool) next() *task {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.stopped {
		if t := p.begin(time.Now()); t != nil {
			return t
		}
		p.resting++
		p.hungry.Signal()
		p.idle.Wait()
		p.resting--
	}
	return nil
}

// begin takes the first waiting task that may begin.
func (p *pool) begin(now time.Time) *task {
	most := p.most(now)
	for i, t := range p.waiting {
		if !p.mayBegin(t.lane, now, most) {
			continue
		}
		p.waiting = slices.Delete(p.waiting, i, i+1)
		p.turn = max(p.turn, t.turn)
		t.lane.waiting--
		if !now.Before(t.until) {
			t.lost = true // it was not extended in time; somebody else has it
		}
		p.running++
		t.began = now
		if t.job != nil {
			t.held = t.heldSince(now)
		}
		p.cold -= t.lane.cold()
		t.lane.begin(t)
		p.cold += t.lane.cold()
		p.setAlarm(t.lane.changes(now), now)
		p.feed(t.lane, now, most) // tokens may have come while the task waited for a worker
		if p.lastLane != t.lane {
			if p.lastLane != nil {
				p.mixed = now
			}
			p.lastLane = t.lane
		}
		p.wake()
		return t
	}
	return nil
}

// wake wakes a worker if there may be a task for it, and a receiver if there may be too few.
func (p *pool) wake() {
	if len(p.waiting) > 0 {
		p.idle.Signal()
	}
	if p.low() {
		p.hungry.Signal()
	}
}

// low reports whether it is time to receive more: a worker has nothing to do, or half of what may be ahead is used up.
func (p *pool) low() bool { return p.resting > 0 || len(p.waiting) <= p.ahead/2 }

func (p *pool) mayBegin(l *lane, now time.Time, most int) bool {
	return len(l.running) < l.limit(now, most) && (l.proven || p.cold < p.coldMost())
}

// most returns how many workers one lane may have.
func (p *pool) most(now time.Time) int {
	if now.Sub(p.mixed) > aloneAfter {
		return p.workers
	}
	return max(1, p.workers-p.workers/4)
}

// coldMost returns how many workers the lanes that have not yet proven themselves may have together.
func (p *pool) coldMost() int { return max(1, p.workers/2) }

func (p *pool) lane(name string) *lane {
	l := p.lanes[name]
	if l == nil {
		if len(p.lanes) >= maxLanes {
			p.forget()
		}
		l = &lane{name: name, share: firstShare}
		p.lanes[name] = l
	}
	return l
}

// forget drops the records of lanes where nothing happens.
func (p *pool) forget() {
	for name, l := range p.lanes {
		if _, active := p.active[l]; !active && !p.shut.has(name) {
			delete(p.lanes, name)
		}
	}
}

// end notes that t was settled, and what that says of its lane's endpoint.
func (p *pool) end(t *task, says evidence) {
	now := time.Now()
	p.mu.Lock()
	l := t.lane
	before, most, wasCold := l.breaker.state(now), p.most(now), !l.proven
	p.running--
	if t.known {
		l.paused = time.Time{}
	}
	p.cold -= l.cold() // before it ends
	l.end(t, now, says, most)
	p.cold += l.cold()
	after := l.breaker.state(now)
	var released []*task
	switch {
	case after == BreakerOpen || now.Before(l.paused): // what can't begin soon takes up no room here
		released = p.shed(l, 0)
	case says == wentBadly: // nor does what was received when the share was larger
		released = p.shed(l, p.allowance(l, now, most)-len(l.running))
	}
	if p.receiving > 0 && p.tooFew && wasCold {
		p.outdate()
	}
	p.feed(l, now, most)
	p.setAlarm(l.changes(now), now)
	p.wake()
	until := l.breaker.until
	p.mu.Unlock()

	if before != after || before == BreakerHalfOpen && says != saysNothing {
		p.e.watch.breaker(t, before, after, until)
	}
	p.release(released)
}

// shed takes a lane's tasks that have not begun out of the pool, all but the first ones that it may keep.
func (p *pool) shed(l *lane, keep int) []*task {
	return p.unload(func(w *task) bool {
		if w.lane != l {
			return false
		}
		keep--
		return keep < 0
	})
}

// unload takes tasks that have not begun out of the pool.
func (p *pool) unload(which func(*task) bool) (out []*task) {
	p.waiting = slices.DeleteFunc(p.waiting, func(t *task) bool {
		if !which(t) {
			return false
		}
		t.lane.waiting--
		t.lane.turn--
		out = append(out, t)
		return true
	})
	return out
}

// setRates has the lanes of an app keep its webhooks' rate limits of today.
func (p *pool) setRates(a *app) {
	if a == nil {
		return // removed meanwhile
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range a.hooks {
		if l := p.lanes[h.lane]; l != nil {
			l.setRate(h.RateLimit)
			p.shut.remove(h.lane)
		}
	}
	p.outdate()
}

// release gives leases back as if they had never been received. Where that fails they end by themselves, but an at-most-once
// queue has nothing to fall back on.
func (p *pool) release(tasks []*task) {
	if len(tasks) == 0 {
		return
	}
	nacks := make([]queue.Nack, len(tasks))
	for i, t := range tasks {
		nacks[i] = queue.Nack{Lease: t.lease}
	}
	for n := 1; ; n++ {
		ctx, cancel := context.WithTimeout(p.settling, settleTime)
		err := p.e.queue.Nack(ctx, nacks)
		cancel()
		if err == nil {
			return
		}
		p.e.log.queueTrouble("release", n, err)
		if !p.e.traits.AtMostOnce {
			return
		}
		if !handoverBackoff.sleep(p.settling, n) {
			p.lose(tasks, err)
			return
		}
	}
}

// lose counts tasks that nobody has any more.
func (p *pool) lose(tasks []*task, err error) {
	for _, t := range tasks {
		p.account(t, fate{kind: lost, reason: "not given back: " + err.Error()})
	}
}

// quiet reports whether no task is here. p may be nil.
func (p *pool) quiet() bool {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running == 0 && len(p.waiting) == 0
}

// stop has no more tasks begin, gives back those that have not, and returns when the running ones are settled. The end of ctx
// cuts those off.
func (p *pool) stop(ctx context.Context) {
	p.mu.Lock()
	p.stopped = true
	if p.alarm != nil {
		p.alarm.Stop()
	}
	p.refresh()
	waiting := p.unload(func(*task) bool { return true })
	p.idle.Broadcast()
	p.hungry.Broadcast()
	p.mu.Unlock()
	hard := context.AfterFunc(ctx, func() {
		p.cutOff()
		time.AfterFunc(settleGrace, p.silence)
	})
	p.release(waiting)
	p.await()
	hard()
	p.silence()
	p.renewing.Wait()
}

// await returns when all workers have ended. One whose sender does not heed its context is left behind when the rest
// has had its time: the host asked for an end by then.
func (p *pool) await() {
	done := make(chan struct{})
	go func() {
		p.working.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-p.settling.Done():
	}
	select {
	case <-done:
	case <-time.After(settleGrace):
	}
}

// cutOff ends the attempts that run, and those that begin nevertheless.
func (p *pool) cutOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for l := range p.active {
		for _, t := range l.running {
			if t.cut = true; t.cancel != nil {
				t.cancel()
			}
		}
	}
}
