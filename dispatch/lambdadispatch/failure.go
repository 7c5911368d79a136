package lambdadispatch

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/outbound"
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
	f := outbound.Classify(send.Err)
	out := dispatch.Outcome{Reason: f.Reason, Err: explain(l, send.Err)}
	if f.Unsent {
		out.Verdict = dispatch.Unsent
	}
	return out
}

// credentialsError says that there were no credentials to sign a call with.
type credentialsError struct{ err error }

// Unwrap returns what the SDK said.
func (e *credentialsError) Unwrap() error { return e.err }

// Error leaves out what may hold a secret: a program's output, and what a service wrote about a
// request.
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
