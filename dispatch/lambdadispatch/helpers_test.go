package lambdadispatch

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

const testBody = `{"time_ms":1403175510755,"events":[{"channel":"test_channel","name":"channel_vacated"}]}`

// testSignature is testBody's with the secret "tofu", from the test suite of an official library.
const testSignature = "c17257e92037cd7de407ebc1ed174ceb7b2e518db127f44411b9ffc4f5b28cc5"

// newSender returns a sender that is closed when the test ends.
func newSender(t *testing.T, o Options) *Sender {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// request returns a request for the function, as an emitter would make it.
func request(function string) *dispatch.Request {
	return &dispatch.Request{
		Lambda: &dispatch.Lambda{FunctionName: function, Region: "us-east-1"},
		Header: http.Header{
			"Content-Type":       {"application/json"},
			"X-Pusher-Key":       {"my-key"},
			"X-Pusher-Signature": {testSignature},
			"Authorization":      {"Bearer custom-secret"},
		},
		Body:      []byte(testBody),
		AppID:     "my-app",
		WebhookID: "wh_1",
		JobID:     "job-1",
		Attempt:   3,
	}
}

// send makes an attempt that has half a minute.
func send(t *testing.T, s dispatch.Sender, r *dispatch.Request) dispatch.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return s.Send(ctx, r)
}

// wantFailure checks an outcome that is not a success, and that no secret is in it.
func wantFailure(t *testing.T, out dispatch.Outcome, verdict dispatch.Verdict, status int, reason string) {
	t.Helper()
	if out.Verdict != verdict || out.Status != status || out.Reason != reason || out.Err == nil {
		t.Fatalf("got %v, status %d, reason %q, %v; want %v, status %d, reason %q with an error",
			out.Verdict, out.Status, out.Reason, out.Err, verdict, status, reason)
	}
	for _, secret := range []string{"custom-secret", "secret-access-key", "session-token", testSignature} {
		if strings.Contains(out.Err.Error()+out.Response, secret) {
			t.Errorf("%q is in the outcome: %v, %q", secret, out.Err, out.Response)
		}
	}
}

func wantDelivered(t *testing.T, out dispatch.Outcome, status int) {
	t.Helper()
	if out.Verdict != dispatch.Delivered || out.Status != status || out.Reason != "" || out.Err != nil {
		t.Fatalf("got %v, status %d, reason %q, %v; want delivered, status %d", out.Verdict, out.Status, out.Reason, out.Err, status)
	}
}
