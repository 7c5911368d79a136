package boltqueue

import "math"

// laneHeap is a lane's ready jobs, the next one first. New jobs have the highest numbers, so they are put at its
// end at no cost; a job that comes back finds its old place.
type laneHeap []*entry

func (h laneHeap) Len() int           { return len(h) }
func (h laneHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h laneHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *laneHeap) Push(e any)        { *h = append(*h, e.(*entry)) }
func (h *laneHeap) Pop() any          { return pop((*[]*entry)(h)) }

// oldest is when the oldest job at or below i was enqueued. Of jobs at their old places the first is the
// oldest; only those that were put in front need a look at what is below them.
func (h laneHeap) oldest(i int) int64 {
	if i >= len(h) {
		return math.MaxInt64
	}
	at := h[i].enqueued
	if h[i].at < 0 {
		at = min(at, h.oldest(2*i+1), h.oldest(2*i+2))
	}
	return at
}

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
