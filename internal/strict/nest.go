package strict

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// Nest returns data, which is valid JSON, with dotted names of the outermost object taken apart:
// {"queue.driver": "redis"} becomes {"queue": {"driver": "redis"}}, and an object whose names are
// the indexes 0, 1, … becomes an array: {"apps.0.id": "a"} is {"apps": [{"id": "a"}]}. A field that
// is given in both ways is in the result twice, which [Object] then refuses.
func Nest(data []byte) []byte {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] != '{' {
		return data
	}
	root := &nestNode{}
	dotted := false
	for fields := scan(data); fields.more(); {
		path := strings.Split(fields.name(), ".")
		dotted = dotted || len(path) > 1
		root.add(path, fields.value())
	}
	if !dotted {
		return data
	}
	return root.append(make([]byte, 0, len(data)+64))
}

// nestNode is a field: one with a value's text, or an object with further fields.
type nestNode struct {
	name   string
	raw    []byte
	fields []*nestNode
	byName map[string][]*nestNode
}

// push adds a field behind the others.
func (n *nestNode) push(field *nestNode) {
	if n.byName == nil {
		n.byName = make(map[string][]*nestNode)
	}
	n.fields = append(n.fields, field)
	n.byName[field.name] = append(n.byName[field.name], field)
}

// open has n hold the fields of raw, an object.
func (n *nestNode) open(raw []byte) {
	for fields := scan(raw); fields.more(); {
		field := &nestNode{name: fields.name()}
		field.raw = fields.value()
		n.push(field)
	}
}

// add puts the value at path below n.
func (n *nestNode) add(path []string, raw []byte) {
	name, rest := path[0], path[1:]
	if len(rest) == 0 && raw[0] != '{' {
		n.push(&nestNode{name: name, raw: raw})
		return
	}
	child := n.object(name)
	if len(rest) > 0 {
		child.add(rest, raw)
		return
	}
	child.open(raw)
}

// object returns the field name of n as an object, which it adds where there is none.
func (n *nestNode) object(name string) *nestNode {
	for _, f := range n.byName[name] {
		if f.raw != nil && f.raw[0] == '{' {
			raw := f.raw
			f.raw = nil
			f.open(raw)
		}
		if f.raw == nil {
			return f
		}
	}
	child := &nestNode{name: name}
	n.push(child)
	return child
}

// elements returns the fields in the order of their names if there are any and these are 0, 1, … up
// to their number, each once, and nil otherwise.
func (n *nestNode) elements() (sorted []*nestNode) {
	for _, f := range n.fields {
		i, err := strconv.Atoi(f.name)
		if err != nil || i < 0 || i >= len(n.fields) || strconv.Itoa(i) != f.name {
			return nil
		}
		if sorted == nil {
			sorted = make([]*nestNode, len(n.fields))
		}
		if sorted[i] != nil {
			return nil
		}
		sorted[i] = f
	}
	return sorted
}

// append appends n's JSON text to dst.
func (n *nestNode) append(dst []byte) []byte {
	if n.raw != nil {
		return append(dst, n.raw...)
	}
	if elements := n.elements(); elements != nil {
		dst = append(dst, '[')
		for i, f := range elements {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = f.append(dst)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for i, f := range n.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		name, _ := json.Marshal(f.name) // a string always can be
		dst = append(append(dst, name...), ':')
		dst = f.append(dst)
	}
	return append(dst, '}')
}
