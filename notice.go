package webhook

import (
	"log/slog"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// notice is a line to be written about a webhook, as it was when the line was due.
type notice struct {
	failingHook
	text string
}

func (n *notice) level() slog.Level {
	if n.text == lineWorks || n.text == lineUndecided {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// notices returns the lines that are due: about those webhooks of which there is news, or at a
// minute's end about all.
func (s *failingHooks) notices(now time.Time, minute bool) (list []notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.due
	s.due = nil
	if !minute {
		for lane := range due {
			if f := s.byLane[lane]; f != nil {
				list = f.appendNotices(list, now, false)
			}
		}
		return list
	}
	for _, f := range s.byLane {
		list = f.appendNotices(list, now, true)
	}
	return list
}

// appendNotices adds the lines that are due about f: when it begins to fail, when it is first held
// since, once a minute while it fails, and when it fails no longer. One that works and fails in
// turns is said to fail once a minute.
func (f *failingHook) appendNotices(list []notice, now time.Time, minute bool) []notice {
	say := func(text string) {
		list = append(list, notice{*f, text})
		f.lined = now
	}
	switch {
	case !f.fails() && f.told != toldNothing:
		f.told = toldNothing
		if f.delivered > 0 || f.state.Health == queue.Healthy {
			say(lineWorks)
		} else {
			say(lineUndecided)
		}
		f.since, f.failed, f.delivered, f.status, f.reason = time.Time{}, 0, 0, 0, ""
	case !f.fails():
	case f.told == toldNothing:
		if !minute && !f.begun.IsZero() && now.Sub(f.begun) < time.Minute {
			return list // the minute's end decides
		}
		f.told, f.begun = toldFailing, now
		say(lineFailing)
		return f.appendNotices(list, now, minute)
	case f.told == toldFailing && laneState(f.state) == LaneHeld:
		f.told = toldHeld
		say(lineHeld)
	case minute && now.Sub(f.lined) > time.Minute/2 && (f.state.Health == queue.Failing || f.last.After(f.lined)):
		say(lineStill)
	}
	return list
}

// tidy forgets webhooks that are not known any more, those that fail no longer, and those of which
// nothing was heard for long.
func (s *failingHooks) tidy(now time.Time, known func(*failingHook) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.byLane {
		quiet := f.state.Health != queue.Failing && now.Sub(f.last) > quietTime && now.Sub(f.learned) > quietTime
		over := !f.fails() && f.told == toldNothing && f.warned == 0 && now.Sub(f.begun) >= time.Minute
		if quiet || over || !known(f) {
			s.forget(f)
		}
	}
}
