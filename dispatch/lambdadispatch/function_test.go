package lambdadispatch

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/testlambda"
)

// returned is what the function of package testlambda returns.
type returned struct {
	Payload json.RawMessage   `json:"payload"`
	Custom  map[string]string `json:"custom"`
	Events  []string          `json:"events"`
}

// lastReturned returns what the function returned in its nth run.
func lastReturned(t *testing.T, api *testlambda.Server, function string, n int) returned {
	t.Helper()
	var r returned
	result := api.WaitResults(function, n)[n-1]
	if err := json.Unmarshal(result.Answer, &r); err != nil || result.Failed {
		t.Fatalf("the function failed with %s, %v", result.Answer, err)
	}
	return r
}

func TestRequestResponseIsDeliveredWhenTheFunctionReturns(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{})
	s := newSender(t, Options{EndpointURL: api.URL, InvocationType: RequestResponse})
	wantDelivered(t, send(t, s, request("f")), 200)
	got := lastReturned(t, api, "f", 1)
	if string(got.Payload) != testBody {
		t.Errorf("the payload is %s, want the body byte for byte", got.Payload)
	}
	want := map[string]string{
		"key": "my-key", "signature": testSignature, "app_id": "my-app", "webhook_id": "wh_1", "job_id": "job-1", "attempt": "3",
	}
	for name, value := range want {
		if got.Custom[name] != value {
			t.Errorf("the client context's %s is %q, want %q", name, got.Custom[name], value)
		}
	}
}

func TestFunctionVerifiesByTheClientContext(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{Does: "verify-context", Env: []string{"FUNCTION_KEY=my-key", "FUNCTION_SECRET=tofu"}})
	s := newSender(t, Options{EndpointURL: api.URL, InvocationType: RequestResponse})
	wantDelivered(t, send(t, s, request("f")), 200)
	if got := lastReturned(t, api, "f", 1).Events; len(got) != 1 || got[0] != "channel_vacated test_channel" {
		t.Errorf("the function verified %q", got)
	}
	forged := request("f")
	forged.Body = []byte(strings.Replace(testBody, "vacated", "occupied", 1))
	wantFailure(t, send(t, s, forged), dispatch.Retry, 200, ReasonFunctionError)
}

func TestEventIsDeliveredWhenItIsQueued(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{})
	s := newSender(t, Options{EndpointURL: api.URL})
	wantDelivered(t, send(t, s, request("f")), 202)
	got := lastReturned(t, api, "f", 1)
	if string(got.Payload) != testBody || len(got.Custom) != 0 {
		t.Errorf("the function got %s and %v, want the body, and no client context: AWS drops it", got.Payload, got.Custom)
	}
}

func TestEnvelopeReachesTheFunctionByEitherType(t *testing.T) {
	t.Parallel()
	for _, kind := range []InvocationType{Event, RequestResponse} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			api := testlambda.Start(t)
			api.Deploy("f", testlambda.Function{Does: "verify-envelope", Env: []string{"FUNCTION_KEY=my-key", "FUNCTION_SECRET=tofu"}})
			s := newSender(t, Options{EndpointURL: api.URL, InvocationType: kind, Envelope: true})
			if out := send(t, s, request("f")); out.Verdict != dispatch.Delivered {
				t.Fatalf("got %+v", out)
			}
			if got := lastReturned(t, api, "f", 1).Events; len(got) != 1 || got[0] != "channel_vacated test_channel" {
				t.Errorf("the function verified %q", got)
			}
		})
	}
}

