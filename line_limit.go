package webhook

import (
	"log/slog"
	"strings"
	"sync"
)

const (
	// maxLines is how many lines with one message, about webhooks, the log gets in a minute.
	maxLines = 10

	// maxExamples is how many webhooks a line names that stands for many.
	maxExamples = 3

	// maxKnown bounds how many webhooks each part of the log knows by name.
	maxKnown = 10_000
)

// lineLimit counts lines by their message. Ten of each are written in a minute; of the others it
// keeps what one line says of them.
type lineLimit struct {
	mu    sync.Mutex
	kinds map[string]*crowd // by message
}

// crowd is the lines with one message in the current minute.
type crowd struct {
	text     string
	level    slog.Level
	lines    int // written
	left     int // left out
	events   int64
	webhooks map[string]struct{} // lanes of those left out, at most maxKnown
}

// allow reports whether a line about a lane is written. first reports whether it begins the minute
// of its kind.
func (l *lineLimit) allow(level slog.Level, text, lane string, events int64) (ok, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.kinds[text]
	if first = c == nil; first {
		if l.kinds == nil {
			l.kinds = map[string]*crowd{}
		}
		c = &crowd{text: text, level: level}
		l.kinds[text] = c
	}
	if c.lines < maxLines {
		c.lines++
		return true, first
	}
	c.left++
	c.events += events
	if len(c.webhooks) < maxKnown {
		if c.webhooks == nil {
			c.webhooks = map[string]struct{}{}
		}
		c.webhooks[lane] = struct{}{}
	}
	return false, first
}

// idle reports whether no line was counted since the last take.
func (l *lineLimit) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.kinds) == 0
}

// take ends the minute. It returns the kinds of which lines were left out.
func (l *lineLimit) take() (left []*crowd) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.kinds {
		if c.left > 0 {
			left = append(left, c)
		}
	}
	l.kinds = nil
	return left
}

// examples names a few of the webhooks whose lines were left out.
func (c *crowd) examples() string {
	names := make([]string, 0, maxExamples)
	for lane := range c.webhooks {
		if names = append(names, lane); len(names) == maxExamples {
			break
		}
	}
	return strings.Join(names, ", ")
}
