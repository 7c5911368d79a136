package config

import "fmt"

// The types that hold secrets, or hold one that does, have Format methods, although the fields' own
// types print as REDACTED: package fmt asks none of the fields when a verb does not fit a pointer
// to the whole, as in fmt.Sprintf("%s", map[string]any{"queue": &q}).

// show writes the fields of v, a struct without a Format method of its own.
func show(f fmt.State, v any) { _, _ = fmt.Fprintf(f, "%+v", v) }

// Format writes the fields by their names, whatever the verb: without secrets.
func (c Config) Format(f fmt.State, _ rune) {
	type fields Config
	show(f, fields(c))
}

// Format writes the fields by their names, whatever the verb: without secrets.
func (q Queue) Format(f fmt.State, _ rune) {
	type fields Queue
	show(f, fields(q))
}

// Format writes the fields by their names, whatever the verb: without secrets.
func (r Redis) Format(f fmt.State, _ rune) {
	type fields Redis
	show(f, fields(r))
}

// Format writes the fields by their names, whatever the verb: without secrets.
func (r RedisCluster) Format(f fmt.State, _ rune) {
	type fields RedisCluster
	show(f, fields(r))
}

// Format writes the fields by their names, whatever the verb: without secrets.
func (s SQS) Format(f fmt.State, _ rune) {
	type fields SQS
	show(f, fields(s))
}

// Format writes the fields by their names, whatever the verb: without secrets.
func (d Database) Format(f fmt.State, _ rune) {
	type fields Database
	show(f, fields(d))
}

// Format writes the fields by their names, whatever the verb: without secrets.
func (s RedisServer) Format(f fmt.State, _ rune) {
	type fields RedisServer
	show(f, fields(s))
}
