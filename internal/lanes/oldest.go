package lanes

import "time"

// oldest is when the age of the oldest ready job began, as it was when that was last looked for.
type oldest struct {
	at     time.Duration
	looked time.Duration
	known  bool
}

const (
	// exactLanes is up to how many lanes are looked at each time. Of more, the answer is kept for a
	// second, so that a caller that asks all the time does not hold up the others.
	exactLanes = 1000
	keepOldest = time.Second
)

// Oldest returns the age of the oldest ready job whose lane is not held, 0 if there is none. With
// more than exactLanes lanes the job is that of up to a second ago.
func (s *Set[T]) Oldest(now time.Duration) time.Duration {
	o := &s.oldest
	if !o.known || len(s.lanes) <= exactLanes || now-o.looked >= keepOldest {
		*o = oldest{at: s.oldestAt(now), looked: now, known: true}
	}
	if o.at == o.looked { // there was none
		return 0
	}
	return now - o.at
}

// oldestAt looks at all lanes. It returns now if no job is ready.
func (s *Set[T]) oldestAt(now time.Duration) time.Duration {
	at := now
	for _, l := range s.lanes {
		if !l.held {
			at = min(at, l.oldest())
		}
	}
	return at
}

// OnHold returns how many ready jobs there are whose lanes are held.
func (s *Set[T]) OnHold() int { return s.onHold }
