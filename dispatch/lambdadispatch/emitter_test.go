package lambdadispatch_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/dispatch/lambdadispatch"
	"github.com/pushhooks/webhook/internal/testlambda"
)

// appWith returns an app with one webhook, to function f.
func appWith() webhook.App {
	return webhook.App{ID: "my-app", Key: "my-key", Secret: "tofu", Webhooks: []webhook.Webhook{{
		ID:         "hook",
		Lambda:     &webhook.Lambda{FunctionName: "f", Region: "us-east-1"},
		EventTypes: []webhook.EventType{webhook.TypeChannelOccupied, webhook.TypeClientEvent},
		Headers:    webhook.Headers{"X-Custom": "custom value"},
		Retry:      webhook.Retry{InitialBackoff: 10 * time.Millisecond},
	}}}
}

// start starts an emitter whose functions are at api.
func start(t *testing.T, api *testlambda.Server, o lambdadispatch.Options) *webhook.Emitter {
	t.Helper()
	o.EndpointURL = api.URL
	sender, err := lambdadispatch.New(o)
	if err != nil {
		t.Fatal(err)
	}
	em, err := webhook.New(webhook.Options{
		Apps: []webhook.App{appWith()}, Lambda: sender, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := em.Close(); err != nil {
			t.Log(err) // what is left, where a test leaves something
		}
		sender.Close()
	})
	return em
}

// verifying is a function that verifies with the app's secret.
func verifying(does string) testlambda.Function {
	return testlambda.Function{Does: does, Env: []string{"FUNCTION_KEY=my-key", "FUNCTION_SECRET=tofu"}}
}

// verified returns the events that the function says it verified.
func verified(t *testing.T, results []testlambda.Result) []string {
	t.Helper()
	var events []string
	for _, r := range results {
		var answer struct{ Events []string }
		if err := json.Unmarshal(r.Answer, &answer); err != nil || r.Failed {
			t.Fatalf("the function failed with %s, %v", r.Answer, err)
		}
		events = append(events, answer.Events...)
	}
	return events
}

func emit(t *testing.T, em *webhook.Emitter, events ...webhook.Event) {
	t.Helper()
	for _, e := range events {
		if err := em.Emit(e); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEmitterDeliversToAFunctionThatVerifies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, does string
		o          lambdadispatch.Options
	}{
		{"event-with-envelope", "verify-envelope", lambdadispatch.Options{Envelope: true}},
		{"wait-with-envelope", "verify-envelope", lambdadispatch.Options{Envelope: true, InvocationType: lambdadispatch.RequestResponse}},
		{"wait-with-client-context", "verify-context", lambdadispatch.Options{InvocationType: lambdadispatch.RequestResponse}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			api := testlambda.Start(t)
			api.Deploy("f", verifying(tt.does))
			em := start(t, api, tt.o)
			emit(t, em,
				webhook.ChannelOccupied("my-app", "presence-chat"),
				webhook.ClientEvent("my-app", "private-\u2028<&>", webhook.ClientMessage{Name: "client-x", Data: "\b\x7f\u2029\"}", SocketID: "1.2"}))
			if err := em.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := []string{"channel_occupied presence-chat", "client_event private-\u2028<&>"}
			if got := verified(t, api.WaitResults("f", 1)); !slices.Equal(got, want) {
				t.Errorf("the function verified %q, want %q", got, want)
			}
			if s := em.Stats(); s.Delivered != 2 || s.Attempts != 1 {
				t.Errorf("stats are %+v", s)
			}
		})
	}
}

func TestEmitterRetriesAFunctionThatFails(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{Does: "error-twice"})
	em := start(t, api, lambdadispatch.Options{InvocationType: lambdadispatch.RequestResponse})
	emit(t, em, webhook.ChannelOccupied("my-app", "c"))
	if err := em.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := em.Stats(); s.Delivered != 1 || s.Attempts != 3 {
		t.Errorf("stats are %+v, want 1 delivered in 3 attempts", s)
	}
}

