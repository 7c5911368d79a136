package webhook

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

const (
	// A job older than this is stamped and signed afresh: a receiver may refuse what is older than 5 minutes.
	freshFor = 4 * time.Minute

	// A job that this node lacks the configuration for is left to the others for so long, and it
	// then waits out its budget here in steps of lackPause.
	lackDelay = time.Second
	lackPause = 5 * time.Second

	// An attempt that this host was unable to make is repeated after this time.
	unsentDelay = time.Second
)

// Reasons of this package in dead letters. Those of dispatch.Outcome are others.
const (
	reasonUnreadable   = "unreadable"
	reasonBadSignature = "bad_signature"
	reasonExpired      = "expired"
	reasonTooLarge     = "too_large"
	reasonDisabled     = "disabled"
)

// fate is what is to become of a task, and what its attempt says of the endpoint.
type fate struct {
	kind   fateKind
	says   evidence
	delay  time.Duration // again
	counts bool          // again: it was an attempt that failed
	reason string        // dead, lost
	halves []queue.Job   // split
}

type fateKind uint8

const (
	delivered fateKind = iota
	again
	dead
	split
	lost // it failed, and the queue has it no more
)

// run takes one task through: check, attempt, settle.
func (p *pool) run(t *task) evidence {
	if t.lost {
		p.e.log.leaseLost(t)
		return saysNothing
	}
	v := p.decide(t)
	p.settle(t, v)
	return v.says
}

// decide says what is to become of a task, making an attempt if there is to be one.
func (p *pool) decide(t *task) fate {
	if t.job == nil {
		return fate{kind: dead, reason: reasonUnreadable + ": " + errUnreadable.Error()}
	}
	h, key, v := p.resolve(t)
	if h == nil {
		return v
	}
	if !p.e.traits.Trusted && !t.job.verify(key.signer) {
		t.job.distrust()
		return fate{kind: dead, reason: reasonBadSignature + ": the job was altered, or made with another secret"}
	}
	if v, late := p.expired(t, h); late {
		return v
	}
	if limit := h.slot.bodyLimit(); limit > 0 && int64(len(t.job.body)) > limit && t.job.events > 1 {
		return p.halve(t, h)
	}
	return p.judge(t, h, p.attempt(t, h))
}

// resolve finds the webhook of a task and the key that signed it. Without one of them it returns what is to become of the
// task: what was removed here is dead, what isn't known here yet waits.
func (p *pool) resolve(t *task) (*hook, appKey, fate) {
	j := t.job
	a := p.e.apps.get(j.app)
	if a == nil {
		return nil, appKey{}, p.lacking(t, "app", tombstone{app: j.app})
	}
	s := a.signer(j.key)
	if s == nil && p.e.traits.Trusted { // nobody can have altered it, so it need not verify
		j.key, s = a.key, a.keys[0].signer
		j.signature = ""
	}
	if s == nil {
		return nil, appKey{}, p.lacking(t, "key", tombstone{app: j.app, key: j.key})
	}
	h := a.hook(j.webhook)
	if h == nil {
		return nil, appKey{}, p.lacking(t, "webhook", tombstone{app: j.app, webhook: j.webhook})
	}
	if a.off {
		return nil, appKey{}, fate{kind: dead, reason: reasonDisabled + ": the app's webhooks were turned off"}
	}
	t.known = true
	return h, appKey{j.key, s}, fate{}
}

// lacking decides on a task whose app, webhook or key is not configured here.
func (p *pool) lacking(t *task, what string, name tombstone) fate {
	if p.e.apps.removed(name) {
		return fate{kind: dead, reason: "removed_" + what + ": it was taken out of the configuration"}
	}
	now, since := time.Now(), t.lease.First // when the first node that lacked it saw it: the queue remembers
	if since.IsZero() {
		since = now
	}
	delay := lackPause // a key is lacking for some jobs of the lane: they wait alone
	if name.key == "" {
		delay = lackDelay
		p.mu.Lock()
		t.lane.paused = now.Add(lackPause)
		p.mu.Unlock()
	}
	if budget := p.e.opts.Retry.MaxElapsed; now.Sub(since) > budget {
		return fate{kind: dead, reason: fmt.Sprintf("unknown_%s: not configured here for %v", what, budget)}
	}
	return fate{kind: again, delay: delay}
}

// expired decides on a task whose budget ended before this attempt: one that was tried before, or that an open
// breaker held back for all of it. Every other job gets its attempt, however late, and so does one that comes back
// when its queue thinks it right.
func (p *pool) expired(t *task, h *hook) (fate, bool) {
	retry := h.Retry.or(p.e.opts.Retry)
	since := t.lease.First
	if t.lease.Attempts == 0 { // First tells then of when it could not be sent, or was unknown
		since = t.held
	}
	if since.IsZero() || p.e.traits.OwnRetry || t.began.Sub(since) <= retry.MaxElapsed {
		return fate{}, false
	}
	reason := fmt.Sprintf("%s: not delivered within %v, after %d attempts", reasonExpired, retry.MaxElapsed, t.lease.Attempts)
	return fate{kind: dead, reason: reason}, true
}

// attempt makes one attempt.
func (p *pool) attempt(t *task, h *hook) dispatch.Outcome {
	ctx, cancel := context.WithTimeout(context.Background(), h.timeout(p.e.opts.RequestTimeout))
	defer cancel()
	p.mu.Lock()
	if t.cancel, t.cut = cancel, p.cut; t.lost || t.cut {
		cancel()
	}
	p.mu.Unlock()
	t.tried = 1
	p.e.stats.attempts.Add(1)
	out := p.e.send(ctx, h, p.e.request(t, h))
	if out.Verdict == dispatch.Unsent { // it never was one
		t.tried = 0
		p.e.stats.attempts.Add(-1)
	}
	return out
}

