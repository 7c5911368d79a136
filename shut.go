package webhook

import (
	"maps"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// shutLanes are lanes that have no tasks here and may have none before a time. There can be thousands of them when
// many endpoints are down, and each Receive has to name them: they are kept as it wants them, and looked at one
// by one only when the first of their times has come.
type shutLanes struct {
	until map[string]time.Time
	named map[string]queue.Limit // the same names
	opens time.Time              // the earliest of the times; zero if there are none
}

func (s *shutLanes) has(name string) bool {
	_, ok := s.until[name]
	return ok
}

func (s *shutLanes) add(l *lane, until time.Time) {
	if s.until == nil {
		s.until, s.named = map[string]time.Time{}, map[string]queue.Limit{}
	}
	s.until[l.name], s.named[l.name] = until, queue.Limit{}
	if s.opens.IsZero() || until.Before(s.opens) {
		s.opens = until
	}
}

func (s *shutLanes) remove(name string) {
	delete(s.until, name)
	delete(s.named, name)
}

// limits returns a new map with the lanes that are shut now.
func (s *shutLanes) limits(now time.Time) map[string]queue.Limit {
	if !s.opens.IsZero() && !now.Before(s.opens) {
		s.open(now)
	}
	if len(s.named) == 0 {
		return map[string]queue.Limit{}
	}
	return maps.Clone(s.named)
}

// open drops the lanes whose time has come.
func (s *shutLanes) open(now time.Time) {
	s.opens = time.Time{}
	for name, until := range s.until {
		switch {
		case !now.Before(until):
			s.remove(name)
		case s.opens.IsZero() || until.Before(s.opens):
			s.opens = until
		}
	}
}
