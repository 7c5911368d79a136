package lambdadispatch

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEnvelopeHoldsTheBodyByteForByteAndEveryHeader(t *testing.T) {
	t.Parallel()
	r := request("f")
	r.Body = []byte("{ \"a\":\"<&>\\u2028\u2028\\\"\",\t\"b\":1.0 }")
	text := envelope(r)
	var got struct {
		Payload   json.RawMessage   `json:"payload"`
		Headers   map[string]string `json:"headers"`
		Body      string            `json:"body"`
		AppID     string            `json:"app_id"`
		WebhookID string            `json:"webhook_id"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if string(got.Payload) != string(r.Body) || got.Body != string(r.Body) {
		t.Errorf("payload is %s and body is %s, want %s", got.Payload, got.Body, r.Body)
	}
	if got.AppID != "my-app" || got.WebhookID != "wh_1" || len(got.Headers) != 6 {
		t.Errorf("got %+v", got)
	}
	for name, want := range map[string]string{
		"X-Pusher-Key": "my-key", "X-Pusher-Signature": testSignature, "Content-Type": "application/json",
		"Webhook-Id": "job-1", "Webhook-Attempt": "3", "Authorization": "Bearer custom-secret",
	} {
		if got.Headers[name] != want {
			t.Errorf("%s is %q, want %q", name, got.Headers[name], want)
		}
	}
}

func TestEnvelopeLeavesTheRequestAlone(t *testing.T) {
	t.Parallel()
	r := request("f")
	envelope(r)
	if r.Header.Get("Webhook-Id") != "" || string(r.Body) != testBody {
		t.Errorf("the request was changed: %v, %s", r.Header, r.Body)
	}
}

// The longest ids that an app may have must fit.
func TestLongIDsFitTheClientContext(t *testing.T) {
	t.Parallel()
	r := request("f")
	r.AppID, r.WebhookID = strings.Repeat("\"", 200), strings.Repeat("\\", 200)
	r.Header.Set("X-Pusher-Key", strings.Repeat("k", 200))
	r.JobID = strings.Repeat("j", 200)
	if _, err := clientContext(r); err != nil {
		t.Error(err)
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add(testBody, "my-app", "value")
	f.Add(`"\u2028"`, "<&>\x00", "\xff")
	f.Fuzz(func(t *testing.T, body, app, value string) {
		if !json.Valid([]byte(body)) {
			return // the emitter makes valid JSON only
		}
		r := request("f")
		r.Body, r.AppID = []byte(body), app
		r.Header.Set("X-Custom", value)
		var got struct {
			Payload json.RawMessage `json:"payload"`
			Body    string          `json:"body"`
			AppID   string          `json:"app_id"`
		}
		if err := json.Unmarshal(envelope(r), &got); err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(body) && got.Body != body {
			t.Errorf("body is %q, want %q", got.Body, body)
		}
		if string(got.Payload) != strings.TrimSpace(body) {
			t.Errorf("payload is %q, want %q", got.Payload, body)
		}
	})
}
