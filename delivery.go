package webhook

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

// delivery gives the queue's jobs their meaning: it is the scheduler's Handler. It knows webhooks,
// and nothing of lanes and workers.
type delivery struct {
	deliveryConfig
	report
}

// deliveryConfig is what delivery gets from the Emitter.
type deliveryConfig struct {
	sender *sender
	apps   *registry
	ids    *idSource
	outbox *outbox
	traits queue.Traits
	retry  Retry         // of webhooks that have none of their own
	result func(error)   // gets the error of each operation of the queue that failed
	ended  chan struct{} // capacity 1: notified when a job has left the queue

	attempts *attempts
}

// report is where counts, trace calls and log lines go.
type report struct {
	stats *counters
	watch *watcher
	log   *logger
}

// deliveryJob is a job under lease. It implements scheduler.Job.
type deliveryJob struct {
	d      *delivery
	task   *scheduler.Task
	parsed parsedJob
	err    error     // why the job cannot be read; nil if it can
	began  time.Time // when Run began
	tried  int       // attempts made under this lease: 0 or 1

	hook *hook // whose attempt is under way; else nil
	// of the attempt, if a Trace function or the log handler ended Run; else nil
	result *scheduler.Result
}

// Open reads the job of a lease.
func (d *delivery) Open(t *scheduler.Task) scheduler.Job {
	j := &deliveryJob{d: d, task: t}
	hint := envelope{}
	if last, ok := t.Previous().(*deliveryJob); ok {
		hint = last.parsed.envelope
	}
	hint.id = t.Lease.ID
	j.err = j.parsed.parse(t.Lease.Data, hint)
	return j
}

// LaneChanged tells the outbox and the host of a webhook's new state.
func (d *delivery) LaneChanged(lane string, from, to scheduler.LaneState) {
	app, webhook := splitLane(lane)
	h := d.apps.hook(app, webhook)
	if h != nil {
		d.outbox.setFailing(h, to.Health == queue.Failing)
	}
	if before, changed := d.log.failing.learn(app, webhook, h, from, to); changed {
		d.watch.laneChanged(app, webhook, before, to)
	}
}

// LeaseLost tells of a job that another process may have now.
func (d *delivery) LeaseLost(j scheduler.Job) { d.log.leaseLost(j.(*deliveryJob)) }

// QueueFailed tells of an operation of the queue that failed.
func (d *delivery) QueueFailed(operation string, n int, err error) {
	d.result(err)
	d.log.queueFailed(operation, n, err)
}

// QueueWorks tells of an operation of the queue that works again.
func (d *delivery) QueueWorks(operation string) { d.log.queueWorks(operation) }

// Panicked counts and tells of a panic, and decides what becomes of the job: a panic of middleware
// or a sender is a failed attempt.
func (d *delivery) Panicked(j scheduler.Job, value any, stack []byte) scheduler.Result {
	job, _ := j.(*deliveryJob)
	switch {
	case job == nil:
		d.log.panicked("queue or callback", panicText(value), stack)
	case job.result != nil: // told already
		return *job.result
	case job.hook != nil:
		d.log.panicked("attempt", job.hook.redact(panicText(value)), stack, aboutJob(job)...)
		return job.conclude(panicOutcome(job.hook, value))
	default:
		d.log.panicked("job", panicText(value), stack, aboutJob(job)...)
		if job.age(time.Now()) > d.retry.maxAge() {
			return deadLetter("panic", "%s", panicText(value))
		}
	}
	return scheduler.Result{Action: scheduler.Retry, Counted: true, Delay: maxUnknownDelay, Reason: "panic"}
}

// laneOf names the lane of a webhook. splitLane is its inverse.
func laneOf(app, webhook string) string { return app + "/" + webhook }

// splitLane returns the app and the webhook that a lane is for. An app's ID may contain a slash, a
// webhook's may not.
func splitLane(lane string) (app, webhook string) {
	i := strings.LastIndexByte(lane, '/')
	return lane[:max(i, 0)], lane[i+1:]
}

// Rate returns the current rate limit of the lane's webhook.
func (j *deliveryJob) Rate() scheduler.Rate {
	h := j.d.apps.hook(splitLane(j.task.Lease.Lane))
	if h == nil {
		return scheduler.Rate{}
	}
	return h.RateLimit.rate()
}

// events returns how many events the job holds, 1 if that cannot be read.
func (j *deliveryJob) events() int {
	if j.err != nil {
		return 1
	}
	return j.parsed.events
}

// maxSkew is how far the clocks of two nodes may differ before a job may be given up too early.
const maxSkew = 5 * time.Minute

// age returns how long ago, at a time, the queue took the job or, less maxSkew, how long ago it was
// sealed if that is longer: the time of the queue may have been altered, that of the seal cannot.
func (j *deliveryJob) age(now time.Time) time.Duration {
	age := j.task.Lease.Age + now.Sub(j.task.Received)
	if j.err != nil || j.d.traits.InProcess {
		return age
	}
	sealed := max(0, now.Add(-maxSkew).UnixMilli()-j.parsed.sealedMS)
	return max(age, time.Duration(sealed)*time.Millisecond)
}

// attempt returns the number of the attempt that is made under this lease, 1 for the first.
func (j *deliveryJob) attempt() int { return j.task.Lease.Attempts + 1 }

// attempts returns how many attempts were made so far, this lease's included.
func (j *deliveryJob) attempts() int { return j.task.Lease.Attempts + j.tried }

// Settled counts a job that left the queue. The host is told first: when Drain returns, it knows.
func (j *deliveryJob) Settled(r scheduler.Result) {
	r.Reason = oneline.Text(r.Reason) // the scheduler may have made it of an error of the queue
	d, events := j.d, int64(j.events())
	own := d.ids.issued(j.task.Lease.ID)
	count := func(what *atomic.Int64) {
		d.stats.settled(what, events, own)
		notify(d.ended)
	}
	// Counted in any case, also if a Trace function ends this goroutine.
	//exhaustive:enforce
	switch r.Action {
	case scheduler.Retry: // it is still in the queue
	case scheduler.Ack:
		count(&d.stats.delivered)
	case scheduler.DeadLetter:
		defer count(&d.stats.dead)
		d.watch.deadLettered(j, r.Reason)
		d.log.deadLettered(j, r.Reason)
	case scheduler.Drop:
		defer count(&d.stats.dropped)
		if h := d.apps.hook(j.parsed.app, j.parsed.webhook); h != nil {
			defer d.log.drops.add(h, dropNotDelivered, events, j.task.Lease.ID, errors.New(r.Reason))
		}
		d.watch.lost(j, r.Reason)
	case scheduler.Split:
		d.watch.splitJob(j, r)
	}
}
