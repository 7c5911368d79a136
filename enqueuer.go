package webhook

import (
	"context"
	"errors"
	"time"

	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

// enqueuer hands batches over from the outbox to the queue. It makes jobs of them, hands many over
// in one call and waits when the queue is away. A job that is refused on account of its lane holds
// up that lane alone.
type enqueuer struct {
	enqueuerConfig
	report
	pending []*batch // taken from the outbox, in order
	inHand  []*batch // of those, what is being handed over
	first   int      // how many batches are offered for the first time
	blocked blockedLanes
}

// enqueuerConfig is what an enqueuer gets from the Emitter.
type enqueuerConfig struct {
	queue     queue.Queue
	inProcess bool // Traits.InProcess
	emitOnly  bool // Options.EmitOnly
	outbox    *outbox
	apps      *registry
	ids       *idSource
	result    func(error) // gets the result of each call that failed as a whole
	maxJobs   int         // in one call
}

const (
	enqueueJobs  = 256 // by default
	enqueueBytes = 2 << 20
	enqueueTime  = 30 * time.Second
)

// queueBackoff is how to wait for a queue that returns errors.
var queueBackoff = backoff{20 * time.Millisecond, time.Second}

func newEnqueuer(c enqueuerConfig, r report) *enqueuer {
	return &enqueuer{enqueuerConfig: c, report: r, blocked: blockedLanes{byName: map[string]*blockedLane{}}}
}

// run hands over what is pushed to the outbox, until ctx ends.
func (q *enqueuer) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		if len(q.inHand) == 0 { // else the log handler has ended an earlier run
			q.inHand = q.collect(now)
		}
		if len(q.inHand) > 0 {
			q.offer(ctx, q.inHand)
			continue
		}
		timer.Reset(q.blocked.untilRetry(now))
		select {
		case <-q.outbox.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// collect returns the batches to offer next: those of a few blocked lanes whose time has come, then
// fresh ones.
func (q *enqueuer) collect(now time.Time) []*batch {
	if len(q.pending) == 0 {
		q.refill(now)
	}
	batches, room := q.blocked.due(now, max(1, q.maxJobs/2))
	for len(batches) < q.maxJobs && room > 0 {
		b := q.next(now)
		if b == nil {
			break
		}
		q.pack(b, now)
		q.first++
		if !q.blocked.queueUp(b) {
			room -= len(b.job.Data)
			batches = append(batches, b)
		}
	}
	if len(batches) == 0 {
		q.offered()
	}
	return batches
}

// offered tells the workers that the batches of a call were offered.
func (q *enqueuer) offered() {
	q.outbox.backlog.offered(q.first)
	q.first = 0
}

// next takes the next fresh batch, or nil.
func (q *enqueuer) next(now time.Time) *batch {
	if len(q.pending) == 0 {
		q.refill(now)
	}
	if len(q.pending) == 0 {
		return nil
	}
	b := q.pending[0]
	q.pending[0] = nil
	q.pending = q.pending[1:]
	return b
}

// refill takes what the outbox has. The lanes of webhooks that work again are offered at once.
func (q *enqueuer) refill(now time.Time) {
	fresh, recovered := q.outbox.take()
	q.pending = fresh
	for _, lane := range recovered {
		q.blocked.recover(lane, now)
	}
}

// pack makes a batch's job, sealed with the key that its app has now.
func (q *enqueuer) pack(b *batch, now time.Time) {
	env := envelope{
		id: q.ids.next(time.UnixMilli(b.timeMS)), app: b.hook.app.id, webhook: b.hook.id,
		timeMS: b.timeMS, sealedMS: now.UnixMilli(), events: b.events,
	}
	b.packed(&env, seal(b.buf, &env, q.keyOf(b), q.inProcess))
}

func (q *enqueuer) keyOf(b *batch) appKey {
	if app := q.apps.get(b.hook.app.id); app != nil {
		return app.keys[0]
	}
	return b.hook.app.keys[0]
}

// sealAge is how old a seal may be when its job is offered, so that a job that had to wait for the
// queue is as old as the queue says.
const sealAge = time.Minute

// jobs returns the jobs of the batches, in which old seals are renewed.
func (q *enqueuer) jobs(batches []*batch) []queue.Job {
	now := time.Now().UnixMilli()
	jobs := make([]queue.Job, len(batches))
	for i, b := range batches {
		if now-b.sealedMS > sealAge.Milliseconds() && !q.inProcess {
			q.reseal(b, now)
		}
		jobs[i] = b.job
	}
	return jobs
}

// reseal seals a batch's job again. The queue may still have the old Data of a call that failed.
func (q *enqueuer) reseal(b *batch, now int64) {
	j, err := parseJob(b.job.Data)
	if err != nil {
		return // never: pack has made it
	}
	env := j.envelope
	env.sealedMS = now
	body := append(make([]byte, 0, cap(b.job.Data)), j.body...)
	b.packed(&env, seal(body, &env, q.keyOf(b), q.inProcess))
}

// offer hands the batches over, waiting out errors of the whole call: nobody knows then which were
// taken, and the queue takes none twice.
func (q *enqueuer) offer(ctx context.Context, batches []*batch) {
	events := int64(0)
	for _, b := range batches {
		events += int64(b.events)
	}
	for n := 1; ; n++ {
		err := q.enqueue(ctx, q.jobs(batches), events)
		away := failedAsAWhole(err)
		q.outbox.backlog.setAway(away)
		if !away {
			q.offered()
			q.settle(batches, err)
			if n > 1 {
				q.log.queueWorks("enqueue")
			}
			return
		}
		q.result(err)
		q.log.queueFailed("enqueue", n, err)
		if !queueBackoff.sleep(ctx, n) {
			return
		}
	}
}

// enqueue makes the call. The events count as enqueued before it, since another goroutine may
// settle a job before it returns, and no longer if it fails as a whole or ends this goroutine.
func (q *enqueuer) enqueue(ctx context.Context, jobs []queue.Job, events int64) error {
	ctx, cancel := context.WithTimeout(ctx, enqueueTime)
	defer cancel()
	err := errQueuePanicked
	q.stats.enqueued.Add(events)
	defer func() {
		if failedAsAWhole(err) {
			q.stats.enqueued.Add(-events)
		}
	}()
	err = q.queue.Enqueue(ctx, jobs)
	return err
}

// failedAsAWhole reports whether err says nothing of the single jobs of a call.
func failedAsAWhole(err error) bool {
	var partly *queue.BatchError
	return err != nil && !errors.As(err, &partly)
}

// settle strikes off what the queue took, and keeps what it refused. The host is told before: when
// Flush returns, it knows.
func (q *enqueuer) settle(batches []*batch, result error) {
	q.inHand = nil
	halves := q.halveTooLarge(batches, result)
	defer q.strikeOff(batches, halves, result) // also if a Trace function ends this goroutine
	q.tell(batches, halves, result, 0)
}

// tell tells the host of batches from the given one on.
func (q *enqueuer) tell(batches []*batch, halves map[*batch][]*batch, result error, i int) {
	defer func() {
		if i < len(batches) {
			q.tell(batches, halves, result, i+1)
		}
	}()
	for ; i < len(batches); i++ {
		err := queue.ErrorOf(result, i)
		switch {
		case err == nil:
			q.watch.enqueued(batches[i])
		case errors.Is(err, queue.ErrTooLarge) && halves[batches[i]] == nil:
			q.drop(batches[i], err)
		case halves[batches[i]] != nil:
			q.watch.split(batches[i], halves[batches[i]], err)
		default:
			q.refuse(batches[i], err)
		}
	}
}

func (q *enqueuer) strikeOff(batches []*batch, halves map[*batch][]*batch, result error) {
	now := time.Now()
	var taken []*batch
	var refused refusals
	for i, b := range batches {
		err := queue.ErrorOf(result, i)
		if err == nil {
			b.settle(nil)
			taken = append(taken, b)
			continue
		}
		q.stats.enqueued.Add(-int64(b.events))
		if parts := halves[b]; parts != nil {
			q.outbox.replace(b, parts)
			for _, part := range parts {
				refused.add(part, err)
			}
			continue
		}
		if errors.Is(err, queue.ErrTooLarge) {
			q.stats.dropped.Add(int64(b.events))
			b.settle(err)
			taken = append(taken, b)
			continue
		}
		refused.add(b, err)
		switch {
		case errors.Is(err, queue.ErrLaneFailing):
			q.outbox.setFailing(b.hook, true)
		case errors.Is(err, queue.ErrLaneUntried):
			q.outbox.setUntried(b.hook)
		}
	}
	q.blocked.block(refused, now)
	q.blocked.settle(now)
	for _, b := range taken {
		if b.hook.slot.account.isFailing() && !q.blocked.has(b) {
			q.outbox.setFailing(b.hook, false) // the queue has all of the lane's
		}
	}
	q.outbox.done(taken)
}

// drop tells the host of a batch that the queue can never take.
func (q *enqueuer) drop(b *batch, err error) {
	q.log.drops.add(b.hook, dropTooLarge, int64(b.events), b.job.ID, err)
	q.watch.dropped(b.hook, b.job.ID, b.events, err)
}

// refuse tells the host of a batch that the queue does not take yet.
func (q *enqueuer) refuse(b *batch, err error) {
	if !errors.Is(err, queue.ErrLaneFailing) {
		q.log.drops.add(b.hook, notDropped, 1, b.job.ID, err)
	} else if q.log.failing.refused(b.hook) && q.emitOnly { // else the scheduler tells
		q.watch.laneChanged(b.hook.app.id, b.hook.id, scheduler.LaneState{}, scheduler.LaneState{Health: queue.Failing})
	}
}
