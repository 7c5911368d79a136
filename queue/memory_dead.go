package queue

import (
	"container/heap"
	"container/list"
	"context"
	"fmt"
	"time"
)

// deadLetters are the dead letters of a Memory, by age and by lane.
type deadLetters struct {
	all     list.List // of *deadLetter, the oldest in front
	byLane  map[string]*deadLane
	largest deadHeap // the lane with the most bytes in front
	bytes   int64
	number  uint64 // of the last one
	evicted int64
}

// deadLetter is a dead letter and its places in both lists.
type deadLetter struct {
	DeadLetter
	number       uint64 // grows with time
	inAll, inOne *list.Element
}

// held returns how many bytes the letter takes.
func (n *deadLetter) held() int64 { return int64(len(n.Data)+len(n.Reason)) + letterBytes }

// deadLane is the dead letters of one lane.
type deadLane struct {
	name    string
	letters list.List // of *deadLetter, the oldest in front
	bytes   int64
	index   int // in the heap
}

// deadHeap has the lane with the most bytes in front.
type deadHeap []*deadLane

func (h deadHeap) Len() int           { return len(h) }
func (h deadHeap) Less(i, k int) bool { return h[i].bytes > h[k].bytes }
func (h deadHeap) Swap(i, k int)      { h[i], h[k] = h[k], h[i]; h[i].index, h[k].index = i, k }
func (h *deadHeap) Push(l any)        { l.(*deadLane).index = len(*h); *h = append(*h, l.(*deadLane)) }

func (h *deadHeap) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return l
}

// add takes a new dead letter.
func (d *deadLetters) add(letter DeadLetter) *deadLetter {
	d.number++
	n := &deadLetter{DeadLetter: letter, number: d.number}
	lane := d.byLane[letter.Lane]
	if lane == nil {
		lane = &deadLane{name: letter.Lane}
		d.byLane[letter.Lane] = lane
		heap.Push(&d.largest, lane)
	}
	n.inAll, n.inOne = d.all.PushBack(n), lane.letters.PushBack(n)
	d.resize(lane, n.held())
	return n
}

// remove takes a dead letter out.
func (d *deadLetters) remove(n *deadLetter) {
	lane := d.byLane[n.Lane]
	d.all.Remove(n.inAll)
	lane.letters.Remove(n.inOne)
	d.resize(lane, -n.held())
	if lane.letters.Len() == 0 {
		heap.Remove(&d.largest, lane.index)
		delete(d.byLane, lane.name)
	}
}

// of returns how many dead letters a lane has.
func (d *deadLetters) of(lane string) int {
	if l := d.byLane[lane]; l != nil {
		return l.letters.Len()
	}
	return 0
}

func (d *deadLetters) resize(lane *deadLane, size int64) {
	d.bytes += size
	lane.bytes += size
	heap.Fix(&d.largest, lane.index)
}

// DeadLetter moves the job of l to the dead letters.
func (m *Memory) DeadLetter(_ context.Context, l Lease, reason string) error {
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	j := m.current(&l)
	if j == nil {
		return ErrLeaseLost
	}
	letter := DeadLetter{Job: j.Value, Reason: reason, Attempts: j.Attempts() + 1, First: m.set.Time(j.Began()), At: time.Now()}
	if first, ok := j.First(); ok {
		letter.First = m.set.Time(first)
	}
	m.set.Remove(j, now)
	m.ids[l.ID] = memoryID{letter: m.dead.add(letter)}
	m.evict()
	return nil
}

// evict keeps the bounds on dead letters: the oldest go if they are too many or too old, and those
// of the lane that has the most bytes if they are too large.
func (m *Memory) evict() {
	now := time.Now()
	for m.dead.all.Len() > 0 {
		n := m.dead.all.Front().Value.(*deadLetter)
		switch {
		case m.dead.all.Len() > m.opts.MaxDead || now.Sub(n.At) >= m.opts.MaxDeadAge:
		case m.dead.bytes > m.opts.MaxDeadBytes:
			n = m.dead.largest[0].letters.Front().Value.(*deadLetter)
		default:
			return
		}
		m.undead(n)
		m.dead.evicted++
	}
}

// undead takes n out of the dead letters. Its ID stays known, so that no late copy of it is taken
// for a new job.
func (m *Memory) undead(n *deadLetter) {
	m.dead.remove(n)
	m.forget(n.ID, n.number)
}

// DeadLetters lists dead letters, oldest first. It begins with the oldest if after was never one of
// them, or left too long ago to be known.
func (m *Memory) DeadLetters(_ context.Context, after string, limit int) ([]DeadLetter, error) {
	if _, err := m.begin(); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	m.evict()
	var letters []DeadLetter
	for e := m.listFrom(after); e != nil && len(letters) < limit; e = e.Next() {
		letters = append(letters, e.Value.(*deadLetter).DeadLetter)
	}
	return letters, nil
}

// listFrom returns the oldest dead letter that came after the one with this ID.
func (m *Memory) listFrom(after string) *list.Element {
	known := m.ids[after]
	if known.letter != nil {
		return known.letter.inAll.Next()
	}
	e := m.dead.all.Front()
	for e != nil && e.Value.(*deadLetter).number <= known.number {
		e = e.Next()
	}
	return e
}

// Replay puts new jobs in the places of dead letters. When one does not fit it stops, with ErrFull;
// that one and those after it stay where they are.
func (m *Memory) Replay(_ context.Context, letters []Replayed) (n int, err error) {
	now, err := m.begin()
	if err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	m.evict()
	for _, l := range letters {
		letter := m.ids[l.ID].letter
		if letter == nil {
			continue
		}
		if letter.Lane != l.Job.Lane {
			return n, fmt.Errorf("queue: replay of %q: the job is of lane %q; it must be of lane %q", l.ID, l.Job.Lane, letter.Lane)
		}
		if err := m.enqueue(&l.Job, false, now); err != nil {
			return n, fmt.Errorf("queue: replay of %q: %w", l.ID, err)
		}
		m.undead(letter)
		n++
	}
	return n, nil
}

// Discard forgets dead letters.
func (m *Memory) Discard(_ context.Context, ids []string) (n int, err error) {
	if _, err := m.begin(); err != nil {
		return 0, err
	}
	defer m.mu.Unlock()
	m.evict()
	for _, id := range ids {
		if letter := m.ids[id].letter; letter != nil {
			m.undead(letter)
			n++
		}
	}
	return n, nil
}
