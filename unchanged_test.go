package webhook

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestWebhooksThatDifferInAnyFieldAreNotEqual(t *testing.T) {
	t.Parallel()
	full := func() Webhook {
		return Webhook{
			ID: "a", URL: "http://a.test/", Lambda: &Lambda{FunctionName: "f", Region: "us-east-1"}, EventTypes: knownTypes,
			Filter:  Filter{"a", "b", "c", "d", []string{"e"}, "f"},
			Headers: Headers{"A": "b"}, UserInfoAsString: true, Retry: Retry{MaxAttempts: 1}, RequestTimeout: 1, Ordered: true, RateLimit: RateLimit{1, 1},
		}
	}
	w, v := full(), full()
	if !w.equal(&v) {
		t.Error("two equal webhooks differ")
	}
	zero := func(of reflect.Value, name string) {
		t.Helper()
		if of.IsZero() {
			t.Fatalf("%s is not set: add it to this test", name)
		}
		before := reflect.ValueOf(of.Interface())
		of.SetZero()
		if w.equal(&v) || v.equal(&w) {
			t.Errorf("webhooks with another %s are equal", name)
		}
		of.Set(before)
	}
	for _, of := range []any{&v, &v.Filter} {
		s := reflect.ValueOf(of).Elem()
		for i := range s.NumField() {
			zero(s.Field(i), s.Type().Field(i).Name)
		}
	}
}

func TestIdentitiesAreThoseOfTheFunction(t *testing.T) {
	t.Parallel()
	webhooks := []Webhook{{URL: "a"}, {URL: "a"}, {ID: "mine", URL: "a"}, {Lambda: &Lambda{FunctionName: "f"}}, {URL: "b"}}
	before := compiled(t, App{ID: "my-app", Webhooks: webhooks})
	for name, change := range map[string]func(w []Webhook) []Webhook{
		"nothing":       func(w []Webhook) []Webhook { return w },
		"headers":       func(w []Webhook) []Webhook { w[1].Headers = Headers{"A": "b"}; return w },
		"an ID":         func(w []Webhook) []Webhook { w[2].ID = ""; return w },
		"a URL":         func(w []Webhook) []Webhook { w[0].URL = "b"; return w },
		"a function":    func(w []Webhook) []Webhook { w[3].Lambda = &Lambda{FunctionName: "g"}; return w },
		"one less":      func(w []Webhook) []Webhook { return w[1:] },
		"one more":      func(w []Webhook) []Webhook { return append(w, w[0]) },
		"another order": func(w []Webhook) []Webhook { slices.Reverse(w); return w },
	} {
		w := change(slices.Clone(webhooks))
		if got, want := before.identities(w), identities(w); !slices.Equal(got, want) {
			t.Errorf("after a change of %s: %q, want %q", name, got, want)
		}
	}
}

func TestSetAppChecksWhatHasChanged(t *testing.T) {
	t.Parallel()
	a := testApp("http://a.test/", "http://b.test/", "http://c.test/")
	a.Webhooks[2].Filter.ChannelPattern = "^c"
	e := start(t, nil, apps(a), with(queue.None))
	set(t, e, a)
	for name, change := range map[string]func(w []Webhook){
		"pattern": func(w []Webhook) { w[2].Filter.ChannelPattern = "(" },
		"timeout": func(w []Webhook) { w[1].RequestTimeout = -time.Second },
		"twin":    func(w []Webhook) { w[0].ID, w[1].ID = "x", "x" },
	} {
		b := a.clone()
		change(b.Webhooks)
		if err := e.SetApp(b); err == nil {
			t.Errorf("SetApp took a mistake: %s", name)
		}
	}
	a.Webhooks[2].Filter.ChannelPattern = "^d"
	set(t, e, a)
	if c := e.apps.get("my-app"); c.hooks[2].match.match("c") || !c.hooks[2].match.match("d") || c.hooks[1].app != c {
		t.Error("the app that is set is not the new one")
	}
}