func TestFunctionThatFailsIsRetried(t *testing.T) {
	t.Parallel()
	tests := []struct {
		does, response string
		timeout        time.Duration
	}{
		{does: "error", response: `"errorMessage":"no luck"`},
		{does: "panic", response: `"errorMessage":"bad luck"`},
		{does: "exit", response: "Runtime exited with error: exit status 3"},
		{does: "hang", response: "Task timed out after 0.30 seconds", timeout: 300 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.does, func(t *testing.T) {
			t.Parallel()
			api := testlambda.Start(t)
			api.Deploy("f", testlambda.Function{Does: tt.does, Timeout: tt.timeout})
			s := newSender(t, Options{EndpointURL: api.URL, InvocationType: RequestResponse})
			for range 2 { // the second time, the first instance may be gone
				out := send(t, s, request("f"))
				wantFailure(t, out, dispatch.Retry, 200, ReasonFunctionError)
				if !strings.Contains(out.Response, tt.response) {
					t.Errorf("the response is %q, want %s", out.Response, tt.response)
				}
			}
			if n := len(api.Requests()); n != 2 {
				t.Errorf("there were %d requests for 2 attempts", n)
			}
		})
	}
}

func TestLongFunctionErrorIsCutOff(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{Does: "error-large"})
	s := newSender(t, Options{EndpointURL: api.URL, InvocationType: RequestResponse})
	out := send(t, s, request("f"))
	wantFailure(t, out, dispatch.Retry, 200, ReasonFunctionError)
	if len(out.Response) != 1024 {
		t.Errorf("the response has %d bytes, want 1024", len(out.Response))
	}
}

func TestLambdaItselfRetriesEvents(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{Does: "error-twice"})
	s := newSender(t, Options{EndpointURL: api.URL})
	wantDelivered(t, send(t, s, request("f")), 202)
	results := api.WaitResults("f", 3)
	if !results[0].Failed || !results[1].Failed || results[2].Failed {
		t.Errorf("the runs came to %v, want two failures and a success", results)
	}
	if n := len(api.Requests()); n != 1 {
		t.Errorf("there were %d requests, want 1", n)
	}
}

func TestBusyFunctionIsThrottled(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{Does: "hang", Concurrency: 1})
	s := newSender(t, Options{EndpointURL: api.URL, InvocationType: RequestResponse})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan dispatch.Outcome, 1)
	go func() { first <- s.Send(ctx, request("f")) }()
	api.WaitRunning("f", 1)
	wantFailure(t, send(t, s, request("f")), dispatch.Retry, 429, ReasonThrottled)
	cancel()
	wantFailure(t, <-first, dispatch.Retry, 0, dispatch.ReasonCanceled)
}

func TestAttemptEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{Does: "hang"})
	s := newSender(t, Options{EndpointURL: api.URL, InvocationType: RequestResponse})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	out := s.Send(ctx, request("f"))
	wantFailure(t, out, dispatch.Retry, 0, dispatch.ReasonTimeout)
	if !strings.Contains(out.Err.Error(), "lambda function f in us-east-1: no answer in time") {
		t.Errorf("the error is %v", out.Err)
	}
}

func TestManyAttemptsAtOnceUseOneClientForEachRegion(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{Concurrency: 4})
	s := newSender(t, Options{EndpointURL: api.URL, InvocationType: Event})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			r := request("f")
			r.Lambda.Region = []string{"us-east-1", "eu-west-1"}[i%2]
			if out := s.Send(t.Context(), r); out.Verdict != dispatch.Delivered {
				t.Errorf("got %+v", out)
			}
		})
	}
	wg.Wait()
	api.WaitResults("f", 100)
	signed := map[string]int{} // by the region in the signature's scope
	for _, r := range api.Requests() {
		for _, region := range []string{"us-east-1", "eu-west-1"} {
			if strings.Contains(r.Header.Get("Authorization"), "/"+region+"/lambda/") {
				signed[region]++
			}
		}
	}
	if signed["us-east-1"] != 50 || signed["eu-west-1"] != 50 {
		t.Errorf("requests were signed for %v, want 50 for each region", signed)
	}
}

func TestFunctionMayBeNamedByItsARN(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{})
	s := newSender(t, Options{EndpointURL: api.URL, InvocationType: RequestResponse})
	wantDelivered(t, send(t, s, request("arn:aws:lambda:us-east-1:123456789012:function:f:live")), 200)
}
