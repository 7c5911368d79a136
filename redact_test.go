package webhook

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/oneline"
)

// secretHook is a webhook whose secrets need to be escaped in most texts.
func secretHook(t testing.TB) *hook {
	t.Helper()
	a := App{
		ID: "app", Key: "key", Secret: "App-Secret/1", PreviousKeys: []Key{{Key: "older", Secret: "whsec_QXBwLVNlY3JldC8y"}},
		Webhooks: []Webhook{{
			ID: "hook", URL: "https://us%20er:p%40ss%2Fw@example.com/services/T000Token%C3%A9/hooks?token=Qu%2Fery+T%26", EventTypes: []EventType{TypeChannelOccupied},
			Headers: Headers{
				"Authorization": `Bearer to"ken<correct>`, "X-Words": "Bearer correct-horse-battery", "X-Tab": "tab\tbed\xff", "X-Basic": "Basic b3BzOmhpZGRlbi1wYXNz",
			},
		}},
	}
	c, err := compileApp(&a, identities(a.Webhooks), make([]*hook, 1))
	if err != nil {
		t.Fatal(err)
	}
	return c.hooks[0]
}

// A receiver may repeat what it was sent, whole or in part, in any way to write a text.
func TestWhatReceiversRepeatIsRedacted(t *testing.T) {
	t.Parallel()
	h := secretHook(t)
	for _, secret := range []string{
		"App-Secret/1", `App-Secret\/1`, "App-Secret%2F1", "QXBwLVNlY3JldC8x", "whsec_QXBwLVNlY3JldC8y", "QXBwLVNlY3JldC8y",
		`Bearer to"ken<correct>`, `to"ken<correct>`, `to\"ken<correct>`, `to\"ken\u003ccorrect\u003e`, "to%22ken%3Ccorrect%3E", "to&#34;ken&lt;correct&gt;",
		"dG8ia2VuPGNvcnJlY3Q-", "dG8ia2VuPGNvcnJlY3Q+", "correct-horse-battery",
		"tab\tbed\xff", `tab\tbed\ufffd`, `tab\tbed\xff`, "tab%09bed%FF",
		"Basic b3BzOmhpZGRlbi1wYXNz", "b3BzOmhpZGRlbi1wYXNz", "ops:hidden-pass", "hidden-pass",
		"us er", "us%20er", "us+er", "p@ss/w", "p%40ss%2Fw", "us er:p@ss/w", "dXMgZXI6cEBzcy93",
		"/services/T000Token%C3%A9/hooks?token=Qu%2Fery+T%26", "/services/T000Tokené/hooks", "T000Tokené", "T000Token%C3%A9", `T000Token\u00e9`,
		"token=Qu%2Fery+T%26", "Qu/ery T&", "Qu%2Fery+T%26", "Qu%2Fery%20T%26", `Qu/ery T\u0026`,
	} {
		text := "says " + secret + " twice " + secret + "."
		out := h.redactOutcome(normal(dispatch.Outcome{Verdict: dispatch.Retry, Reason: text, Err: errors.New(text), Response: text}))
		for _, got := range []string{out.Reason, out.Err.Error(), out.Response} {
			rest := strings.ReplaceAll(got, redacted, "")
			if strings.Trim(rest, "=") != "says  twice ." || strings.Count(got, redacted) != 2 {
				t.Errorf("of %q is left %q", text, got)
			}
		}
	}
	const plain = "the Bearer of services and hooks at example.com is correct"
	if got := h.redact(plain); got != plain {
		t.Errorf("%q became %q", plain, got)
	}
}

// A text that is cut may end in the beginning of a secret.
func TestTheBeginningOfASecretAtACutIsRedacted(t *testing.T) {
	t.Parallel()
	h := secretHook(t)
	for _, secret := range []string{"correct-horse-battery", "T000Tokené", "/services/T000Token%C3%A9/hooks", "App-Secret/1"} {
		for room := minSecret; room < len(secret); room++ {
			for name, size := range map[string]int{"as a receiver's answer": oneline.Max - room, "as one line": oneline.Max - room - len("…")} {
				text := strings.Repeat("x", size) + secret + "and more, which has to be cut"
				if name == "as a receiver's answer" {
					text = text[:oneline.Max]
				}
				out := h.redactOutcome(normal(dispatch.Outcome{Verdict: dispatch.Retry, Response: text}))
				if got := strings.TrimLeft(out.Response, "x"); !strings.HasPrefix(redacted, strings.TrimRight(got, "…")) {
					t.Errorf("%s: of %q, cut after %d bytes, is left %q", name, secret, room, got)
				}
			}
		}
	}
	short := "a short text that ends in correct-horse"
	if got := h.redact(short); got != short {
		t.Errorf("%q became %q", short, got)
	}
}

func BenchmarkRedact(b *testing.B) {
	h := secretHook(b)
	out := dispatch.Outcome{Verdict: dispatch.Retry, Reason: "status", Err: fmt.Errorf("https://example.com: answered 500"), Response: strings.Repeat("an error ", 100)}
	b.ReportAllocs()
	for b.Loop() {
		h.redactOutcome(out)
	}
}
