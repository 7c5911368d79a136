package webhook

import (
	"testing"
	"time"
)

func TestAClockThatIsSetBackSilencesNothing(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(24 * time.Hour).UnixNano()
	var p pace
	p.last.Store(later)
	if !p.due(time.Second) || p.due(time.Minute) {
		t.Error("a line a second is not written any more after the clock was set back by a day")
	}
	var s slot
	s.refuse(1000)
	if n := s.bodyLimit(); n != 500 {
		t.Errorf("the limit is %d after a refusal", n)
	}
	s.refused.Store(later)
	if n := s.bodyLimit(); n != 0 {
		t.Errorf("a refusal of ten minutes' life is remembered for a day: %d", n)
	}
}
