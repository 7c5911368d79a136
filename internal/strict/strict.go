// Package strict reads JSON field by field and notes every mistake with its path: unknown fields
// with the nearest known name, fields that are there twice, values of the wrong type. encoding/json
// stops at the first mistake and lets the others through.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pushhooks/webhook/internal/urltext"
)

// Problem is one mistake.
type Problem struct {
	Path    string // such as "webhooks[2].filter"; empty for the outermost value
	Message string
}

// Field reads one value. It is called only for values that are there and not null.
type Field func(Value)

// Value is a JSON value at a path. Mistakes found in it are noted in the list that was given to
// Read.
type Value struct {
	path   string
	raw    []byte
	hidden bool
	notes  *[]Problem
}

// Read reads data with f and returns every mistake.
func Read(data []byte, f Field) []Problem {
	if !json.Valid(data) {
		return []Problem{{Message: syntaxMessage(data)}}
	}
	var notes []Problem
	v := Value{raw: bytes.TrimSpace(data), notes: &notes}
	v.read(f)
	return notes
}

// syntaxMessage says where data stops being JSON.
func syntaxMessage(data []byte) string {
	err := json.Unmarshal(data, new(json.RawMessage))
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return fmt.Sprint(err)
	}
	before := data[:min(int(syntax.Offset), len(data))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - 1 - bytes.LastIndexByte(before, '\n')
	return fmt.Sprintf("line %d, column %d: %s", line, max(column, 1), syntax)
}

// Path returns where the value is, such as "webhooks[2].filter"; empty for the outermost value.
func (v Value) Path() string { return v.path }

// Raw returns the value's JSON text.
func (v Value) Raw() []byte { return v.raw }

// Fail notes a mistake in the value.
func (v Value) Fail(format string, args ...any) {
	v.FailAt("", format, args...)
}

// FailAt notes a mistake at a path below the value's own.
func (v Value) FailAt(below, format string, args ...any) {
	*v.notes = append(*v.notes, Problem{Path: Join(v.path, below), Message: fmt.Sprintf(format, args...)})
}

// Join puts two paths together: "a" and "b" make "a.b", "a" and "[0]" make "a[0]".
func Join(path, below string) string {
	if path == "" || below == "" || below[0] == '[' {
		return path + below
	}
	return path + "." + below
}

// read calls f unless the value is null, which is as good as absent.
func (v Value) read(f Field) {
	if string(v.raw) != "null" {
		f(v)
	}
}

// child is a value below v.
func (v Value) child(below string, raw []byte) Value {
	return Value{path: Join(v.path, below), raw: raw, hidden: v.hidden, notes: v.notes}
}

// wrong notes that the value is not what it should be. Only scalars are quoted, because anything
// larger, or anything that stands where something larger should, may hold a secret.
func (v Value) wrong(want string) {
	v.Fail("must be %s, not %s", want, v.describe())
}

func (v Value) describe() string {
	kind := v.kind()
	if v.hidden || kind == "an object" || kind == "an array" {
		return kind
	}
	const most = 60
	text := string(v.raw)
	if kind == "a string" {
		text = quotable(v.raw)
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// quotable returns a string's text, quoted: as it stands, unless it holds something that must not
// be shown.
func quotable(raw []byte) string {
	var s string
	_ = json.Unmarshal(raw, &s) // it is a valid string
	if shown := urltext.Quotable(s); shown != s {
		return strconv.Quote(shown)
	}
	return string(raw)
}

func (v Value) kind() string {
	switch v.raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// Embedded reads a value with f, or a string that holds the value's JSON text.
func Embedded(f Field) Field {
	return func(v Value) {
		if v.raw[0] != '"' {
			f(v)
			return
		}
		var text string
		String(&text)(v)
		if !json.Valid([]byte(text)) {
			v.Fail("is a string, which must hold JSON: %s", syntaxMessage([]byte(text)))
			return
		}
		v.raw = bytes.TrimSpace([]byte(text))
		v.read(f)
	}
}

// Hidden keeps what f reads out of messages: it is for secrets.
func Hidden(f Field) Field {
	return func(v Value) {
		v.hidden = true
		f(v)
	}
}
