package occupancy

import "maps"

// table is a map that gives back memory: a map of Go keeps the room of the most entries that it
// had.
type table[K comparable, V any] struct {
	m    map[K]V
	peak int // the most entries since m was made
}

func newTable[K comparable, V any]() table[K, V] { return table[K, V]{m: map[K]V{}} }

func (t *table[K, V]) set(k K, v V) {
	t.m[k] = v
	t.peak = max(t.peak, len(t.m))
}

// remove makes a new map when an eighth of the entries is left: a few steps for each removed one.
func (t *table[K, V]) remove(k K) {
	delete(t.m, k)
	if t.peak >= 64 && len(t.m) <= t.peak/8 {
		m := make(map[K]V, len(t.m))
		maps.Copy(m, t.m)
		t.m, t.peak = m, len(m)
	}
}
