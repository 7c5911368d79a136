package lambdadispatch

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/testlambda"
)

func TestRefusalsOfLambda(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status  int
		code    string
		verdict dispatch.Verdict
		reason  string
	}{
		{404, "ResourceNotFoundException", dispatch.Stop, ReasonFunctionNotFound},
		{400, "InvalidRequestContentException", dispatch.Stop, ReasonRejected},
		{400, "InvalidParameterValueException", dispatch.Stop, ReasonRejected},
		{400, "RecursiveInvocationException", dispatch.Stop, ReasonRejected},
		{415, "UnsupportedMediaTypeException", dispatch.Stop, ReasonRejected},
		{413, "RequestTooLargeException", dispatch.TooLarge, dispatch.ReasonTooLarge},
		{413, "RequestEntityTooLargeException", dispatch.TooLarge, dispatch.ReasonTooLarge},
		{413, "", dispatch.TooLarge, dispatch.ReasonTooLarge},
		{429, "TooManyRequestsException", dispatch.Retry, ReasonThrottled},
		{429, "", dispatch.Retry, ReasonThrottled},
		{502, "EC2ThrottledException", dispatch.Retry, ReasonThrottled},
		{500, "ServiceException", dispatch.Retry, ReasonService},
		{502, "InvalidRuntimeException", dispatch.Retry, ReasonService},
		{502, "ResourceNotReadyException", dispatch.Retry, ReasonService},
		{409, "ResourceConflictException", dispatch.Retry, ReasonService},
		{503, "", dispatch.Retry, ReasonService},
		{403, "AccessDeniedException", dispatch.Retry, ReasonAccessDenied},
		{403, "", dispatch.Retry, ReasonAccessDenied},
		{403, "ExpiredTokenException", dispatch.Retry, ReasonCredentials},
		{403, "UnrecognizedClientException", dispatch.Retry, ReasonCredentials},
		{403, "InvalidSignatureException", dispatch.Retry, ReasonCredentials},
		{418, "TeapotException", dispatch.Retry, dispatch.ReasonStatus},
		{301, "", dispatch.Retry, dispatch.ReasonStatus},
	}
	api := testlambda.Start(t)
	s := newSender(t, Options{EndpointURL: api.URL})
	for _, tt := range tests {
		name := tt.code
		if name == "" {
			name = "no-code"
		}
		name += "-" + string(rune('0'+tt.status/100))
		t.Run(name, func(t *testing.T) {
			api.Deploy("f", testlambda.Function{Refusal: &testlambda.Refusal{Status: tt.status, Type: tt.code, Message: "what Lambda says"}})
			before := len(api.Requests())
			out := send(t, s, request("f"))
			wantFailure(t, out, tt.verdict, tt.status, tt.reason)
			if !strings.Contains(out.Err.Error(), "lambda function f in us-east-1: ") || !strings.Contains(out.Err.Error(), tt.code) {
				t.Errorf("the error is %v", out.Err)
			}
			if made := len(api.Requests()) - before; made != 1 {
				t.Errorf("one attempt made %d requests", made)
			}
			shown := "what Lambda says"
			if tt.reason == ReasonCredentials {
				shown = "" // it may quote the request's headers
			}
			if out.Response != shown {
				t.Errorf("the response is %q, want %q", out.Response, shown)
			}
		})
	}
}

func TestMissingFunctionIsNotRetried(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	for _, kind := range []InvocationType{Event, RequestResponse} {
		s := newSender(t, Options{EndpointURL: api.URL, InvocationType: kind})
		wantFailure(t, send(t, s, request("nowhere")), dispatch.Stop, 404, ReasonFunctionNotFound)
	}
}

func TestRetryAfterIsTold(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	s := newSender(t, Options{EndpointURL: api.URL})
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "0": 0, "-1": 0, "soon": 0, "1.5": 0, "4000000000": 24 * time.Hour, "99999999999999999999": 0,
	} {
		api.Deploy("f", testlambda.Function{Refusal: &testlambda.Refusal{Status: 429, Type: "TooManyRequestsException", RetryAfter: header}})
		if out := send(t, s, request("f")); out.RetryAfter != want {
			t.Errorf("Retry-After %q is understood as %v, want %v", header, out.RetryAfter, want)
		}
	}
}

// body returns a payload of the size.
func body(size int) []byte {
	b := bytes.Repeat([]byte("x"), size)
	b[0], b[size-1] = '"', '"'
	return b
}

func TestPayloadAboveTheLimitIsNotSent(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{})
	for kind, limit := range map[InvocationType]int{Event: 1 << 20, RequestResponse: 6 << 20} {
		s := newSender(t, Options{EndpointURL: api.URL, InvocationType: kind})
		r := request("f")
		r.Body = body(limit)
		if out := send(t, s, r); out.Verdict != dispatch.Delivered {
			t.Errorf("%s, %d bytes: got %+v", kind, limit, out)
		}
		before := len(api.Requests())
		r.Body = body(limit + 1)
		wantFailure(t, send(t, s, r), dispatch.TooLarge, 0, dispatch.ReasonTooLarge)
		if made := len(api.Requests()) - before; made != 0 {
			t.Errorf("%s, %d bytes: %d requests were made", kind, limit+1, made)
		}
	}
}

func TestEnvelopeCountsTowardsTheLimit(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	s := newSender(t, Options{EndpointURL: api.URL, Envelope: true})
	r := request("f")
	r.Body = body(600 << 10)
	wantFailure(t, send(t, s, r), dispatch.TooLarge, 0, dispatch.ReasonTooLarge)
}

func TestSmallerLimitOfTheAPIIsTooLarge(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{MaxPayload: 10})
	s := newSender(t, Options{EndpointURL: api.URL})
	wantFailure(t, send(t, s, request("f")), dispatch.TooLarge, 413, dispatch.ReasonTooLarge)
}

func TestRequestThatCannotBeMadeStops(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	s := newSender(t, Options{EndpointURL: api.URL})
	noFunction := request("")
	noRegion := request("f")
	noRegion.Lambda.Region = ""
	noTarget := request("f")
	noTarget.Lambda = nil
	longID := request("f")
	longID.WebhookID = strings.Repeat("x", 3000)
	for name, r := range map[string]*dispatch.Request{
		"no function": noFunction, "no region": noRegion, "no target": noTarget, "a long id": longID,
	} {
		out := send(t, s, r)
		if out.Verdict != dispatch.Stop || out.Reason != dispatch.ReasonBadRequest || out.Err == nil {
			t.Errorf("%s: got %+v, want bad_request", name, out)
		}
	}
	if n := len(api.Requests()); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}
