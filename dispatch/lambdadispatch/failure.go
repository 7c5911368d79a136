package lambdadispatch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pushhooks/webhook/dispatch"
)

// withoutClient is the outcome of an attempt that had no client.
func withoutClient(ctx context.Context, l *dispatch.Lambda, err error) dispatch.Outcome {
	if ctx.Err() != nil {
		return ended(ctx, l)
	}
	return dispatch.Outcome{Reason: ReasonClient, Err: explain(l, fmt.Errorf("no client: %w", err))}
}

// failure says what a call came to that returned an error.
func failure(ctx context.Context, l *dispatch.Lambda, err error) dispatch.Outcome {
	var missing *credentialsError
	unsigned := errors.As(err, &missing)
	f, answered := refusalOf(err) // by Lambda, or by a service that issues credentials
	switch {
	case answered && !unsigned && f.queuedOrDone():
		return dispatch.Outcome{Verdict: dispatch.Delivered, Status: f.status}
	case ctx.Err() != nil:
		return ended(ctx, l)
	case unsigned:
		return dispatch.Outcome{Reason: ReasonCredentials, Err: explain(l, missing)}
	case answered:
		return f.outcome(l)
	}
	return unanswered(l, err)
}

// ended is the outcome of an attempt that ctx ended.
func ended(ctx context.Context, l *dispatch.Lambda) dispatch.Outcome {
	reason := dispatch.ReasonTimeout
	if errors.Is(ctx.Err(), context.Canceled) {
		reason = dispatch.ReasonCanceled
	}
	return dispatch.Outcome{Reason: reason, Err: explain(l, fmt.Errorf("no answer in time: %w", ctx.Err()))}
}

// unanswered says what a call came to that got no answer.
func unanswered(l *dispatch.Lambda, err error) dispatch.Outcome {
	var invalid smithy.InvalidParamsError
	if errors.As(err, &invalid) {
		return *unsendable(explain(l, err))
	}
	var send *smithyhttp.RequestSendError
	if !errors.As(err, &send) {
		return dispatch.Outcome{Reason: ReasonClient, Err: explain(l, err)}
	}
	out := dispatch.Outcome{Reason: networkReason(send.Err), Err: explain(l, send.Err)}
	if out.Reason == dispatch.ReasonLocal {
		out.Verdict = dispatch.Unsent
	}
	return out
}

// networkReason tells errors of the connection apart.
func networkReason(err error) string {
	var dns *net.DNSError
	var dial *net.OpError
	switch {
	case isLocal(err):
		return dispatch.ReasonLocal
	case errors.As(err, &dns):
		return dispatch.ReasonDNS
	case errors.As(err, &dial) && dial.Op == "dial" && dial.Timeout():
		return dispatch.ReasonConnectTimeout
	case errors.As(err, &dial) && dial.Op == "dial":
		return dispatch.ReasonConnect
	case isTimeout(err):
		return dispatch.ReasonTLSTimeout
	case isTLS(err):
		return dispatch.ReasonTLS
	case isReset(err):
		return dispatch.ReasonReset
	}
	return dispatch.ReasonBadAnswer
}

// isLocal says whether this host lacked something.
func isLocal(err error) bool {
	return isAny(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL)
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func isReset(err error) bool {
	return isAny(err, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE)
}

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
}

func isTLS(err error) bool {
	var alert tls.AlertError
	var header tls.RecordHeaderError
	var cert *tls.CertificateVerificationError
	var host x509.HostnameError
	return errors.As(err, &alert) || errors.As(err, &header) || errors.As(err, &cert) || errors.As(err, &host)
}

// credentialsError says that there were no credentials to sign a call with.
type credentialsError struct{ err error }

// Unwrap returns what the SDK said.
func (e *credentialsError) Unwrap() error { return e.err }

// Error leaves out what may hold a secret: a program's output, and what a service wrote about a request.
func (e *credentialsError) Error() string {
	var program *processcreds.ProviderError
	var api smithy.APIError
	var cause string
	switch {
	case errors.As(e.err, &program):
		cause = "the credential_process failed"
	case errors.As(e.err, &api):
		cause = "AWS refused to issue them: " + api.ErrorCode()
	default:
		cause = e.err.Error()
	}
	return "no AWS credentials: " + cause
}
