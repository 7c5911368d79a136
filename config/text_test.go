package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// JSON has no bytes that are not UTF-8, so a secret with one would become another secret.
func TestVariablesAreUTF8(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, variable, want string }{
		{"Soketi's app", `{}`, "SOKETI_DEFAULT_APP_SECRET=s\xff", "SOKETI_DEFAULT_APP_SECRET: is not UTF-8"},
		{"a password", `{"queue": {"driver": "none"}}`, "DATABASE_REDIS_PASSWORD=\xfe", "DATABASE_REDIS_PASSWORD: is not UTF-8"},
		{"in JSON", `{"queue": {"disk": {"path": "${S}"}}}`, "S=s\xff", "queue.disk.path: the variable of ${S} is not UTF-8"},
		{"in TOML", "[queue.disk]\npath = \"${S:-x}\"\n", "S=s\xff", "queue.disk.path: the variable of ${S} is not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(tt.file), []string{tt.variable})
			if got, _, _ := strings.Cut(problemLines(t, err), "\n"); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestANumberIsNotNull(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte(`{}`), []string{"WEBHOOK_BATCHING_DURATION=null", "QUEUE_MAX_ATTEMPTS={}", "QUEUE_MEMORY_CAPACITY=5"})
	want := `WEBHOOK_BATCHING_DURATION: must be a whole number of milliseconds, at least 1, not "null"
QUEUE_MAX_ATTEMPTS: must be a whole number of at least 1, not "{}"`
	if got := problemLines(t, err); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Without a name that says it, a file with mistakes is what it begins like.
func TestMistakesInTOMLAreThoseOfTOML(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"[queue]\ndriver = redis\n", "line 2, column 10: "},
		{"[[app_manager.array.apps]]\nid =\n", "line 2, column "},
		{"queue.driver = 'none\n", "line 1, column "},
		{"# mine\nqueue: none\n", "line 2, column 6: "},
		{"queue:\n  driver: redis\n", "line 1, column 1: invalid character 'q' looking for beginning of value; JSON or TOML is expected"},
		{`{"queue": }`, "line 1, column 11: invalid character '}' looking for beginning of value"},
		{`["a", ]`, "line 1, column 7: invalid character ']' looking for beginning of value; JSON or TOML is expected"},
	}
	for _, tt := range tests {
		_, err := Parse([]byte(tt.text), nil)
		if got := problemLines(t, err); !strings.HasPrefix(got, tt.want) || strings.HasPrefix(tt.want, "line 2") && strings.Contains(got, "JSON") {
			t.Errorf("%q: got %s, want %s…", tt.text, got, tt.want)
		}
	}
}

// A URL with a password in any field, as any name or in any variable is neither in an error nor in
// a warning.
func TestAURLInTheWrongPlaceIsNeverShown(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"redis://u:hunter2@h:1/hunter2", "u:hunter2@h:1", "https://u:/hunter2@h"} {
		for _, driver := range drivers {
			for _, file := range []string{"full.json", "soketi.json", "reference.json"} {
				data, err := os.ReadFile(filepath.Join("testdata", file))
				if err != nil {
					t.Fatal(err)
				}
				checkEveryPlace(t, data, driver, url)
			}
			checkEveryPlace(t, []byte(everyWebhookField), driver, url)
			l := &loader{Config: &Config{}}
			for _, v := range l.variables() {
				_, err := Parse([]byte(`{"queue": {"driver": "`+driver+`"}}`), []string{v.name + "=" + url})
				if err != nil && strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s: %v", v.name, err)
				}
			}
		}
	}
}

const everyWebhookField = `{"app_manager": {"array": {"apps": [{
	"id": "a", "key": "k", "secret": "s", "previous_keys": [{"key": "k", "secret": "t"}], "enabled": true,
	"webhooks": [
		{
			"id": "w", "url": "https://h", "event_types": ["channel_occupied"], "headers": {"X-A": "b"}, "request_timeout_ms": 1,
			"filter": {
				"channel_prefix": "p", "channel_suffix": "s", "channel_pattern": "^p", "channel_namespace": "n",
				"channel_namespaces": ["n"], "channel_exclude_prefix": "pq"
			},
			"retry": {"max_attempts": 1}, "user_info_as_string": true, "ordered": true, "rate_limit": {"per_second": 1, "burst": 1}
		},
		{
			"lambda": {"function_name": "f", "region": "eu-west-1", "invocation_type": "Event", "envelope": true, "async": true, "client_options": {}},
			"event_types": ["channel_occupied"], "filter": {"channel_name_starts_with": "p", "channel_name_ends_with": "s"}
		},
		{"lambda_function": "f", "region": "eu-west-1", "event_types": ["own"]}
	]
}]}}, "webhooks": {"custom_event_types": ["own"]}}`

// checkEveryPlace puts url in the place of each value and of each name of a file.
func checkEveryPlace(t *testing.T, data []byte, driver, url string) {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	try := func(path string) {
		text, _ := json.Marshal(tree)
		c, err := Parse(text, []string{"QUEUE_DRIVER=" + driver})
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("driver %s, at %s: %v", driver, path, err)
		}
		if c != nil && strings.Contains(strings.Join(c.Warnings, "\n"), "hunter2") {
			t.Errorf("driver %s, at %s: %q", driver, path, c.Warnings)
		}
	}
	var walk func(v any, path string, set func(any))
	walk = func(v any, path string, set func(any)) {
		set(url)
		try(path)
		set(v)
		switch v := v.(type) {
		case map[string]any:
			for name, member := range v {
				walk(member, path+"."+name, func(x any) { v[name] = x })
			}
			v[url] = 1
			try(path + "." + url)
			delete(v, url)
		case []any:
			for i, element := range v {
				walk(element, fmt.Sprintf("%s[%d]", path, i), func(x any) { v[i] = x })
			}
		}
	}
	for name, v := range tree {
		walk(v, name, func(x any) { tree[name] = x })
	}
}
