package strict

import (
	"encoding/json"
	"testing"
)

func TestNestTakesDottedNamesApart(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"queue.driver": "redis"}`:                                  `{"queue":{"driver":"redis"}}`,
		`{"a.b.c": [1], "a.b.d": {"e.f": 2}, "x": true}`:             `{"a":{"b":{"c":[1],"d":{"e.f":2}}},"x":true}`,
		`{"queue": {"redis": {"prefix": "p"}}, "queue.redis.db": 1}`: `{"queue":{"redis":{"prefix":"p","db":1}}}`,
		`{"queue.driver": "a", "queue": {"driver": "b"}}`:            `{"queue":{"driver":"a","driver":"b"}}`,
		`{"queue": 7, "queue.driver": "a"}`:                          `{"queue":7,"queue":{"driver":"a"}}`,
		`{"a.b": {}}`:                                                `{"a":{"b":{}}}`,
		`{"a.0.b": 1, "a.0.c": 2, "a.1": {"b": 3}}`:                  `{"a":[{"b":1,"c":2},{"b":3}]}`,
		`{"a.1": "y", "a.0": "x"}`:                                   `{"a":["x","y"]}`,
		`{"a.0": 1, "a.2": 2}`:                                       `{"a":{"0":1,"2":2}}`,
		`{"a.0": 1, "a.0": 2}`:                                       `{"a":{"0":1,"0":2}}`,
		`{"a.00": 1}`:                                                `{"a":{"00":1}}`,
		`{"a": [1], "a.0": 2}`:                                       `{"a":[1],"a":[2]}`,
		`{"a.b": 1, "0": 2}`:                                         `{"a":{"b":1},"0":2}`,
		`{"a": {"b.c": 1}}`:                                          `{"a": {"b.c": 1}}`,
		` [{"a.b": 1}] `:                                             `[{"a.b": 1}]`,
		`{".": 1, "a..b": 2}`:                                        `{"":{"":1},"a":{"":{"b":2}}}`,
	} {
		if got := string(Nest([]byte(text))); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestAFieldGivenDottedAndNestedIsGivenTwice(t *testing.T) {
	t.Parallel()
	var driver string
	queue := Object{"driver": String(&driver)}
	file := Nest([]byte(`{"queue": {"driver": "redis"}, "queue.driver": "sqs"}`))
	got := lines(Read(file, Object{"queue": queue.Read}.Read))
	if got != "queue.driver: is there twice" {
		t.Errorf("got %q", got)
	}
}

func TestEmbeddedReadsTextToo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`["a"]`:        "",
		`"[\"a\"]"`:    "",
		`"null"`:       "",
		`"[7]"`:        "[0]: must be a string, not 7",
		`"{\"a\": 1}"`: ": must be an array, not an object",
		`"[\n\"a\",]"`: ": is a string, which must hold JSON: line 2, column 5: invalid character ']' looking for beginning of value",
		`"not json"`:   ": is a string, which must hold JSON: line 1, column 2: invalid character 'o' in literal null (expecting 'u')",
		`"\"[\\\"a\""`: ": must be an array, not a string",
	} {
		var list []string
		got := lines(Read([]byte(text), Embedded(List(&list))))
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestTextNamesOtherEncodings(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\ufeff{}":               "",
		"{}":                     "",
		"":                       "",
		"é":                      "",
		"\xff\xfe{\x00}\x00":     "is encoded as UTF-16; save it as UTF-8",
		"\xfe\xff\x00{":          "is encoded as UTF-16; save it as UTF-8",
		"{\x00}\x00":             "is encoded as UTF-16; save it as UTF-8",
		"\x00{\x00}":             "is encoded as UTF-16; save it as UTF-8",
		"\xff\xfe\x00\x00{":      "is encoded as UTF-32; save it as UTF-8",
		"{\n \"s\": \"caf\xe9\"": "line 2, column 11: the byte 0xe9 is not UTF-8; save the file as UTF-8",
	} {
		data, err := Text([]byte(text))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want || err == nil && len(data) > 0 && data[0] == 0xef {
			t.Errorf("%q: got %q and error %q, want %q", text, data, got, want)
		}
	}
}

// Whatever the text is, Nest returns JSON, and what has no dotted name stays as it is.
func FuzzNest(f *testing.F) {
	f.Add(`{"a.b": 1, "a": {"b": {"c": 2}}, "a.b.d": "x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 500 && json.Valid([]byte(text)) {
			if got := Nest([]byte(text)); !json.Valid(got) {
				t.Fatalf("%q became %q", text, got)
			}
		}
	})
}
