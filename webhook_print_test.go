package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// printed returns v in every form in which a host might print it, alone and held by something else.
func printed(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	forms := []any{v, []any{v}, map[string]any{"v": v}, struct{ V any }{v}}
	// a pointer to another type has no methods that could hide anything
	if reflect.TypeOf(v).Name() != "" {
		ptr := reflect.New(reflect.TypeOf(v))
		ptr.Elem().Set(reflect.ValueOf(v))
		p := ptr.Interface()
		forms = append(forms, p, []any{p}, map[string]any{"v": p}, struct{ V any }{p})
	}
	for _, v := range forms {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%5.2f"} {
			fmt.Fprintf(&b, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&b, nil)).WithGroup("g").Info("x", slog.Group("h", slog.Any("v", v)))
	}
	if text, err := json.Marshal(v); err == nil { // functions have no JSON
		b.Write(text)
	}
	return b.String()
}

func TestPrintedAppsShowNoSecret(t *testing.T) {
	t.Parallel()
	a := App{
		ID: "my-app", Key: "my-key", Secret: "hidden-secret", PreviousKeys: []Key{{Key: "old", Secret: "hidden-old"}},
		Webhooks: []Webhook{{
			URL:        "https://hidden-user:hidden-password@example.com:8443/hidden-path?token=hidden-token#hidden",
			EventTypes: []EventType{TypeCacheMiss}, Headers: Headers{"Authorization": "hidden-header"},
		}},
	}
	for _, v := range []any{a, []App{a}, a.Webhooks, a.Webhooks[0], Options{Apps: []App{a}}, Options{Apps: []App{a}}.Apps} {
		got := printed(t, v)
		checkHidden(t, v, got)
		if !strings.Contains(got, "https://REDACTED@example.com:8443/REDACTED") {
			t.Errorf("%T does not show where the webhook delivers:\n%s", v, got)
		}
	}
}

// checkHidden fails if text, in which v was printed, has the word that stands in all secrets.
func checkHidden(t *testing.T, v any, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if l := strings.ToLower(line); strings.Contains(l, "hidden") || strings.Contains(l, fmt.Sprintf("%x", "hidden")) {
			t.Errorf("%T shows a secret: %.300s", v, line)
		}
	}
}

func TestOtherPrintedValuesShowNoSecret(t *testing.T) {
	t.Parallel()
	a := testApp("https://hidden-user:hidden-password@example.com:8443/hidden-path?token=hidden-token")
	a.Webhooks[0].Headers = Headers{"X-Auth": "hidden-header"}
	a.Secret = "hidden-secret"
	e := start(t, &endpoint{}, apps(a))
	h := e.apps.get("my-app").hooks[0]
	j, err := e.testJob(h)
	if err != nil {
		t.Fatal(err)
	}
	r := e.sender.request(j, h, 1, time.Now())
	proxy := &url.URL{Scheme: "http", Host: "proxy.test", User: url.UserPassword("hidden-user", "hidden-password")}
	for _, v := range []any{
		*r,
		Key{"k", "hidden"},
		Secret("hidden"),
		Headers{"A": "hidden"},
		Receiver{Keys: []Key{{"k", "hidden"}}},
		dispatch.HTTPOptions{Proxy: proxy},
		Options{Apps: []App{a}, HTTP: &endpoint{}},
	} {
		checkHidden(t, v, printed(t, v))
	}
	if got := fmt.Sprint(r); !strings.Contains(got, "https://REDACTED@example.com:8443/REDACTED") || !strings.Contains(got, "X-Auth") {
		t.Errorf("a request prints as %s", got)
	}
	if got := fmt.Sprint(dispatch.HTTPOptions{Proxy: proxy}); !strings.Contains(got, "http://REDACTED@proxy.test") || proxy.User.Username() != "hidden-user" {
		t.Errorf("options print as %s, and the proxy is %s", got, proxy)
	}
}

func TestShownURLs(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"":                           "",
		"https://example.com":        "https://example.com",
		"https://example.com/":       "https://example.com",
		"https://example.com/hooks":  "https://example.com/REDACTED",
		"https://example.com?a=b":    "https://example.com/REDACTED",
		"https://u:p/w@example.com/": "REDACTED",
		"https://u:1/w@example.com/": "REDACTED",
		"hidden":                     "REDACTED",
		"://hidden":                  "REDACTED",
		"http://[::1]:80":            "http://[::1]:80",
	} {
		if got := shownURL(raw); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
	w := Webhook{URL: "https://example.com/hidden", RateLimit: RateLimit{PerSecond: math.NaN()}}
	if got := fmt.Sprint(w); got != "https://example.com/REDACTED" {
		t.Errorf("got %s", got)
	}
}
