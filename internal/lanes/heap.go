package lanes

import "time"

// timed is an item of a heap.
type timed interface {
	comparable
	due() time.Duration
	place() *int32 // its place in the heap plus one; 0 if it is in none
}

// timers is a heap of items by when they are due.
type timers[E timed] []E

// set puts e into the heap, or moves it to where its time belongs.
func (h *timers[E]) set(e E) {
	i := int(*e.place()) - 1
	if i < 0 {
		*h = append(*h, e)
		i = len(*h) - 1
		*e.place() = int32(i + 1)
	}
	if !h.up(i) {
		h.down(i)
	}
}

// remove takes e out, if it is there.
func (h *timers[E]) remove(e E) {
	i := int(*e.place()) - 1
	if i < 0 {
		return
	}
	last := len(*h) - 1
	h.swap(i, last)
	var none E
	(*h)[last] = none
	*h = (*h)[:last]
	*e.place() = 0
	if i < last && !h.up(i) {
		h.down(i)
	}
}

// next returns the item that is due first.
func (h timers[E]) next() (e E, ok bool) {
	if len(h) == 0 {
		return e, false
	}
	return h[0], true
}

func (h timers[E]) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	*h[i].place(), *h[j].place() = int32(i+1), int32(j+1)
}

func (h timers[E]) up(i int) (moved bool) {
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].due() <= h[i].due() {
			break
		}
		h.swap(i, parent)
		i, moved = parent, true
	}
	return moved
}

func (h timers[E]) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if right := child + 1; right < len(h) && h[right].due() < h[child].due() {
			child = right
		}
		if h[i].due() <= h[child].due() {
			return
		}
		h.swap(i, child)
		i = child
	}
}
