package boltqueue

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// deadIndex is what memory keeps of the dead letters.
type deadIndex struct {
	byID    map[idHash]*deadLetter
	lanes   map[string]*deadLane
	largest deadHeap          // the lane with the most bytes in front
	oldest  deadHeap          // the lane with the oldest dead letter in front
	left    map[idHash]uint64 // keys of those that left, as long as their IDs are marked
	bytes   int64
	last    uint64 // key of the latest one
	evicted int64
}

// deadLetter is the place of a dead letter.
type deadLetter struct {
	key  uint64        // grows with time
	hash idHash        // of its ID
	size int64         // of its Data
	at   time.Duration // when the job was given up
	lane *deadLane
}

// deadLane is the dead letters of one lane.
type deadLane struct {
	name    string
	letters []*deadLetter // by key
	bytes   int64
	place   [2]int // in each heap
}

// deadHeap is a heap of lanes.
type deadHeap struct {
	lanes []*deadLane
	which int // of deadLane.place
	less  func(a, b *deadLane) bool
}

func (h *deadHeap) Len() int           { return len(h.lanes) }
func (h *deadHeap) Less(i, k int) bool { return h.less(h.lanes[i], h.lanes[k]) }

func (h *deadHeap) Swap(i, k int) {
	h.lanes[i], h.lanes[k] = h.lanes[k], h.lanes[i]
	h.lanes[i].place[h.which], h.lanes[k].place[h.which] = i, k
}

// Push adds a lane at the end.
func (h *deadHeap) Push(l any) {
	l.(*deadLane).place[h.which] = len(h.lanes)
	h.lanes = append(h.lanes, l.(*deadLane))
}

// Pop removes the lane at the end.
func (h *deadHeap) Pop() any {
	last := len(h.lanes) - 1
	l := h.lanes[last]
	h.lanes[last] = nil
	h.lanes = h.lanes[:last]
	return l
}

func newDeadIndex() *deadIndex {
	return &deadIndex{
		byID:    make(map[idHash]*deadLetter),
		lanes:   make(map[string]*deadLane),
		left:    make(map[idHash]uint64),
		largest: deadHeap{which: 0, less: func(a, b *deadLane) bool { return a.bytes > b.bytes }},
		oldest:  deadHeap{which: 1, less: func(a, b *deadLane) bool { return a.letters[0].key < b.letters[0].key }},
	}
}

// add takes a dead letter, which is new or could not be removed from the file.
func (d *deadIndex) add(n *deadLetter, name string) {
	l := d.lanes[name]
	if l == nil {
		l = &deadLane{name: name}
		d.lanes[name] = l
	}
	n.lane = l
	d.byID[n.hash] = n
	delete(d.left, n.hash)
	i, _ := slices.BinarySearchFunc(l.letters, n.key, func(o *deadLetter, key uint64) int { return cmp.Compare(o.key, key) })
	l.letters = slices.Insert(l.letters, i, n)
	l.bytes += n.size
	d.bytes += n.size
	if len(l.letters) == 1 {
		heap.Push(&d.largest, l)
		heap.Push(&d.oldest, l)
		return
	}
	d.fix(l)
}

// remove takes a dead letter out.
func (d *deadIndex) remove(n *deadLetter) {
	l := n.lane
	delete(d.byID, n.hash)
	d.left[n.hash] = n.key
	l.bytes -= n.size
	d.bytes -= n.size
	if len(l.letters) == 1 {
		heap.Remove(&d.largest, l.place[0])
		heap.Remove(&d.oldest, l.place[1])
		delete(d.lanes, l.name)
		l.letters = nil
		return
	}
	i := slices.Index(l.letters, n)
	l.letters = slices.Delete(l.letters, i, i+1)
	d.fix(l)
}

// of returns how many dead letters a lane has.
func (d *deadIndex) of(lane string) int {
	if l := d.lanes[lane]; l != nil {
		return len(l.letters)
	}
	return 0
}

// fix puts a lane where it belongs after its dead letters have changed.
func (d *deadIndex) fix(l *deadLane) {
	heap.Fix(&d.largest, l.place[0])
	heap.Fix(&d.oldest, l.place[1])
}

// excess returns the dead letter that is to be evicted next, or nil: the oldest if there are too
// many or if it is too old, and the oldest of the lane with the most bytes if they are too large.
func (d *deadIndex) excess(opts *Options, now time.Duration) *deadLetter {
	if len(d.byID) == 0 {
		return nil
	}
	oldest := d.oldest.lanes[0].letters[0]
	switch {
	case len(d.byID) > opts.MaxDead || now-oldest.at >= opts.MaxDeadAge:
		return oldest
	case d.bytes > opts.MaxDeadBytes:
		return d.largest.lanes[0].letters[0]
	}
	return nil
}

// evict takes out what is beyond the bounds.
func (d *deadIndex) evict(opts *Options, now time.Duration) (evicted []*deadLetter) {
	for n := d.excess(opts, now); n != nil; n = d.excess(opts, now) {
		d.remove(n)
		evicted = append(evicted, n)
	}
	return evicted
}
