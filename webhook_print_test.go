package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
)

// printed returns v in every form in which a host might print it.
func printed(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(text)
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
	for _, v := range []any{a, &a, []App{a}, a.Webhooks, a.Webhooks[0], &a.Webhooks[0], Options{Apps: []App{a}}.Apps} {
		got := printed(t, v)
		if strings.Contains(got, "hidden") || strings.Contains(got, fmt.Sprintf("%x", "hidden")) {
			t.Errorf("%T shows a secret:\n%s", v, got)
		}
		if !strings.Contains(got, "https://REDACTED@example.com:8443/REDACTED") {
			t.Errorf("%T does not show where the webhook delivers:\n%s", v, got)
		}
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
