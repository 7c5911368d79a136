package webhook

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// levels is JSON that nests n levels.
func levels(n int) string {
	return strings.Repeat(`{"a":[`, n/2) + strings.Repeat("[", n%2) + strings.Repeat("]", n%2) + strings.Repeat("]}", n/2)
}

func TestWhatReceiversParsersRefuseIsRefused(t *testing.T) {
	t.Parallel()
	digits := strings.Repeat("9", 400)
	tests := []struct{ info, want string }{
		{levels(60), ""},
		{levels(61), "nests 61 levels deep, at most 60 can be sent"},
		{levels(98), "nests 98 levels deep"},
		{`{"a":"` + strings.Repeat("[", 100) + `"}`, ""},
		{`"\"[[` + strings.Repeat("[", 100) + `"`, ""},
		{strings.Repeat("[],", 100) + "[]", "it must be JSON"},
		{"[" + strings.Repeat("[],", 100) + "[]]", ""},
		{`1e999`, "has the number 1e999, which receivers' parsers refuse; it must be one that a float64 has, written with at most 100 characters"},
		{`{"a":[-1E+999]}`, "has the number -1E+999, "},
		{`1e-999`, "has the number 1e-999, "},
		{`[0e999, -0, 0.0e-999, 1e308, -1.7976931348623157e308, 5e-324]`, ""},
		{`1.8e308`, "has the number 1.8e308, "},
		{digits, "has the number " + digits[:80] + "…, "},
		{digits[:100], ""},
		{`0.` + digits[:99], "has the number 0."},
		{`{"\u0000a":1}`, "has a name that begins with NUL"},
		{`[{"a":{"\u0000" : 1}}]`, "has a name that begins with NUL"},
		{`{"a\u0000":"\u0000","b":["\u0000a"]}`, ""},
		{`{"__proto__":1,"a":1,"a":2,"b":"\ud800"}`, ""}, // the documentation tells of these
	}
	for _, tt := range tests {
		err := MemberUpdated("a", "presence-c", "u", tt.info).Validate()
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrInvalidEvent) || !strings.Contains(err.Error(), "user_info ") || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%.60s: got %v, want %q", tt.info, err, tt.want)
		}
		if own := customWith(`{"x":` + tt.info + `}`); tt.want != "" && own.Validate() == nil {
			t.Errorf("%.60s is taken as a member of Extra", tt.info)
		}
	}
}

// The payload around a user_info, and Lambda's envelope around the payload, keep within 64 levels.
func TestTheDeepestPayloadHas64Levels(t *testing.T) {
	t.Parallel()
	e := MemberUpdated("a", "presence-c", "u", levels(maxNesting))
	body := payloadOf(1, e)
	n := readNested(`{"payload":` + string(body) + `,"headers":{}}`)
	if n.deepest != 64 {
		t.Errorf("%d levels", n.deepest)
	}
}

func customWith(extra string) Event {
	e := CustomEvent("a", "own", "c")
	e.Extra = extra
	return e
}

func TestExtraIsCheckedAsItsReceiverReadsIt(t *testing.T) {
	t.Parallel()
	tests := []struct{ extra, want string }{
		{`{}`, ""},
		{` {"total": 5, "items": [{"name": "x", "channel": null}], "": 1} `, ""},
		{`[1]`, `extra is "[1]", it must be a JSON object`},
		{`null`, `extra is "null", it must be a JSON object`},
		{`{"a":}`, "it must be a JSON object"},
		{`{"channel":"other"}`, `extra has the member "channel", which an event has of its own`},
		{`{"a":1,"User_ID":1}`, `extra has the member "User_ID", which an event has of its own`},
		{`{"n\u0061me":1}`, `extra has the member "name", which an event has of its own`},
		{`{"extra":1}`, `extra has the member "extra", which an event has of its own`},
		{`{"a":1,"b":2,"\u0061":3}`, `extra has the member "a" twice`},
		{`{"\ud800":1,"\udfff":3}`, "extra has the member \"\ufffd\" twice"},
		{levels(60), ""},
		{levels(62), "extra nests 62 levels deep"},
		{`{"a":1e999}`, "extra has the number 1e999"},
	}
	for _, tt := range tests {
		e := customWith(tt.extra)
		err := e.Validate()
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrInvalidEvent) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.extra, err, tt.want)
		}
	}
	for _, typ := range knownTypes {
		e := MemberAdded("a", "presence-cache-c", "u")
		e.Type, e.Extra = typ, "{}"
		if err := e.Validate(); !errors.Is(err, ErrInvalidEvent) {
			t.Errorf("%s with Extra: got %v", typ, err)
		}
	}
	e := customWith("")
	e.Extra = `{"a":"` + strings.Repeat("x", maxEventBytes-e.size()-8) + `"}`
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	e.Extra += " "
	if err := e.Validate(); !errors.Is(err, ErrInvalidEvent) {
		t.Errorf("one byte more: got %v", err)
	}
}

// readNested finds the levels that encoding/json finds, and its members.
func FuzzReadNested(f *testing.F) {
	f.Add(`{"a":[{"b\"":-1.5e3}],"\u0061":"]}"}`)
	f.Add(`[ "\\" , [ ] ]`)
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			return
		}
		n := readNested(text)
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		depth, deepest := 0, 0
		for token, err := dec.Token(); err == nil; token, err = dec.Token() {
			if d, ok := token.(json.Delim); ok && (d == '{' || d == '[') {
				depth++
				deepest = max(deepest, depth)
			} else if ok {
				depth--
			}
			if number, ok := token.(json.Number); ok && n.number == "" {
				if _, err := number.Float64(); err != nil {
					t.Fatalf("%s: %s is in range", text, number)
				}
			}
		}
		if n.depth != 0 || n.deepest != deepest {
			t.Fatalf("%s: %d levels, want %d", text, n.deepest, deepest)
		}
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &members) == nil && len(n.names) < len(members) {
			t.Fatalf("%s: members %q", text, n.names)
		}
	})
}
