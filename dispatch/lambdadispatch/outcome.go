package lambdadispatch

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go"

	"github.com/pushhooks/webhook/dispatch"
)

// explain says which function an error is about.
func explain(l *dispatch.Lambda, err error) error {
	return fmt.Errorf("lambda function %s in %s: %w", l.FunctionName, l.Region, err)
}

// unsendable is the outcome of a request that no call can be made of.
func unsendable(err error) *dispatch.Outcome {
	return &dispatch.Outcome{Verdict: dispatch.Stop, Reason: dispatch.ReasonBadRequest, Err: err}
}

func tooLarge(l *dispatch.Lambda, size, most int, kind InvocationType) *dispatch.Outcome {
	err := fmt.Errorf("the payload is %d bytes long, Lambda takes at most %d for %s", size, most, kind)
	return &dispatch.Outcome{Verdict: dispatch.TooLarge, Reason: dispatch.ReasonTooLarge, Err: explain(l, err)}
}

// answer says what a call came to that Lambda answered with a success of its own.
func answer(l *dispatch.Lambda, out *lambda.InvokeOutput) dispatch.Outcome {
	status := int(out.StatusCode)
	if out.FunctionError == nil {
		return dispatch.Outcome{Verdict: dispatch.Delivered, Status: status}
	}
	return dispatch.Outcome{
		Verdict:  dispatch.Retry,
		Status:   status,
		Reason:   ReasonFunctionError,
		Err:      explain(l, fmt.Errorf("the function failed: %s", *out.FunctionError)),
		Response: string(out.Payload),
	}
}

// refusal is an error that Lambda answered with.
type refusal struct {
	code, message string // as Lambda has them
	requestID     string
	status        int         // 0 if the client does not tell
	header        http.Header // nil if the client does not tell
}

// refusalOf takes err apart, if it is Lambda's answer.
func refusalOf(err error) (f refusal, ok bool) {
	var resp *awshttp.ResponseError
	if errors.As(err, &resp) && resp.HTTPStatusCode() != 0 {
		f.status, f.header, f.requestID = resp.HTTPStatusCode(), resp.Response.Header, resp.ServiceRequestID()
		ok = true
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		f.code, f.message = api.ErrorCode(), api.ErrorMessage()
		ok = true
	}
	return f, ok
}

// outcome says what the refusal means. What Lambda wrote is the Response, unless it is about the
// credentials: then Lambda may quote the request's headers, the session token among them.
func (f refusal) outcome(l *dispatch.Lambda) dispatch.Outcome {
	verdict, reason := f.meaning()
	out := dispatch.Outcome{
		Verdict:    verdict,
		Status:     f.status,
		Reason:     reason,
		Err:        explain(l, f.err()),
		RetryAfter: retryAfter(f.header),
	}
	if reason != ReasonCredentials {
		out.Response = f.message
	}
	return out
}

// err names the refusal.
func (f refusal) err() error {
	parts := make([]string, 0, 3)
	if f.code != "" {
		parts = append(parts, f.code)
	}
	if f.status != 0 {
		parts = append(parts, fmt.Sprintf("answered %d %s", f.status, http.StatusText(f.status)))
	}
	if f.requestID != "" {
		parts = append(parts, "request "+f.requestID)
	}
	return errors.New(strings.Join(parts, ", "))
}

// meaning goes by the code, and by the status where the code is not a known one.
func (f refusal) meaning() (dispatch.Verdict, string) {
	switch f.code {
	case "ResourceNotFoundException":
		return dispatch.Stop, ReasonFunctionNotFound
	case "InvalidRequestContentException", "InvalidParameterValueException", "UnsupportedMediaTypeException",
		"RecursiveInvocationException":
		return dispatch.Stop, ReasonRejected
	case "RequestTooLargeException", "RequestEntityTooLargeException":
		return dispatch.TooLarge, dispatch.ReasonTooLarge
	case "TooManyRequestsException", "EC2ThrottledException", "ThrottlingException":
		return dispatch.Retry, ReasonThrottled
	case "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "ExpiredToken",
		"InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", "IncompleteSignature",
		"MissingAuthenticationTokenException", "MissingAuthenticationToken":
		return dispatch.Retry, ReasonCredentials
	case "AccessDeniedException":
		return dispatch.Retry, ReasonAccessDenied
	case "ServiceException", "ResourceConflictException", "ResourceNotReadyException":
		return dispatch.Retry, ReasonService
	}
	return f.statusMeaning()
}

func (f refusal) statusMeaning() (dispatch.Verdict, string) {
	switch {
	case f.status == http.StatusRequestEntityTooLarge:
		return dispatch.TooLarge, dispatch.ReasonTooLarge
	case f.status == http.StatusTooManyRequests:
		return dispatch.Retry, ReasonThrottled
	case f.status == http.StatusForbidden:
		return dispatch.Retry, ReasonAccessDenied
	case f.status >= 500:
		return dispatch.Retry, ReasonService
	}
	return dispatch.Retry, dispatch.ReasonStatus
}

// queuedOrDone says whether err came after Lambda had told of the success.
func (f refusal) queuedOrDone() bool {
	return f.status/100 == 2 && f.header.Get("X-Amz-Function-Error") == ""
}
