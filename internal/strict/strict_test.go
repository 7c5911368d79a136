package strict

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// lines returns problems, one a line.
func lines(problems []Problem) string {
	text := make([]string, len(problems))
	for i, p := range problems {
		text[i] = p.Path + ": " + p.Message
	}
	return strings.Join(text, "\n")
}

func TestScalars(t *testing.T) {
	t.Parallel()
	var (
		s     string
		b     bool
		n     int
		x     float64
		d     time.Duration
		whole = "must be a whole number of at least 1, not "
	)
	tests := []struct {
		field      Field
		text, want string
	}{
		{String(&s), `"a\u00e9"`, ""},
		{String(&s), `7`, "must be a string, not 7"},
		{String(&s), `null`, ""},
		{Bool(&b), `true`, ""},
		{Bool(&b), `1`, "must be true or false, not 1"},
		{Bool(&b), `"true"`, `must be true or false, not "true"`},
		{Int(&n, 1), `5`, ""},
		{Int(&n, 1), `5.0`, ""},
		{Int(&n, 1), `5e3`, ""},
		{Int(&n, 1), `0`, whole + "0"},
		{Int(&n, 1), `-5`, whole + "-5"},
		{Int(&n, 1), `5.5`, whole + "5.5"},
		{Int(&n, 1), `1e999`, whole + "1e999"},
		{Int(&n, 1), `3000000000`, "must be a whole number of at most 2147483647, not 3000000000"},
		{Int(&n, 1), `"5"`, whole + `"5"`},
		{Int(&n, 1), `[5]`, whole + "an array"},
		{Number(&x), `0.25`, ""},
		{Number(&x), `0`, "must be a number greater than 0, not 0"},
		{Number(&x), `1e999`, "must be a number greater than 0, not 1e999"},
		{Number(&x), `true`, "must be a number greater than 0, not true"},
		{Millis(&d), `1500`, ""},
		{Millis(&d), `9223372036855`, "must be a whole number of milliseconds, at most 9223372036854, not 9223372036855"},
		{Duration(&d, time.Second, 0), `0`, ""},
		{Duration(&d, time.Second, 0), `-1`, "must be a whole number of seconds, at least 0, not -1"},
		{Hidden(String(&s)), `12345`, "must be a string, not a number"},
		{String(&s), `1` + strings.Repeat("0", 99), "must be a string, not 1" + strings.Repeat("0", 59) + "…"},
	}
	for _, tt := range tests {
		got := strings.TrimPrefix(lines(Read([]byte(tt.text), tt.field)), ": ")
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestObjectsAndArrays(t *testing.T) {
	t.Parallel()
	type result struct {
		Name  string
		Off   bool
		Types []string
		Extra map[string]string
	}
	tests := []struct{ text, values, want string }{
		{
			`{"name": "a", "enabled": false, "types": ["x", "y"], "extra": {"k": "v", "n": null}}`,
			`{"Name":"a","Off":true,"Types":["x","y"],"Extra":{"k":"v"}}`, "",
		},
		{`{"name": null, "types": null}`, `{"Name":"","Off":false,"Types":null,"Extra":{}}`, ""},
		{`{"types": []}`, `{"Name":"","Off":false,"Types":[],"Extra":{}}`, ""},
		{
			`{"nam": 1, "name": "a", "name": "b", "types": [1, null], "extra": []}`,
			`{"Name":"a","Off":false,"Types":["",""],"Extra":{}}`,
			`nam: unknown field; did you mean "name"?
name: is there twice
types[0]: must be a string, not 1
types[1]: must be a string, not null
extra: must be an object, not an array`,
		},
	}
	for _, tt := range tests {
		r := result{Extra: map[string]string{}}
		got := lines(Read([]byte(tt.text), Object{
			"name": String(&r.Name), "enabled": Not(&r.Off), "types": List(&r.Types),
			"extra": Entries(func(name string, v Value) {
				var s string
				String(&s)(v)
				r.Extra[name] = s
			}),
		}.Read))
		values, _ := json.Marshal(r)
		if got != tt.want || string(values) != tt.values {
			t.Errorf("%s: got %s and\n%s\nwant %s and\n%s", tt.text, values, got, tt.values, tt.want)
		}
	}
}

func TestAnOpenObjectRefusesOnlyNearMisses(t *testing.T) {
	t.Parallel()
	known := Object{"id": func(Value) {}, "enabled": func(Value) {}, "webhooks": func(Value) {}}
	got := lines(Read([]byte(`{"ip": 1, "ids": 1, "Id": 1, "enable_x": 1, "Webhooks": 1, "web_hook": 1, "max": 1}`), known.ReadOpen))
	want := `Id: unknown field; did you mean "id"?
enable_x: unknown field; did you mean "enabled"?
Webhooks: unknown field; did you mean "webhooks"?
web_hook: unknown field; did you mean "webhooks"?`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestSyntaxErrorsHaveAPlace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                  "line 1, column 1: ",
		"{\n  \"a\": 1,\n}": "line 3, column 1: ",
		"{} {}":             "line 1, column 4: ",
		"{\"a\": tru":       "line 1, column 9: ",
	} {
		got := Read([]byte(text), func(Value) { t.Errorf("%q was read", text) })
		if len(got) != 1 || !strings.HasPrefix(got[0].Message, want) {
			t.Errorf("%q: got %v, want %s…", text, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"channel_occupied", "channel_vacated", "member_added", "member_removed", "id", "retry"}
	for name, want := range map[string]string{
		"chanel_occupied":          "channel_occupied",
		"channelOccupied":          "channel_occupied",
		"CHANNEL-VACATED":          "channel_vacated",
		"member_aded":              "member_added",
		"memebr_removed":           "member_removed",
		"rety":                     "retry",
		"rtery":                    "retry",
		"retries":                  "",
		"ip":                       "",
		"ID":                       "id",
		"":                         "",
		"*":                        "",
		"é":                        "",
		strings.Repeat("x", 1<<20): "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("%.30q is near %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"abcd", "acbd", 1}, {"same", "same", 0}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("from %q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// checkCounts fails unless encoding/json finds as many elements and fields.
func checkCounts(t *testing.T, raw []byte, elements, fields int) {
	t.Helper()
	var array []json.RawMessage
	var object map[string]json.RawMessage
	_, _ = json.Unmarshal(raw, &array), json.Unmarshal(raw, &object)
	if len(array) != elements || len(object) != fields {
		t.Fatalf("%q: read %d elements and %d fields, encoding/json %d and %d", raw, elements, fields, len(array), len(object))
	}
}

// Whatever the text is, reading it ends, and only text that is JSON reaches a field.
func FuzzRead(f *testing.F) {
	f.Add(`{"a": [{"b": "c", "b": 1e5}], "\n": null}`)
	f.Add(`[1, "\ud800", {"": {}}]`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 {
			// every level is read again for the next, which adds up when all there is are levels
			return
		}
		read := 0
		var all Field
		all = func(v Value) {
			read++
			if !json.Valid(v.Raw()) {
				t.Fatalf("%s is %q", v.path, v.Raw())
			}
			String(new(string))(v)
			Int(new(int), 0)(v)
			elements, fields := 0, 0
			Array(func(v Value) { elements++; all(v) })(v)
			v.members(func(_ string, v Value) { fields++; all(v) })
			checkCounts(t, v.Raw(), elements, fields)
		}
		problems := Read([]byte(text), all)
		if !json.Valid([]byte(text)) && (read > 0 || len(problems) != 1) {
			t.Fatalf("%q is no JSON, but %d values were read; problems %v", text, read, problems)
		}
	})
}

func TestNearestPrefersTheSpelling(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"app_manger": "app_manager", "appManger": "appManager", "AppManager": "appManager"} {
		if got := Nearest(name, []string{"appManager", "app_manager"}); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
