package webhook

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAppIsReadFromJSON(t *testing.T) {
	t.Parallel()
	const text = `{
		"id": "my-app", "key": "my-key", "secret": "my-secret", "enabled": false,
		"previous_keys": [{"key": "old", "secret": "older"}],
		"max_connections": 100, "allowed_origins": ["*"], "enable_client_messages": true,
		"webhooks": [{
			"id": "main", "url": "https://example.com/hooks", "event_types": ["channel_occupied", "member_added"],
			"filter": {
				"channel_prefix": "a", "channel_suffix": "b", "channel_pattern": "c",
				"channel_namespace": "d", "channel_namespaces": ["d", "e"], "channel_exclude_prefix": "f"
			},
			"headers": {"Authorization": "Bearer x"},
			"retry": {
				"enabled": true, "max_attempts": 3, "max_elapsed_time_ms": 60000, "max_age_ms": 600000,
				"initial_backoff_ms": 500, "max_backoff_ms": 1e4
			},
			"request_timeout_ms": 2500, "user_info_as_string": true, "ordered": true, "rate_limit": {"per_second": 0.5, "burst": 2}
		}, {
			"lambda": {"function_name": "f", "region": "eu-west-1"}, "event_types": []
		}]
	}`
	var got App
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	want := App{
		ID: "my-app", Key: "my-key", Secret: "my-secret", Disabled: true, PreviousKeys: []Key{{"old", "older"}},
		Webhooks: []Webhook{{
			ID: "main", URL: "https://example.com/hooks", EventTypes: []EventType{TypeChannelOccupied, TypeMemberAdded},
			Filter:  Filter{"a", "b", "c", "d", []string{"d", "e"}, "f"},
			Headers: Headers{"Authorization": "Bearer x"},
			Retry: Retry{
				MaxAttempts: 3, MaxElapsed: time.Minute, MaxAge: 10 * time.Minute,
				InitialBackoff: 500 * time.Millisecond, MaxBackoff: 10 * time.Second,
			},
			RequestTimeout: 2500 * time.Millisecond, UserInfoAsString: true, Ordered: true, RateLimit: RateLimit{0.5, 2},
		}, {
			Lambda: &Lambda{FunctionName: "f", Region: "eu-west-1"}, EventTypes: []EventType{},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
}

func TestAppWithoutWebhooksIsRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"id": "a", "key": "k"}`,
		`{"id": "a", "key": "k", "webhooks": []}`,
		`{"id": "a", "key": "k", "webhooks": null, "secret": null, "enabled": null, "policy": {"webhooks": null, "limits": {}}}`,
	} {
		var got App
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if want := (App{ID: "a", Key: "k"}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v", text, got)
		}
	}
}

func TestWebhooksOfANewerReferenceAreReadFromPolicy(t *testing.T) {
	t.Parallel()
	var a App
	err := json.Unmarshal([]byte(`{"policy": {"features": {}, "webhooks": [{"url": "https://example.com"}]}}`), &a)
	if err != nil || len(a.Webhooks) != 1 || a.Webhooks[0].URL != "https://example.com" {
		t.Errorf("got %+v, %v", a.Webhooks, err)
	}
}

func TestOlderFormsOfLambdaAreRead(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, region string }{
		{`{"lambda_function": "f"}`, "us-east-1"},
		{`{"lambda_function": "f", "region": "eu-west-1"}`, "eu-west-1"},
		{`{"lambda_function": "f", "lambda": {"region": "eu-west-2"}}`, "eu-west-2"},
		{`{"lambda_function": {"function_name": "f", "region": "eu-west-3"}}`, "eu-west-3"},
		{`{"lambda": {"function_name": "f", "region": "eu-north-1"}}`, "eu-north-1"},
		{`{"lambda": {"function_name": "f"}}`, ""}, // the validation asks for the region
	}
	for _, tt := range tests {
		var w Webhook
		if err := json.Unmarshal([]byte(tt.text), &w); err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if want := (Lambda{FunctionName: "f", Region: tt.region}); w.Lambda == nil || *w.Lambda != want {
			t.Errorf("%s is %+v, want %+v", tt.text, w.Lambda, want)
		}
	}
}

func TestSoketisFilterNamesAreRead(t *testing.T) {
	t.Parallel()
	var f Filter
	err := json.Unmarshal([]byte(`{"channel_name_starts_with": "a", "channel_name_ends_with": "b"}`), &f)
	if err != nil || f.ChannelPrefix != "a" || f.ChannelSuffix != "b" {
		t.Errorf("got %+v, %v", f, err)
	}
}

func TestMistakesInAnAppsJSONAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"near miss of webhooks", `{"webhook": []}`, `webhook: unknown field; did you mean "webhooks"?`},
		{"near miss of secret", `{"secrets": "s"}`, `secrets: unknown field; did you mean "secret"?`},
		{"near miss of enabled", `{"enabeld": false}`, `enabeld: unknown field; did you mean "enabled"?`},
		{"another case", `{"previousKeys": []}`, `previousKeys: unknown field; did you mean "previous_keys"?`},
		{"not an object", `["a"]`, `must be an object, not an array`},
		{"id is a number", `{"id": 12}`, `id: must be a string, not 12`},
		{"enabled is a string", `{"enabled": "yes"}`, `enabled: must be true or false, not "yes"`},
		{"secret is a number", `{"secret": 12345}`, `secret: must be a string, not a number`},
		{"webhooks is an object", `{"webhooks": {"url": "x"}}`, `webhooks: must be an array, not an object`},
		{"a webhook is a URL", `{"webhooks": ["https://u:p@example.com"]}`, `webhooks[0]: must be an object, not a string`},
		{"a webhook is null", `{"webhooks": [null]}`, `webhooks[0]: must be an object, not null`},
		{"twice", `{"id": "a", "id": "b"}`, `id: is there twice`},
		{
			"webhooks in two places", `{"webhooks": [{"url": "a"}], "policy": {"webhooks": [{"url": "a"}]}}`,
			`policy.webhooks: the app has "webhooks" too; keep them in one place`,
		},
		{
			"previous key", `{"previous_keys": [{"key": "a", "secert": "topsecret"}, "b"]}`,
			`previous_keys[0].secert: unknown field; did you mean "secret"?
previous_keys[1]: must be an object, not a string`,
		},
		{
			"every mistake", `{"enabled": 1, "webhooks": [{"url": 1}, {"filter": {"channel_patern": "x"}}]}`,
			`enabled: must be true or false, not 1
webhooks[0].url: must be a string, not a number
webhooks[1].filter.channel_patern: unknown field; did you mean "channel_pattern"?`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := problemLines(t, json.Unmarshal([]byte(tt.text), new(App))); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestMistakesInAWebhooksJSONAreNamed(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"near miss", `{"event_type": []}`, `event_type: unknown field; did you mean "event_types"?`},
		{"no name near", `{"colour": 1}`, `colour: unknown field; known are event_types, filter, headers, id, lambda, ` +
			`lambda_function, ordered, rate_limit, region, request_timeout_ms, retry, url, user_info_as_string`},
		{"event types is a string", `{"event_types": "channel_occupied"}`, `event_types: must be an array, not a string`},
		{"an event type is a number", `{"event_types": ["a", 7]}`, `event_types[1]: must be a string, not 7`},
		{
			"timeout with a unit", `{"request_timeout_ms": "5s"}`,
			`request_timeout_ms: must be a whole number of milliseconds, at least 1, not "5s"`,
		},
		{
			"timeout of nothing", `{"request_timeout_ms": 0}`,
			`request_timeout_ms: must be a whole number of milliseconds, at least 1, not 0`,
		},
		{
			"timeout too large", `{"request_timeout_ms": 99999999999999999}`,
			`request_timeout_ms: must be a whole number of milliseconds, at most 9223372036854, not 99999999999999999`,
		},
		{
			"fractions", `{"retry": {"max_attempts": 1.5, "initial_backoff_ms": 0.5}}`,
			`retry.max_attempts: must be a whole number of at least 1, not 1.5
retry.initial_backoff_ms: must be a whole number of milliseconds, at least 1, not 0.5`,
		},
		{
			"retry", `{"retry": {"enabled": "no", "max_attempt": 3}}`,
			`retry.enabled: must be true or false, not "no"
retry.max_attempt: unknown field; did you mean "max_attempts"?`,
		},
		{
			"header values are hidden", `{"headers": {"X-Number": 12345, "X-Object": {"a": "b"}}}`,
			`headers.X-Number: must be a string, not a number
headers.X-Object: must be a string, not an object`,
		},
		{"a header twice", `{"headers": {"X-A": "1", "X-A": "2"}}`, `headers.X-A: is there twice`},
		{"headers as a string", `{"headers": "Bearer x"}`, `headers: must be an object, not a string`},
		{
			"rate limit", `{"rate_limit": {"per_second": 0, "burst": -1, "per_minute": 3}}`,
			`rate_limit.per_second: must be a number greater than 0, not 0
rate_limit.burst: must be a whole number of at least 1, not -1
rate_limit.per_minute: unknown field; known are burst, per_second`,
		},
		{
			"two names of one filter", `{"filter": {"channel_prefix": "a", "channel_name_starts_with": "b"}}`,
			`filter.channel_name_starts_with: is another name of channel_prefix, which is "a" here; leave one of them out`,
		},
		{
			"two functions", `{"lambda": {"function_name": "a", "region": "r"}, "lambda_function": "b"}`,
			`lambda_function: is the older form of "lambda", which names a function too; leave one of them out`,
		},
		{
			"a region alone", `{"url": "https://example.com", "region": "us-east-1"}`,
			`region: belongs to "lambda", as in "lambda": {"function_name": …, "region": "us-east-1"}`,
		},
		{
			"two regions", `{"lambda_function": "a", "region": "r1", "lambda": {"region": "r2"}}`,
			`region: is "r1", but lambda.region is "r2"; leave one of them out`,
		},
		{
			"Soketi's client options", `{"lambda_function": "a", "lambda": {"client_options": {"credentials": {"secretAccessKey": "s"}}}}`,
			`lambda.client_options: is not read; the AWS SDK's own variables and files say it, such as AWS_ACCESS_KEY_ID and AWS_PROFILE`,
		},
		{"a strange name", `{"a\nb": 1}`, `"a\nb": unknown field; known are event_types, filter, headers, id, lambda, ` +
			`lambda_function, ordered, rate_limit, region, request_timeout_ms, retry, url, user_info_as_string`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := problemLines(t, json.Unmarshal([]byte(tt.text), new(Webhook))); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func TestJSONGoesAroundButForWhatIsSecret(t *testing.T) {
	t.Parallel()
	before := validOptions().Apps[0]
	text, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"my-secret", "old-secret", "Bearer token", "user:password", "/hooks", "token=1"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
	var after App
	if err := json.Unmarshal(text, &after); err != nil {
		t.Fatal(err)
	}
	want := validOptions().Apps[0]
	want.Secret, want.PreviousKeys[0].Secret = redacted, redacted
	want.Webhooks[0].Headers = want.Webhooks[0].Headers.redacted()
	want.Webhooks[0].URL = "https://REDACTED@example.com:8443/REDACTED"
	if !reflect.DeepEqual(after, want) {
		t.Errorf("got  %#v\nwant %#v", after, want)
	}
}

func TestShortDurationsDoNotBecomeNone(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(Retry{InitialBackoff: time.Microsecond})
	if err != nil || string(text) != `{"initial_backoff_ms":1}` {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestPartsOfAWebhookAreReadByThemselves(t *testing.T) {
	t.Parallel()
	for _, v := range []json.Unmarshaler{new(App), new(Key), new(Webhook), new(Filter), new(Retry), new(RateLimit)} {
		if err := json.Unmarshal([]byte(`{}`), v); err != nil {
			t.Errorf("%T: %v", v, err)
		}
		got := problemLines(t, json.Unmarshal([]byte(`7`), v))
		if got != "must be an object, not a number" {
			t.Errorf("%T: %s", v, got)
		}
		if err := v.UnmarshalJSON([]byte("{\n  x}")); err == nil || !strings.Contains(err.Error(), "line 2, column 3: ") {
			t.Errorf("%T: syntax error is %v", v, err)
		}
	}
}

func TestReadingReplacesWhatWasThere(t *testing.T) {
	t.Parallel()
	w := Webhook{ID: "old", Headers: Headers{"X-A": "b"}}
	if err := json.Unmarshal([]byte(`{"url": "https://example.com"}`), &w); err != nil {
		t.Fatal(err)
	}
	if want := (Webhook{URL: "https://example.com"}); !reflect.DeepEqual(w, want) {
		t.Errorf("got %+v", w)
	}
}

// Whatever is read can be validated and written, and what was written reads as the same.
func FuzzAppJSON(f *testing.F) {
	text, _ := json.Marshal(validOptions().Apps[0])
	f.Add(string(text))
	f.Add(`{"webhooks": [{"lambda_function": "f", "filter": {"channel_name_ends_with": "x"}, "headers": {"a": null}}]}`)
	f.Add(`{"id": "\ud800", "webhooks": [null, [], {"event_types": [null]}], "policy": []}`)
	f.Add(`{"webhooks": [{"request_timeout_ms": 1e400, "rate_limit": {"per_second": 1e-400}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var a App
		if json.Unmarshal([]byte(text), &a) != nil {
			return
		}
		_ = Options{Apps: []App{a}}.Validate()
		_ = fmt.Sprintf("%+v", a)
		once, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var b App
		if err := json.Unmarshal(once, &b); err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		if twice, err := json.Marshal(b); err != nil || string(twice) != string(once) {
			t.Fatalf("%s became %s (%v)", once, twice, err)
		}
	})
}

func TestRetryEnabledIsReadAsMaxAttempts(t *testing.T) {
	t.Parallel()
	off, limited := Retry{MaxAttempts: 1}, Retry{MaxAttempts: 4}
	for text, want := range map[string][3]int{ // attempts over no default, over no retries, over 4
		`{}`:                                  {0, 1, 4},
		`{"enabled":false}`:                   {1, 1, 1},
		`{"enabled":false,"max_attempts":3}`:  {1, 1, 1},
		`{"enabled":true}`:                    {0, -1, 4},
		`{"enabled":true,"max_attempts":3}`:   {3, 3, 3},
		`{"max_attempts":1}`:                  {1, 1, 1},
		`{"enabled":true,"max_attempts":-1}`:  {-1, -1, -1},
		`{"max_attempts":-1}`:                 {-1, -1, -1},
		`{"enabled":false,"max_attempts":-1}`: {1, 1, 1},
	} {
		var r, again Retry
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if got := [3]int{r.or(Retry{}).MaxAttempts, r.or(off).MaxAttempts, r.or(limited).MaxAttempts}; got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
		back, err := json.Marshal(r)
		if err == nil {
			err = json.Unmarshal(back, &again)
		}
		if err != nil || again != r {
			t.Errorf("%s became %s, %v", text, back, err)
		}
	}
	if got := problemLines(t, json.Unmarshal([]byte(`{"max_attempts":0}`), new(Retry))); !strings.Contains(got, "at least 1") {
		t.Error(got)
	}
}
