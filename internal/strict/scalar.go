package strict

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// String reads a string.
func String[S ~string](dst *S) Field {
	return func(v Value) {
		var s string
		if v.raw[0] != '"' || json.Unmarshal(v.raw, &s) != nil {
			v.wrong("a string")
			return
		}
		*dst = S(s)
	}
}

// Bool reads true or false.
func Bool(dst *bool) Field {
	return func(v Value) {
		b, err := strconv.ParseBool(string(v.raw))
		if kind := v.kind(); kind != "a boolean" || err != nil {
			v.wrong("true or false")
			return
		}
		*dst = b
	}
}

// Not reads true or false and sets dst to the opposite.
func Not(dst *bool) Field {
	return func(v Value) {
		enabled := !*dst
		Bool(&enabled)(v)
		*dst = !enabled
	}
}

// Int reads a whole number of at least least.
func Int(dst *int, least int) Field {
	return func(v Value) {
		n, ok := v.whole()
		if ok && n > math.MaxInt32 {
			v.wrong("a whole number of at most " + strconv.Itoa(math.MaxInt32))
			return
		}
		if !ok || n < int64(least) {
			v.wrong("a whole number of at least " + strconv.Itoa(least))
			return
		}
		*dst = int(n)
	}
}

// Between reads a whole number from low to high.
func Between(dst *int, low, high int) Field {
	return func(v Value) {
		n, ok := v.whole()
		if !ok || n < int64(low) || n > int64(high) {
			v.wrong(fmt.Sprintf("a whole number from %d to %d", low, high))
			return
		}
		*dst = int(n)
	}
}

// Number reads a number of more than 0.
func Number(dst *float64) Field {
	return func(v Value) {
		x, err := strconv.ParseFloat(string(v.raw), 64)
		if v.kind() != "a number" || err != nil || x <= 0 {
			v.wrong("a number greater than 0")
			return
		}
		*dst = x
	}
}

// Duration reads a whole number, at least least, of units.
func Duration(dst *time.Duration, unit time.Duration, least int64) Field {
	return func(v Value) {
		n, ok := v.whole()
		if largest := int64(math.MaxInt64 / unit); ok && n > largest {
			v.wrong("a whole number of " + unitName(unit) + ", at most " + strconv.FormatInt(largest, 10))
			return
		}
		if !ok || n < least {
			v.wrong("a whole number of " + unitName(unit) + ", at least " + strconv.FormatInt(least, 10))
			return
		}
		*dst = time.Duration(n) * unit
	}
}

// Millis reads a whole number of milliseconds, at least 1.
func Millis(dst *time.Duration) Field { return Duration(dst, time.Millisecond, 1) }

func unitName(unit time.Duration) string {
	if unit == time.Second {
		return "seconds"
	}
	return "milliseconds"
}

// whole returns the value as an integer. 5.0 and 5e3 are whole numbers in JSON, though
// strconv.ParseInt knows only their plain form.
func (v Value) whole() (int64, bool) {
	if v.kind() != "a number" {
		return 0, false
	}
	if n, err := strconv.ParseInt(string(v.raw), 10, 64); err == nil {
		return n, true
	}
	x, err := strconv.ParseFloat(string(v.raw), 64)
	if err != nil || x != math.Trunc(x) || math.Abs(x) > 1<<53 {
		return 0, false
	}
	return int64(x), true
}
