package webhook

import (
	"cmp"
	"net/http"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/internal/scheduler"
)

// classify decides what becomes of a job after an attempt, and what the outcome says of the
// endpoint.
func (j *deliveryJob) classify(h *hook, retry Retry, out dispatch.Outcome) scheduler.Result {
	switch out.Verdict {
	case dispatch.Delivered:
		return scheduler.Result{Action: scheduler.Ack, Evidence: scheduler.Up}
	case dispatch.Stop:
		return stopped(out)
	case dispatch.TooLarge:
		return j.tooLarge(h)
	case dispatch.Unsent:
		return scheduler.Result{Action: scheduler.Retry, Evidence: scheduler.Unsent, Delay: unsentDelay, Reason: outcomeReason(out)}
	}
	if j.task.Aborted() { // by the end of this process or of the lease: it says nothing
		return j.orDrop(scheduler.Result{Action: scheduler.Retry, Counted: true, Reason: outcomeReason(out)})
	}
	r := j.orDrop(j.failed(h, retry, out))
	r.Evidence, r.Hold = scheduler.Down, askedHold(out)
	return r
}

// stopped gives up a job that no later attempt can deliver. An endpoint that answers 410 is up.
func stopped(out dispatch.Outcome) scheduler.Result {
	r := scheduler.Result{Action: scheduler.DeadLetter, Reason: outcomeReason(out)}
	if out.Status == http.StatusGone {
		r.Evidence = scheduler.Up
	}
	return r
}

// tooLarge halves a job that the receiver refuses for its size, or gives up a single event.
func (j *deliveryJob) tooLarge(h *hook) scheduler.Result {
	if j.parsed.events > 1 {
		h.slot.refuse(len(j.parsed.body))
		r := j.halve(h, scheduler.Up)
		r.Reason = cmp.Or(r.Reason, reasonTooLarge)
		return r
	}
	r := deadLetter(reasonTooLarge, "the receiver refuses even a single event of this size")
	r.Evidence = scheduler.Up
	return r
}

// orDrop turns the result of a failed attempt into a Drop where the queue has forgotten the job.
func (j *deliveryJob) orDrop(r scheduler.Result) scheduler.Result {
	if j.d.traits.AtMostOnce {
		return scheduler.Result{Action: scheduler.Drop, Reason: r.Reason}
	}
	return r
}

// failed decides whether and when a failed attempt is repeated.
func (j *deliveryJob) failed(h *hook, retry Retry, out dispatch.Outcome) scheduler.Result {
	traits := j.d.traits
	first := j.task.Lease.First
	if first.IsZero() {
		first = j.began
	}
	end := first.Add(retry.MaxElapsed)
	last := !j.began.Before(end)
	if last && j.parsed.events > 1 && judgesEvents(out.Status) && !traits.OwnRetry && !traits.AtMostOnce {
		r := j.halve(h, scheduler.Down)
		r.Reason = cmp.Or(r.Reason, outcomeReason(out))
		return r
	}
	if last || retry.exhausted(j.attempts()) {
		return scheduler.Result{Action: scheduler.DeadLetter, Reason: outcomeReason(out)}
	}
	delay := out.RetryAfter
	if !traits.OwnRetry { // else the queue has a delay of its own
		delay = max(delay, retry.delay(j.attempts(), time.Until(end)))
	}
	return scheduler.Result{Action: scheduler.Retry, Delay: delay, Counted: true, Reason: outcomeReason(out)}
}

// judgesEvents reports whether a failed status may be about one of the request's events. The
// statuses of an overloaded or absent service are not, nor is the lack of an answer.
func judgesEvents(status int) bool {
	switch status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return true
}

// askedHold returns for how long the endpoint asked to be left alone.
func askedHold(out dispatch.Outcome) time.Duration {
	if out.Status != http.StatusTooManyRequests && out.Status != http.StatusServiceUnavailable {
		return 0
	}
	return min(out.RetryAfter, maxAskedHold)
}

// outcomeReason words an outcome for dead letters.
func outcomeReason(out dispatch.Outcome) string {
	if out.Err == nil {
		return out.Reason
	}
	return oneline.Text(out.Reason + ": " + out.Err.Error())
}

// halve splits the job in two.
func (j *deliveryJob) halve(h *hook, evidence scheduler.Evidence) scheduler.Result {
	halves, ok := halve(&j.parsed, j.task.Lease.Job, h.app.keys[0])
	if !ok {
		return deadLetter(reasonUnreadable, "the body is not a list of events")
	}
	return scheduler.Result{Action: scheduler.Split, Evidence: evidence, Parts: halves}
}
