package config

import (
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
