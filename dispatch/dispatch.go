// Package dispatch makes one attempt to deliver one webhook request and says how it
// went. It knows nothing of queues, retries or apps: it gets a finished [Request] and
// returns an [Outcome], and what follows from that is the caller's to decide.
//
// [HTTP] delivers to URLs. Package lambdadispatch delivers to AWS Lambda functions.
package dispatch

import (
	"context"
	"net/http"
	"time"

	"github.com/pushhooks/webhook/internal/oneline"
)

// Lambda names the AWS Lambda function that a webhook invokes.
type Lambda struct {
	FunctionName string // name, ARN or partial ARN, with or without version or alias
	Region       string // such as "us-east-1". Defaults to that of an ARN

	// InvocationType is "Event" or "RequestResponse". Defaults to the sender's option.
	InvocationType string

	// Envelope wraps the payload as the sender's option of this name does, for this function alone.
	Envelope bool
}

// Request is one attempt at one delivery. Exactly one of URL and Lambda is set.
// A Sender does not change it, except through a Clone.
type Request struct {
	URL    string  // absolute, http or https
	Lambda *Lambda // instead of URL

	// Header is what the receiver gets besides the transport's own headers: content
	// type, key, signature, the webhook's custom headers. Names are canonical, except
	// that X-Pusher-* are written as they stand here.
	Header http.Header

	// Body is the signed payload, to be sent byte for byte. It stays unchanged for good,
	// so a transport may still be reading it after Send has returned.
	Body []byte

	AppID     string // the app that the events belong to
	WebhookID string // the webhook's identity within the app
	JobID     string // the same in every attempt and replay; sent as Webhook-Id
	Attempt   int    // 1 for the first
}

// Clone returns a copy of r whose Header may be changed. Body is shared.
func (r *Request) Clone() *Request {
	c := *r
	c.Header = r.Header.Clone()
	return &c
}

// Verdict says what an attempt's outcome means for the job.
type Verdict uint8

const (
	// Retry says that the attempt failed and that a later one may succeed.
	Retry Verdict = iota
	// Delivered says that the receiver has accepted the job.
	Delivered
	// Stop says that no later attempt can succeed: the job belongs to the dead letters.
	Stop
	// TooLarge says that the receiver refuses requests of this size: smaller ones may succeed.
	TooLarge
	// Unsent says that nothing was sent, for a reason that is not the receiver's: this host has no
	// file descriptor or no route, no name server answers, the proxy is down.
	Unsent
)

// String returns the verdict's name in lower case.
func (v Verdict) String() string {
	switch v {
	case Retry:
		return "retry"
	case Delivered:
		return "delivered"
	case Stop:
		return "stop"
	case TooLarge:
		return "too_large"
	case Unsent:
		return "unsent"
	}
	return "unknown"
}

// Outcome is what one attempt came to.
type Outcome struct {
	Verdict Verdict

	// Status is the HTTP status code (for Lambda, that of the Invoke API), 0 if there was none.
	Status int

	// Reason is one stable word for what went wrong, such as "status", "timeout", "connect", "tls",
	// "dns", "blocked_address", "gone"; it is empty when the job was delivered. Dead letters, logs
	// and traces show it.
	Reason string

	// Err tells the details. It holds no secret and no header value, and of the URL no more than
	// scheme and host. It is nil when the job was delivered.
	Err error

	// RetryAfter is how long the receiver asked to be left alone, 0 if it did not.
	RetryAfter time.Duration

	// Response holds the beginning of the receiver's answer, on one line of at most 1 KiB, when it
	// was not a success. It is the receiver's text: quote it, never interpret it.
	Response string
}

// Clean returns o with texts that are fit for log lines and dead letters, whoever wrote them:
// Reason, the message of Err and Response are cut at 1 KiB; line breaks become spaces, other
// control characters U+FFFD. The senders of this module have done that with what they return.
func (o Outcome) Clean() Outcome {
	o.Reason = oneline.Text(o.Reason)
	o.Err = oneline.Error(o.Err)
	o.Response = oneline.Text(o.Response)
	return o
}

// Sender makes attempts. Send is called from many goroutines at once and makes exactly
// one attempt, whose time ctx bounds; it returns soon after ctx ends. It never retries,
// beyond one replay on a reused connection that the receiver had closed.
type Sender interface {
	Send(ctx context.Context, r *Request) Outcome
}

// SenderFunc is a function that is a Sender.
type SenderFunc func(ctx context.Context, r *Request) Outcome

// Send calls f.
func (f SenderFunc) Send(ctx context.Context, r *Request) Outcome { return f(ctx, r) }

// Middleware wraps a Sender: to measure, to add a header (on a Clone), to refuse. The body must
// reach the receiver as it is, because it is signed.
type Middleware func(next Sender) Sender

// Chain wraps s in middleware: the first one is the outermost.
func Chain(s Sender, mw ...Middleware) Sender {
	for i := len(mw) - 1; i >= 0; i-- {
		s = mw[i](s)
	}
	return s
}