// judge turns an attempt's outcome into a fate, and tells it to log and trace.
func (p *pool) judge(t *task, h *hook, out dispatch.Outcome) fate {
	v := p.weigh(t, h, out)
	took := time.Since(t.began)
	p.e.watch.attempted(t, h, took, out, v)
	p.e.log.attempt(t, h, took, out, v)
	return v
}

func (p *pool) weigh(t *task, h *hook, out dispatch.Outcome) fate {
	switch out.Verdict {
	case dispatch.Delivered:
		return fate{kind: delivered, says: wentWell}
	case dispatch.Stop:
		return fate{kind: dead, reason: deadReason(out)}
	case dispatch.TooLarge:
		if t.job.events > 1 {
			h.slot.refuse(len(t.job.body))
			return p.halve(t, h)
		}
		return fate{kind: dead, reason: reasonTooLarge + ": the receiver refuses even a single event of this size"}
	case dispatch.Unsent:
		return fate{kind: again, delay: unsentDelay}
	}
	v := fate{kind: again, counts: true}
	if !p.wasCut(t) { // by Shutdown or Close
		v = p.retry(t, h, out)
	}
	if p.e.traits.AtMostOnce {
		return fate{kind: lost, says: v.says, reason: deadReason(out)}
	}
	return v
}

// wasCut reports whether the attempt was cut off because the pool stops.
func (p *pool) wasCut(t *task) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return t.cut
}

// retry decides whether and when a failed task is tried again.
func (p *pool) retry(t *task, h *hook, out dispatch.Outcome) fate {
	now, first := time.Now(), t.lease.First
	if t.lease.Attempts == 0 {
		first = t.began
	}
	retry := h.Retry.or(p.e.opts.Retry)
	if p.e.traits.OwnRetry { // the delay is the queue's, and at least one attempt follows
		retry.InitialBackoff, retry.MaxBackoff = 0, 0
	}
	delay, ok := retry.next(t.lease.Attempts+1, first, now, out.RetryAfter)
	if !ok {
		return fate{kind: dead, says: wentBadly, reason: deadReason(out)}
	}
	return fate{kind: again, says: wentBadly, delay: delay, counts: true}
}

func deadReason(out dispatch.Outcome) string {
	if out.Err == nil {
		return out.Reason
	}
	return out.Reason + ": " + out.Err.Error()
}

// halve splits a task's job into two.
func (p *pool) halve(t *task, h *hook) fate {
	halves, ok := halve(t.job, t.lease.Job, h.app.keys[0])
	if !ok {
		return fate{kind: dead, reason: reasonUnreadable + ": the body is not a list of events"}
	}
	return fate{kind: split, halves: halves}
}

// request makes the request of one attempt: the job as it was signed, or signed afresh if need be, with the webhook's
// headers of today.
func (e *Emitter) request(t *task, h *hook) *dispatch.Request {
	body, key, signature := t.job.body, t.job.key, t.job.signature
	now := time.Now()
	age := now.Sub(time.UnixMilli(t.job.timeMS)).Abs() // a clock may have been set back
	if !e.opts.KeepTime && (age > freshFor || t.lease.ID != t.job.id) {
		if b, ok := restamp(body, now.UnixMilli()); ok {
			body, signature = b, ""
		}
	}
	// A key's secret may have changed since the job was made, and nobody has checked a job of a trusted queue.
	if current := h.app.keys[0]; signature == "" || key != current.name || t.job.timeMS <= h.app.since {
		key, signature = current.name, string(current.signer.appendSignature(nil, body))
	}
	r := &dispatch.Request{
		URL: h.URL, Lambda: h.Lambda, Body: body,
		AppID: h.app.id, WebhookID: h.id, JobID: t.job.id, Attempt: t.lease.Attempts + 1,
	}
	r.Header = e.header(h, key, signature)
	if e.opts.StandardWebhooks {
		r.Header["Webhook-Timestamp"] = []string{strconv.FormatInt(now.Unix(), 10)}
		r.Header["Webhook-Signature"] = []string{string(h.app.keys[0].signer.appendStandard(nil, r.JobID, now.Unix(), body))}
	}
	return r
}

var contentType = []string{"application/json"}

func (e *Emitter) header(h *hook, key, signature string) http.Header {
	values := [2]string{key, signature}
	header := make(http.Header, len(h.Headers)+3)
	for name, value := range h.Headers {
		header[http.CanonicalHeaderKey(name)] = []string{value}
	}
	header["Content-Type"] = contentType
	header["X-Pusher-Key"] = values[:1:1]
	header["X-Pusher-Signature"] = values[1:]
	return header
}

// send makes the attempt; a panic on the way is a failure like others.
func (e *Emitter) send(ctx context.Context, h *hook, r *dispatch.Request) (out dispatch.Outcome) {
	defer func() {
		if v := recover(); v != nil {
			e.stats.panics.Add(1)
			out = dispatch.Outcome{Reason: "panic", Err: fmt.Errorf("middleware or sender panicked: %v", v)}
		}
	}()
	if h.Lambda != nil {
		return e.lambda.Send(ctx, r)
	}
	return e.http.Send(ctx, r)
}

func (h *hook) timeout(fallback time.Duration) time.Duration {
	if h.RequestTimeout > 0 {
		return h.RequestTimeout
	}
	return fallback
}
