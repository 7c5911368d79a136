package flatqueue

import (
	"fmt"
	"testing"
)

func TestRecentForgetsTheOldest(t *testing.T) {
	t.Parallel()
	s := newIDs(10)
	for i := range 100 {
		s.add(fmt.Sprint(i))
	}
	for i := range 100 {
		if id := fmt.Sprint(i); i >= 90 && !s.has(id) || i < 80 && s.has(id) {
			t.Errorf("has(%s) is %v", id, s.has(id))
		}
	}
	if n := len(s.young) + len(s.aged); n > 20 {
		t.Errorf("%d ids are remembered; want at most 20", n)
	}
}