func TestEmitterDeadLettersForAMissingFunction(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	em := start(t, api, lambdadispatch.Options{})
	emit(t, em, webhook.ChannelOccupied("my-app", "c"))
	if err := em.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for d, err := range em.DeadLetters(t.Context(), webhook.DeadLetterQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, d.Reason)
	}
	if len(reasons) != 1 || !strings.HasPrefix(reasons[0], "function_not_found: lambda function f in us-east-1: ResourceNotFoundException") {
		t.Errorf("the dead letters' reasons are %q", reasons)
	}
	if s := em.Stats(); s.Attempts != 1 || s.Dead != 1 {
		t.Errorf("stats are %+v, want 1 dead in 1 attempt", s)
	}
}

func TestFault16EmitterHalvesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	f := verifying("verify-envelope")
	f.MaxPayload = 4000
	api.Deploy("f", f)
	em := start(t, api, lambdadispatch.Options{Envelope: true})
	var want []string
	for i := range 30 {
		channel := fmt.Sprintf("channel-%02d", i)
		want = append(want, "channel_occupied "+channel)
		emit(t, em, webhook.ChannelOccupied("my-app", channel))
	}
	emit(t, em, webhook.ClientEvent("my-app", "private-large", webhook.ClientMessage{Name: "client-x", Data: strings.Repeat("x", 5000), SocketID: "1.2"}))
	if err := em.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := em.Stats(); s.Delivered != 30 || s.Dead != 1 {
		t.Fatalf("stats are %+v, want 30 delivered, and the large one dead", s)
	}
	taken := 0
	for _, r := range api.Requests() {
		if r.ContentLength <= 4000 {
			taken++
		}
	}
	got := verified(t, api.WaitResults("f", taken))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the function verified %q, want each of the 30 once", got)
	}
}

func TestTestDeliveryReachesTheFunction(t *testing.T) {
	t.Parallel()
	api := testlambda.Start(t)
	api.Deploy("f", verifying("verify-envelope"))
	em := start(t, api, lambdadispatch.Options{Envelope: true, InvocationType: lambdadispatch.RequestResponse})
	result, err := em.Test(t.Context(), "my-app", "hook")
	if err != nil || result.Outcome.Verdict != dispatch.Delivered || result.Outcome.Status != 200 {
		t.Fatalf("got %+v, %v", result, err)
	}
}

func TestFunctionWithoutASenderIsRefusedWithTheImport(t *testing.T) {
	t.Parallel()
	_, err := webhook.New(webhook.Options{Apps: []webhook.App{appWith()}})
	path := reflect.TypeFor[lambdadispatch.Options]().PkgPath()
	want := fmt.Sprintf("webhooks[0].lambda: needs Options.Lambda: import %q and set it to lambdadispatch.New(…)", path)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The function for Node.js in the documentation verifies what is sent, and nothing else.
func TestDocumentedNodeFunctionVerifies(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/lambda.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```js\n(.*?)```").FindSubmatch(doc)
	if code == nil {
		t.Fatal("the documentation has no function for Node.js")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "handler.mjs"), code[1], 0o600); err != nil {
		t.Fatal(err)
	}
	const run = `process.env.WEBHOOK_SECRET = "tofu"
const { handler } = await import(process.argv[1])
const event = JSON.parse(await new Response(process.stdin).text())
const attempt = async (e) => { try { await handler(e); return "valid" } catch (err) { return err.message } }
console.log(await attempt(event))
console.log(await attempt({ ...event, body: event.body + " " }))
console.log(await attempt({ ...event, headers: { ...event.headers, "X-Pusher-Key": "other" } }))
`
	got := testlambda.Run(t, enveloped(t), "node", "--input-type=module", "-e", run, filepath.Join(dir, "handler.mjs"))
	want := "client_event private-\u2028<&>\nvalid\nbad signature\nunknown key\n"
	if got != want {
		t.Errorf("the function says\n%swant\n%s", got, want)
	}
}

// enveloped returns the payload that a function is sent.
func enveloped(t *testing.T) string {
	t.Helper()
	api := testlambda.Start(t)
	api.Deploy("f", testlambda.Function{})
	em := start(t, api, lambdadispatch.Options{Envelope: true})
	emit(t, em, webhook.ClientEvent("my-app", "private-\u2028<&>", webhook.ClientMessage{Name: "client-x", Data: "\b\x7f\u2029\"}", SocketID: "1.2"}))
	var answer struct{ Payload json.RawMessage }
	result := api.WaitResults("f", 1)[0]
	if err := json.Unmarshal(result.Answer, &answer); err != nil {
		t.Fatal(err)
	}
	return string(answer.Payload)
}
