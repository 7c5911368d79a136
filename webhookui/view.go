package webhookui

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/oneline"
)

// unknown stands where a number is not known. A zero would be read as one.
const unknown = "unknown"

var funcs = template.FuncMap{
	"count": count, "duration": duration, "ago": ago, "until": until, "moment": moment, "size": size,
	"short": short, "host": host, "bytes": func(b []byte) int64 { return int64(len(b)) }, "state": func(s *webhook.WebhookStatus) string { return s.State.String() }, "line": oneline.Text,
}

// count writes a number with thin spaces between thousands. A negative one is unknown.
func count(n any) string {
	var v int64
	switch n := n.(type) {
	case int:
		v = int64(n)
	case int64:
		v = n
	}
	if v < 0 {
		return unknown
	}
	digits := strconv.FormatInt(v, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteRune('\u202f') // NARROW NO-BREAK SPACE
		}
		b.WriteRune(d)
	}
	return b.String()
}

// duration writes a duration with its two largest units, such as "4 m 10 s". A negative one is
// unknown.
func duration(d time.Duration) string {
	switch {
	case d < 0:
		return unknown
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return "less than 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	for _, u := range []struct {
		unit, part time.Duration
		name, rest string
	}{
		{24 * time.Hour, time.Hour, "d", "h"}, {time.Hour, time.Minute, "h", "m"}, {time.Minute, time.Second, "m", "s"},
	} {
		if d < u.unit {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.unit, u.name)
		if rest := d % u.unit / u.part; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, u.rest)
		}
		return text
	}
	return ""
}

// ago writes how long before now t was, with the exact time as a title.
func ago(t, now time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	text := "just now"
	if d := now.Sub(t); d >= time.Second {
		text = duration(d) + " ago"
	}
	return timeElement(t, text)
}

// until writes how long after now t is.
func until(t, now time.Time) template.HTML {
	if !t.After(now) {
		return timeElement(t, "due")
	}
	return timeElement(t, "in "+duration(max(t.Sub(now), time.Second)))
}

// moment writes a time in full.
func moment(t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	return timeElement(t, exact(t))
}

func exact(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// timeElement's text is of this file's alone.
func timeElement(t time.Time, text string) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // no part is anybody's text
		t.UTC().Format(time.RFC3339), exact(t), text))
}

// size writes a number of bytes.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

const (
	maxName   = 80  // bytes that the overview shows of an ID, which may be 200 long
	maxReason = 150 // bytes that it shows of a reason, which may be 1 KiB long
)

// short returns a text of somebody else's on one line of at most 80 bytes.
func short(s string) string { return oneline.Cut(s, maxName) }

// host returns a target without the scheme that nearly all have.
func host(target string) string { return short(strings.TrimPrefix(target, "https://")) }
