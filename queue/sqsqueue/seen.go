package sqsqueue

// seen remembers a number for at least the latest size ids that were set, and for at
// most twice as many. It is not safe for concurrent use.
type seen struct {
	size        int
	young, aged map[string]int
}

func newSeen(size int) *seen {
	return &seen{size: size, young: make(map[string]int)}
}

func (s *seen) add(id string) { s.set(id, 1) }

func (s *seen) set(id string, n int) {
	if len(s.young) >= s.size {
		s.aged, s.young = s.young, make(map[string]int)
	}
	s.young[id] = n
}

// get returns 0 for an id that is not remembered.
func (s *seen) get(id string) int {
	if n, ok := s.young[id]; ok {
		return n
	}
	return s.aged[id]
}

func (s *seen) has(id string) bool { return s.get(id) != 0 }
