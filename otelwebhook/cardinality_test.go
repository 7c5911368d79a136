package otelwebhook

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
)

// Whatever clients, receivers, senders and altered jobs say, the number of series is bounded.
func TestNamesOfOthersMakeNoSeries(t *testing.T) {
	t.Parallel()
	tel, reader := newTelemetry(t, Options{AppIDs: []string{"mine"}})
	hooks := tel.Trace()
	for i := range 5000 {
		n := strconv.Itoa(i)
		app := "app-" + n
		hooks.Emitted(webhook.EmittedInfo{Event: webhook.CustomEvent(app, webhook.EventType("type-"+n), "channel-"+n)})
		hooks.Dropped(webhook.DroppedInfo{AppID: app, WebhookID: n, Events: 1, Err: errors.New("error " + n)})
		hooks.Attempted(webhook.AttemptedInfo{
			AppID: app, WebhookID: n, Target: "https://" + n + ".test", Duration: time.Duration(i) * time.Millisecond, Retry: i%2 == 0,
			Outcome: dispatch.Outcome{Verdict: dispatch.Verdict(i % 256), Status: i, Reason: []string{"status", "reason-" + n}[i%2]},
		})
		hooks.DeadLettered(webhook.DeadLetteredInfo{AppID: app, WebhookID: n, Events: 1, Reason: fmt.Sprintf("reason %d: text", i)})
	}
	got := collect(t, reader)
	for name, limit := range map[string]int{
		"webhook.batched.events": 1, "webhook.dropped.events": 2 * len(drops), "webhook.dead_lettered.events": 1,
		"webhook.attempt.duration": len(outcomes), "webhook.delivery.duration": 1,
		"webhook.attempts": len(outcomes) * (len(statuses()) + 2),
	} {
		if n := len(got[name]); n == 0 || n > limit {
			t.Errorf("%s has %d series, want at most %d", name, n, limit)
		}
	}
	if n := got.sum("webhook.batched.events", keyEventType, other); n != 5000 {
		t.Errorf("%v events are of other types", n)
	}
	if n := got.sum("webhook.dead_lettered.events", "error.type", other); n != 5000 {
		t.Errorf("%v dead letters have other reasons", n)
	}
}

// constants returns the texts of a file's constants whose names match.
func constants(t *testing.T, file, name string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	matches := regexp.MustCompile(name)
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !matches.MatchString(spec.Names[0].Name) {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			value, _ := strconv.Unquote(lit.Value)
			values = append(values, value)
		}
		return true
	})
	if len(values) == 0 {
		t.Fatalf("%s has no constants %s", file, name)
	}
	return values
}

// What the library adds must be added here, or it would be counted as other.
func TestListsHaveAllThatTheLibraryKnows(t *testing.T) {
	t.Parallel()
	for _, name := range constants(t, "../event.go", "^Type") {
		if !slices.Contains(eventTypes, webhook.EventType(name)) {
			t.Errorf("the event type %q is missing", name)
		}
	}
	words := slices.Concat(constants(t, "../dispatch/reason.go", "^Reason"), constants(t, "../dispatch/lambdadispatch/reason.go", "^Reason"),
		constants(t, "../delivery_run.go", "^reason"))
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)\n## Dead letters\n.*?\n## `).Find(page)
	row := regexp.MustCompile("(?m)^\\| (`.*?) \\|")
	for _, r := range row.FindAllSubmatch(section, -1) {
		for _, word := range regexp.MustCompile("`(\\w+)`").FindAllSubmatch(r[1], -1) {
			words = append(words, string(word[1]))
		}
	}
	if len(words) < 50 {
		t.Errorf("only %d reasons were found", len(words))
	}
	for _, word := range words {
		if !slices.Contains(reasons, word) {
			t.Errorf("the reason %q is missing", word)
		}
	}
}
