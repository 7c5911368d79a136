package strict

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pushhooks/webhook/internal/urltext"
)

// Object reads an object of exactly these fields. Each is optional.
type Object map[string]Field

// Read reads v. Any other field is a mistake.
func (o Object) Read(v Value) {
	v.members(func(name string, member Value) {
		if f, ok := o[name]; ok {
			member.read(f)
			return
		}
		member.Fail("unknown field%s", o.suggest(name))
	})
}

// ReadOpen reads v and lets other fields be, unless one looks like a known one misspelled.
func (o Object) ReadOpen(v Value) {
	v.members(func(name string, member Value) {
		if f, ok := o[name]; ok {
			member.read(f)
			return
		}
		if near := Nearest(name, o.names()); near != "" {
			member.Fail("unknown field; did you mean %q?", near)
		}
	})
}

func (o Object) names() []string {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (o Object) suggest(name string) string { return Suggest(name, o.names()) }

// Members reads an object whose names are data: f gets each name with its value, null included.
func Members(f func(name string, v Value)) Field {
	return func(v Value) { v.members(f) }
}

// Entries reads an object whose names are data: f gets each name, and its value unless that is
// null.
func Entries(f func(name string, v Value)) Field {
	return func(v Value) {
		v.members(func(name string, member Value) { member.read(func(v Value) { f(name, v) }) })
	}
}

// Array reads an array: f gets each element, and a null one is a mistake.
func Array(f Field) Field {
	return func(v Value) {
		if v.raw[0] != '[' {
			v.Fail("must be an array, not %s", v.kind())
			return
		}
		elements := scan(v.raw)
		for i := 0; elements.more(); i++ {
			f(v.child("["+strconv.Itoa(i)+"]", elements.value()))
		}
	}
}

// List reads an array of strings.
func List[S ~string](dst *[]S) Field {
	return func(v Value) {
		*dst = []S{}
		Array(func(v Value) {
			var s S
			String(&s)(v)
			*dst = append(*dst, s)
		})(v)
	}
}

// members calls f for each field of an object in the order of the text.
func (v Value) members(f func(name string, member Value)) {
	if v.raw[0] != '{' {
		v.Fail("must be an object, not %s", v.kind())
		return
	}
	seen := make(map[string]bool)
	for fields := scan(v.raw); fields.more(); {
		name := fields.name()
		member := v.child(printable(name), fields.value())
		if seen[name] {
			member.Fail("is there twice")
			continue
		}
		seen[name] = true
		f(name, member)
	}
}

// printable keeps a name as it is unless it would be unclear in a path, or show what must not be
// shown.
func printable(name string) string {
	if shown := urltext.Quotable(name); shown != name {
		return strconv.QuoteToASCII(shown)
	}
	if name == "" || len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.QuoteToASCII(name[:min(len(name), 100)])
	}
	return name
}
