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

// parcel is a batch with its job: sealed once, offered as often as it takes.
type parcel struct {
	*batch
	job queue.Job
}

// blockage holds a lane's parcels, in order, until the queue may have room for them.
type blockage struct {
	parcels  []*parcel
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
		if parcels := c.collect(now); len(parcels) > 0 {
			c.offer(ctx, parcels)
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

// collect returns the parcels to offer next: those of blocked lanes whose time has come, then fresh ones.
func (c *courier) collect(now time.Time) []*parcel {
	var parcels []*parcel
	room := handoverBytes
	for _, b := range c.blocked {
		for n := 0; n < b.most && len(b.parcels) > 0 && len(parcels) < handoverJobs && room > 0 && !b.until.After(now); n++ {
			room -= len(b.parcels[0].job.Data)
			parcels = append(parcels, b.parcels[0])
			b.parcels = b.parcels[1:]
		}
	}
	for len(parcels) < handoverJobs && room > 0 {
		b := c.next()
		if b == nil {
			break
		}
		p := c.pack(b)
		if lane := c.blocked[p.job.Lane]; lane != nil {
			lane.parcels = append(lane.parcels, p)
			continue
		}
		room -= len(p.job.Data)
		parcels = append(parcels, p)
	}
	return parcels
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

// pack makes a batch's job, signed with the key that its app has now.
func (c *courier) pack(b *batch) *parcel {
	app := c.e.apps.get(b.hook.app.id)
	if app == nil {
		app = b.hook.app
	}
	env := envelope{
		id: c.e.ids.next(time.UnixMilli(b.timeMS)), app: app.id, webhook: b.hook.id,
		timeMS: b.timeMS, events: b.events,
	}
	data := seal(b.buf, &env, app.keys[0])
	b.buf = nil
	return &parcel{batch: b, job: queue.Job{ID: env.id, Lane: b.hook.lane, Ordered: b.hook.Ordered, Data: data}}
}

// offer hands the parcels over, waiting out errors of the whole call: nobody knows then which were taken, and
// the queue takes none twice.
func (c *courier) offer(ctx context.Context, parcels []*parcel) {
	jobs := make([]queue.Job, len(parcels))
	for i, p := range parcels {
		jobs[i] = p.job
	}
	for n := 1; ; n++ {
		err := c.enqueue(ctx, jobs)
		var partly *queue.BatchError
		if err == nil || errors.As(err, &partly) {
			c.settle(parcels, err)
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
func (c *courier) settle(parcels []*parcel, result error) {
	var taken, refused []*parcel
	for i, p := range parcels {
		switch err := queue.ErrorOf(result, i); {
		case err == nil:
			c.e.stats.enqueued.Add(int64(p.events))
			c.e.watch.enqueued(p)
			taken = append(taken, p)
		case errors.Is(err, queue.ErrTooLarge):
			c.e.drop(p.hook, p.job.ID, p.events, err)
			taken = append(taken, p)
		default:
			refused = append(refused, p)
		}
	}
	if len(refused) > 0 {
		c.e.log.queueTrouble("enqueue", 1, result)
	}
	c.free(taken)
	c.block(refused)
	c.e.outbox.done(taken)
}

// block puts refused parcels back at the head of their lanes, and has the lanes wait.
func (c *courier) block(refused []*parcel) {
	byLane := map[string][]*parcel{}
	for _, p := range refused {
		byLane[p.job.Lane] = append(byLane[p.job.Lane], p)
	}
	for name, parcels := range byLane {
		lane := c.blocked[name]
		if lane == nil {
			lane = &blockage{}
			c.blocked[name] = lane
		}
		lane.parcels = slices.Insert(lane.parcels, 0, parcels...)
		lane.refusals++
		lane.most = 1
		lane.until = time.Now().Add(laneBackoff.delay(lane.refusals))
	}
}

// free lets the lanes of these parcels, which the queue took, go on; those that have nothing left need no watching.
func (c *courier) free(taken []*parcel) {
	for _, p := range taken {
		lane := c.blocked[p.job.Lane]
		if lane == nil {
			continue
		}
		lane.refusals = 0
		if lane.most = min(2*lane.most, handoverJobs); len(lane.parcels) == 0 {
			delete(c.blocked, p.job.Lane)
		}
	}
}

// untilRetry returns how long until a blocked lane's time has come.
func (c *courier) untilRetry(now time.Time) time.Duration {
	d := time.Hour
	for _, b := range c.blocked {
		d = min(d, b.until.Sub(now))
	}
	return max(d, 0)
}
