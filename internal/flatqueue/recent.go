package flatqueue

// remembered is how many IDs a recent remembers at least.
const remembered = 50_000

// recent remembers a value for each of at least the latest IDs that were set, and of at most twice
// as many.
type recent[V any] struct {
	size        int
	young, aged map[string]V
}

func newRecent[V any](size int) *recent[V] {
	return &recent[V]{size: size, young: make(map[string]V)}
}

func (r *recent[V]) set(id string, v V) {
	if len(r.young) >= r.size {
		r.aged, r.young = r.young, make(map[string]V)
	}
	r.young[id] = v
}

// get returns the zero value for an ID that is not remembered.
func (r *recent[V]) get(id string) V {
	if v, ok := r.young[id]; ok {
		return v
	}
	return r.aged[id]
}

// ids is a set of IDs.
type ids struct{ recent[struct{}] }

func newIDs(size int) *ids { return &ids{*newRecent[struct{}](size)} }

func (s *ids) add(id string) { s.set(id, struct{}{}) }

func (s *ids) has(id string) bool {
	if _, ok := s.young[id]; ok {
		return true
	}
	_, ok := s.aged[id]
	return ok
}
