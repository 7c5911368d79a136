package webhook

import (
	"bytes"
	"strconv"
)

// The body's parts around its time and its events.
const (
	bodyTime   = `{"time_ms":`
	bodyEvents = `,"events":[`
	bodyEnd    = `]}`

	bodyOverhead = 64 // what a body has besides its events, at most
)

// appendBodyStart begins a body of the time.
func appendBodyStart(dst []byte, timeMS int64) []byte {
	dst = append(dst, bodyTime...)
	dst = strconv.AppendInt(dst, timeMS, 10)
	return append(dst, bodyEvents...)
}

// bodyOf returns a body's events, joined by commas.
func bodyOf(body []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(body, []byte(bodyTime))
	_, events, found := bytes.Cut(rest, []byte(bodyEvents))
	events, closed := bytes.CutSuffix(events, []byte(bodyEnd))
	return events, ok && found && closed
}

// restamp returns the body with another time.
func restamp(body []byte, timeMS int64) ([]byte, bool) {
	events, ok := bodyOf(body)
	if !ok {
		return nil, false
	}
	dst := appendBodyStart(make([]byte, 0, len(body)+8), timeMS)
	dst = append(dst, events...)
	return append(dst, bodyEnd...), true
}

// nthComma returns the index of the comma after the first n of several JSON objects joined by
// commas, or -1.
func nthComma(objects []byte, n int) int {
	depth, inString := 0, false
	for i := 0; i < len(objects); i++ {
		switch c := objects[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',' && depth == 0:
			if n--; n == 0 {
				return i
			}
		}
	}
	return -1
}
