package boltqueue

// seqHeap is a lane's ready jobs, the oldest first. New jobs have the highest numbers, so they
// are put at its end at no cost; a job that comes back finds its old place.
type seqHeap []*entry

func (h seqHeap) Len() int           { return len(h) }
func (h seqHeap) Less(i, j int) bool { return h[i].seq < h[j].seq }
func (h seqHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *seqHeap) Push(e any)        { *h = append(*h, e.(*entry)) }
func (h *seqHeap) Pop() any          { return pop((*[]*entry)(h)) }

// timerHeap is the jobs that are delayed or leased, the one that ends first in front.
type timerHeap []*entry

func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].timer, h[j].timer = int32(i), int32(j)
}

func (h *timerHeap) Push(e any) {
	e.(*entry).timer = int32(len(*h))
	*h = append(*h, e.(*entry))
}

func (h *timerHeap) Pop() any {
	e := pop((*[]*entry)(h))
	e.timer = -1
	return e
}

func pop(s *[]*entry) *entry {
	last := len(*s) - 1
	e := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return e
}
