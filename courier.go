package webhook

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// courier carries batches from the outbox to the queue. It makes jobs of them, hands many over in one call and
// waits out the queue's troubles. A job that is refused on account of its lane holds up that lane alone.
type courier struct {
	e       *Emitter
	pending []*batch             // taken from the outbox, in order
	blocked map[string]*blockage // lanes that the queue refused, by name
}

// blockage holds a lane's batches, in order, until the queue may have room for them.
type blockage struct {
	batches  []*batch
	until    time.Time
	refusals int // in a row
	most     int // of a call: 1 after a refusal, and more with each success
}

const (
	handoverJobs  = 256
	handoverBytes = 2 << 20
	handoverTime  = 30 * time.Second
)

// handoverBackoff is how the courier waits for a queue that errs.
var handoverBackoff = backoff{first: 20 * time.Millisecond, most: time.Second}

// laneBackoff is how it waits for a lane that is full: shortly, since workers empty it.
var laneBackoff = backoff{first: 5 * time.Millisecond, most: 50 * time.Millisecond}

// run hands over what is pushed to the outbox, until ctx ends.
func (c *courier) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		if batches := c.collect(now); len(batches) > 0 {
			c.offer(ctx, batches)
			continue
		}
		timer.Reset(c.untilRetry(now))
		select {
		case <-c.e.outbox.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// collect returns the batches to offer next: those of blocked lanes whose time has come, then fresh ones.
func (c *courier) collect(now time.Time) []*batch {
	var batches []*batch
	room := handoverBytes
	for _, lane := range c.blocked {
		for n := 0; n < lane.most && len(lane.batches) > 0 && len(batches) < handoverJobs && room > 0 && !lane.until.After(now); n++ {
			room -= len(lane.batches[0].job.Data)
			batches = append(batches, lane.batches[0])
			lane.batches = lane.batches[1:]
		}
	}
	for len(batches) < handoverJobs && room > 0 {
		b := c.next()
		if b == nil {
			break
		}
		c.pack(b)
		if lane := c.blocked[b.job.Lane]; lane != nil {
			lane.batches = append(lane.batches, b)
			continue
		}
		room -= len(b.job.Data)
		batches = append(batches, b)
	}
	return batches
}

// next takes the next fresh batch, or nil.
func (c *courier) next() *batch {
	if len(c.pending) == 0 {
		if c.pending = c.e.outbox.take(); len(c.pending) == 0 {
			return nil
		}
	}
	b := c.pending[0]
	c.pending[0] = nil
	c.pending = c.pending[1:]
	return b
}

// pack makes a batch's job, signed with the key that its app has now: once, however often it is offered.
func (c *courier) pack(b *batch) {
	app := c.e.apps.get(b.hook.app.id)
	if app == nil {
		app = b.hook.app
	}
	env := envelope{
		id: c.e.ids.next(time.UnixMilli(b.timeMS)), app: app.id, webhook: b.hook.id,
		timeMS: b.timeMS, events: b.events,
	}
	data := seal(b.buf, &env, app.keys[0], c.e.traits.Trusted)
	b.buf = nil
	b.job = queue.Job{ID: env.id, Lane: b.hook.lane, Ordered: b.hook.Ordered, Data: data}
}

// offer hands the batches over, waiting out errors of the whole call: nobody knows then which were taken, and
// the queue takes none twice.
func (c *courier) offer(ctx context.Context, batches []*batch) {
	jobs := make([]queue.Job, len(batches))
	for i, b := range batches {
		jobs[i] = b.job
	}
	for n := 1; ; n++ {
		err := c.enqueue(ctx, jobs)
		var partly *queue.BatchError
		if err == nil || errors.As(err, &partly) {
			c.settle(batches, err)
			return
		}
		c.e.log.queueTrouble("enqueue", n, err)
		if !handoverBackoff.sleep(ctx, n) {
			return
		}
	}
}

func (c *courier) enqueue(ctx context.Context, jobs []queue.Job) error {
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	return c.e.queue.Enqueue(ctx, jobs)
}

// settle strikes off what the queue took, and keeps what it refused.
func (c *courier) settle(batches []*batch, result error) {
	var taken, refused []*batch
	for i, b := range batches {
		switch err := queue.ErrorOf(result, i); {
		case err == nil:
			c.e.stats.enqueued.Add(int64(b.events))
			c.e.watch.enqueued(b)
			taken = append(taken, b)
		case errors.Is(err, queue.ErrTooLarge):
			c.e.drop(b.hook, b.job.ID, b.events, err)
			taken = append(taken, b)
		default:
			refused = append(refused, b)
		}
	}
	if len(refused) > 0 {
		c.e.log.queueTrouble("enqueue", 1, result)
	}
	c.free(taken)
	c.block(refused)
	c.e.outbox.done(taken)
}

// block puts refused batches back at the head of their lanes, and has the lanes wait.
func (c *courier) block(refused []*batch) {
	byLane := map[string][]*batch{}
	for _, b := range refused {
		byLane[b.job.Lane] = append(byLane[b.job.Lane], b)
	}
	for name, batches := range byLane {
		lane := c.blocked[name]
		if lane == nil {
			lane = &blockage{}
			c.blocked[name] = lane
		}
		lane.batches = slices.Insert(lane.batches, 0, batches...)
		lane.refusals++
		lane.most = 1
		lane.until = time.Now().Add(laneBackoff.delay(lane.refusals))
	}
}

// free lets the lanes of these batches, which the queue took, go on; those that have nothing left need no watching.
func (c *courier) free(taken []*batch) {
	for _, b := range taken {
		lane := c.blocked[b.job.Lane]
		if lane == nil {
			continue
		}
		lane.refusals = 0
		if lane.most = min(2*lane.most, handoverJobs); len(lane.batches) == 0 {
			delete(c.blocked, b.job.Lane)
		}
	}
}

// untilRetry returns how long until a blocked lane's time has come.
func (c *courier) untilRetry(now time.Time) time.Duration {
	d := time.Hour
	for _, lane := range c.blocked {
		d = min(d, lane.until.Sub(now))
	}
	return max(d, 0)
}
