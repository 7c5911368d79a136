package scheduler

// place is a lane's place in a laneHeap.
type place struct {
	heap  *laneHeap // nil: in none
	index int
	key   int64
}

// laneHeap orders lanes by a key. A lane has a place for each kind of heap that it can be in.
type laneHeap struct {
	of    func(*lane) *place
	lanes []*lane
}

// first returns the lane with the smallest key, or nil.
func (h *laneHeap) first() *lane {
	if len(h.lanes) == 0 {
		return nil
	}
	return h.lanes[0]
}

// set puts l into the heap with this key, or changes its key.
func (h *laneHeap) set(l *lane, key int64) {
	p := h.of(l)
	if p.heap == h {
		if p.key == key {
			return
		}
		p.key = key
	} else {
		*p = place{heap: h, index: len(h.lanes), key: key}
		h.lanes = append(h.lanes, l)
	}
	if !h.up(p.index) {
		h.down(p.index)
	}
}

// remove takes l out of the heap, if it is in it.
func (h *laneHeap) remove(l *lane) {
	p := h.of(l)
	if p.heap != h {
		return
	}
	i, last := p.index, len(h.lanes)-1
	h.swap(i, last)
	h.lanes[last] = nil
	h.lanes = h.lanes[:last]
	*p = place{}
	if i < last && !h.up(i) {
		h.down(i)
	}
}

func (h *laneHeap) less(i, j int) bool { return h.of(h.lanes[i]).key < h.of(h.lanes[j]).key }

func (h *laneHeap) swap(i, j int) {
	h.lanes[i], h.lanes[j] = h.lanes[j], h.lanes[i]
	h.of(h.lanes[i]).index, h.of(h.lanes[j]).index = i, j
}

// up moves the lane at i towards the front, and reports whether it moved.
func (h *laneHeap) up(i int) (moved bool) {
	for i > 0 && h.less(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i, moved = (i-1)/2, true
	}
	return moved
}

// down moves the lane at i towards the back.
func (h *laneHeap) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.lanes); child++ {
			if h.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}
