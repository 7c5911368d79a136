package webhook

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

const (
	// A job that this process lacks the configuration for is given back for as long as it is old,
	// within these bounds, so that thousands of them cost next to nothing.
	minUnknownDelay = time.Second
	maxUnknownDelay = time.Minute

	// unsentDelay is when an attempt is repeated before which nothing was sent.
	unsentDelay = time.Second
)

// Reasons of this package in dead letters. Those of dispatch.Outcome are others.
const (
	reasonUnreadable   = "unreadable"
	reasonOlder        = "older_version"
	reasonNewer        = "newer_version"
	reasonBadSignature = "bad_signature"
	reasonTooOld       = "too_old"
	reasonTooLarge     = "too_large"
	reasonDisabled     = "disabled"
)

// attemptsMade returns how many attempts a dead letter has had. The queue counts the lease under which
// it was given up, also where this package made no attempt.
func attemptsMade(d *queue.DeadLetter) int {
	word, _, _ := strings.Cut(d.Reason, ":")
	switch word {
	case reasonUnreadable, reasonOlder, reasonNewer, reasonBadSignature, reasonTooOld, reasonDisabled,
		"app_removed", "webhook_removed", "key_removed", "unknown_app", "unknown_webhook", "unknown_key":
		return max(0, d.Attempts-1)
	}
	return d.Attempts
}

// Run checks the job, makes at most one attempt, and decides what becomes of the job.
func (j *deliveryJob) Run() scheduler.Result {
	j.d.outbox.backlog.giveWay()
	j.began = time.Now()
	if j.err != nil {
		return j.unreadable()
	}
	h, r, ok := j.resolve()
	if !ok {
		if r.Action == scheduler.DeadLetter {
			j.parsed.clampEvents() // nobody vouches for their number
		}
		return r
	}
	retry := h.Retry.or(j.d.retry)
	if age := j.age(j.began); age > retry.maxAge() {
		return deadLetter(reasonTooOld, "it is %v old, and at most %v is allowed; %d attempts were made",
			age.Round(time.Second), retry.maxAge(), j.task.Lease.Attempts)
	}
	if limit := h.slot.bodyLimit(); limit > 0 && int64(len(j.parsed.body)) > limit && j.parsed.events > 1 {
		return j.halve(h, scheduler.None)
	}
	return j.try(h)
}

// unreadable decides on a job that cannot be read. One of a newer version waits for a process that
// can read it.
func (j *deliveryJob) unreadable() scheduler.Result {
	var version versionError
	switch {
	case !errors.As(j.err, &version):
		return deadLetter(reasonUnreadable, "%v", j.err)
	case version.newer():
		return j.unknown(reasonNewer, j.err.Error(), Retry{}.or(j.d.retry).maxAge())
	}
	return deadLetter(reasonOlder, "%v; the version that made it has to deliver it", j.err)
}

// deadLetter returns the result that gives a job up without a word about its endpoint.
func deadLetter(reason, format string, args ...any) scheduler.Result {
	return scheduler.Result{Action: scheduler.DeadLetter, Reason: oneline.Text(reason + ": " + fmt.Sprintf(format, args...))}
}

// resolve finds the job's webhook, and checks that the job is genuine. Where it fails it returns
// what becomes of the job: what was removed here is given up, what is not known here yet waits.
func (j *deliveryJob) resolve() (h *hook, r scheduler.Result, ok bool) {
	p := &j.parsed
	if l := &j.task.Lease; !p.isAt(l.ID, l.Lane) {
		return nil, deadLetter(reasonBadSignature, "the queue has the job under another ID or in another lane than it was sealed for"), false
	}
	a := j.d.apps.get(p.app)
	switch {
	case a == nil:
		return nil, j.unknownTarget("app", tombstone{app: p.app}), false
	case j.d.traits.InProcess: // nobody can have altered it, so it need not verify
		if !a.knows(p.key) {
			p.key, p.signature = a.keys[0].name, ""
		}
	case !a.knows(p.key):
		return nil, j.unknownTarget("key", tombstone{app: p.app, key: p.key}), false
	}
	if h = a.hook(p.webhook); h == nil {
		return nil, j.unknownTarget("webhook", tombstone{app: p.app, webhook: p.webhook}), false
	}
	if a.off {
		return nil, deadLetter(reasonDisabled, "the app's webhooks were turned off"), false
	}
	if j.d.traits.InProcess {
		return h, r, true
	}
	s := a.verifies(p)
	if s == nil {
		return nil, deadLetter(reasonBadSignature, "the job was altered, or made with another secret"), false
	}
	if s != a.keys[0].signer {
		p.signature = "" // receivers may not have this secret any more
	}
	return h, r, true
}

// unknownTarget decides on a job whose app, webhook or key is not configured here.
func (j *deliveryJob) unknownTarget(what string, name tombstone) scheduler.Result {
	if j.d.apps.removed(name) {
		return deadLetter(what+"_removed", "it was taken out of the configuration")
	}
	return j.unknown("unknown_"+what, "it is not configured here", j.d.retry.maxAge())
}

// unknown gives a job back, uncounted, that this process can't judge and another one may. It gives
// up a job over age.
func (j *deliveryJob) unknown(reason, why string, maxAge time.Duration) scheduler.Result {
	age := j.age(time.Now())
	if age > maxAge {
		return deadLetter(reason, "%s, and the job is %v old", why, age.Round(time.Second))
	}
	return scheduler.Result{Action: scheduler.Retry, Delay: min(max(age, minUnknownDelay), maxUnknownDelay)}
}

// try makes one attempt, also if the Trace function that is told of it ends this goroutine.
func (j *deliveryJob) try(h *hook) scheduler.Result {
	told := false
	defer func() {
		if !told {
			r := j.request(h)
			j.result = &r
		}
	}()
	j.d.watch.attemptStarted(j, h)
	told = true
	return j.request(h)
}

// request makes the attempt's request, and decides on its outcome.
func (j *deliveryJob) request(h *hook) scheduler.Result {
	d := j.d
	now := time.Now()
	ctx, cancel := j.task.Attempt(now, d.sender.timeoutOf(h))
	j.hook, j.tried = h, 1
	d.stats.attempts.Add(1)
	out := d.sender.send(ctx, h, d.sender.request(&j.parsed, h, j.attempt(), now))
	cancel()
	return j.conclude(out)
}

// conclude decides on the outcome of the attempt that was under way, and tells of it.
func (j *deliveryJob) conclude(out dispatch.Outcome) scheduler.Result {
	d, h := j.d, j.hook
	j.hook = nil
	out = h.redactOutcome(out)
	if out.Verdict == dispatch.Unsent { // it was no attempt
		j.tried = 0
		d.stats.attempts.Add(-1)
	}
	if out.Verdict == dispatch.Delivered && !h.slot.worked.Load() {
		h.slot.worked.Store(true)
	}
	now := time.Now()
	took := now.Sub(j.began)
	r := j.classify(h, h.Retry.or(d.retry), out)
	r.Host = h.host()
	d.attempts.record(h.slot, now, out, func() string { return outcomeReason(out) })
	told := false
	defer func() {
		if !told {
			c := r
			j.result = &c
		}
	}()
	d.watch.attempted(j, h, took, out, r)
	d.log.attempt(j, h, took, out, r)
	told = true
	return r
}
