package webhook

import (
	"context"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// freshFor is how old a job may be and keep its time. An older one is stamped and signed again,
// because a receiver may refuse what is older than 5 minutes.
const freshFor = 4 * time.Minute

// sender makes the requests of attempts and sends them.
type sender struct {
	http, lambda dispatch.Sender
	timeout      time.Duration // of webhooks that have none of their own
	keepTime     bool          // Options.KeepTime
	standard     bool          // Options.StandardWebhooks
	log          *logger
}

// request makes the request of one attempt: the job as it was signed, or signed again if need be,
// with the webhook's current headers. A replayed job has a new time.
func (s *sender) request(j *parsedJob, h *hook, attempt int, now time.Time) *dispatch.Request {
	body, key, signature := j.body, j.key, j.signature
	id := originalID(j.id)
	replayed := id != j.id
	age := now.Sub(time.UnixMilli(j.timeMS)).Abs() // a clock may have been set back
	if !s.keepTime && (age > freshFor || replayed) {
		if b, ok := restamp(body, now.UnixMilli()); ok {
			body, signature = b, ""
		}
	}
	// A key's secret may have changed since the job was made, and nobody has checked a job of an
	// in-process queue.
	if current := h.app.keys[0]; signature == "" || key != current.name || j.timeMS <= h.app.since {
		key, signature = current.name, string(current.signer.appendSignature(nil, body))
	}
	r := &dispatch.Request{
		URL: h.URL, Lambda: h.Lambda, Body: body,
		AppID: h.app.id, WebhookID: h.id, JobID: id, Attempt: attempt,
	}
	r.Header = requestHeader(h, key, signature)
	if s.standard {
		r.Header["Webhook-Timestamp"] = []string{strconv.FormatInt(now.Unix(), 10)}
		r.Header["Webhook-Signature"] = []string{standardSignatures(h.app.keys, r.JobID, now.Unix(), body)}
	}
	return r
}

var contentType = []string{"application/json"}

func requestHeader(h *hook, key, signature string) http.Header {
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

// send makes the attempt. It panics if middleware or the sender does.
func (s *sender) send(ctx context.Context, h *hook, r *dispatch.Request) dispatch.Outcome {
	if h.Lambda != nil {
		return normal(s.lambda.Send(ctx, r))
	}
	return normal(s.http.Send(ctx, r))
}

// try makes the attempt in a goroutine of its own, so that a panic or a runtime.Goexit is a failed
// attempt.
func (s *sender) try(ctx context.Context, h *hook, r *dispatch.Request) (out dispatch.Outcome) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		returned := false
		defer func() {
			if !returned {
				value := recover()
				s.log.panicked("test delivery", h.redact(panicText(value)), debug.Stack())
				out = panicOutcome(h, value)
			}
		}()
		out = s.send(ctx, h, r)
		returned = true
	}()
	<-done
	return out
}

// timeoutOf returns how long an attempt for the webhook may take.
func (s *sender) timeoutOf(h *hook) time.Duration {
	if h.RequestTimeout > 0 {
		return h.RequestTimeout
	}
	return s.timeout
}

// host names whom the webhook's attempts reach: the URL's host and port, or the function's region.
func (h *hook) host() string {
	if h.Lambda != nil {
		return "lambda:" + h.Lambda.Region
	}
	_, host, _ := strings.Cut(h.URL, "://")
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	return host[strings.LastIndexByte(host, '@')+1:]
}
