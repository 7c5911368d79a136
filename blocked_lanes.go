package webhook

import (
	"container/heap"
	"errors"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// blockedLanes are the lanes that the queue refused. They are ordered by when they are offered
// again, and a call offers a few of them, so that ten thousand full lanes neither cost much nor
// hold up the others.
type blockedLanes struct {
	byName  map[string]*blockedLane
	heap    laneHeap       // those that are not being offered
	offered []*blockedLane // those that are
}

// blockedLane holds a lane's batches, in order, until the queue may have room for them.
type blockedLane struct {
	name     string
	batches  []*batch
	refusals int // in a row
	// batches to offer in one call: as many as were taken last, twice as many after each success
	limit   int
	offered int // in the call under way
	index   int // in the heap; -1: it is being offered

	recovered bool // while it is being offered, and since no refusal
}

const (
	// offeredLanes is how many blocked lanes a call offers. It leaves room for fresh batches.
	offeredLanes = 64

	// retryPause is the shortest wait for blocked lanes, so that one call offers many.
	retryPause = 5 * time.Millisecond
)

var (
	// fullBackoff is how to wait for a lane that is full: shortly at first, since workers empty it.
	fullBackoff = backoff{5 * time.Millisecond, time.Second}

	// failingBackoff is how to wait for a lane that has to be healthy first. In a process with
	// workers the scheduler tells when it is.
	failingBackoff = backoff{time.Second, 8 * time.Second}
)

// due takes the batches to offer now, at most limit, and returns how many bytes more the call may
// have.
func (l *blockedLanes) due(now time.Time, limit int) (batches []*batch, room int) {
	for len(l.offered) < offeredLanes && len(batches) < limit && room < enqueueBytes/2 {
		if len(l.heap) == 0 || l.heap[0].due.After(now) {
			break
		}
		lane := l.heap[0].lane
		heap.Pop(&l.heap)
		l.offered = append(l.offered, lane)
		n := min(lane.limit, len(lane.batches), limit-len(batches))
		for _, b := range lane.batches[:n] {
			room += len(b.job.Data)
		}
		lane.offered = n
		batches = append(batches, lane.batches[:n]...)
		clear(lane.batches[:n])
		lane.batches = lane.batches[n:]
	}
	return batches, enqueueBytes - room
}

// queueUp puts a fresh batch behind those of its lane, if the lane is blocked.
func (l *blockedLanes) queueUp(b *batch) bool {
	lane := l.byName[b.job.Lane]
	if lane == nil {
		return false
	}
	lane.batches = append(lane.batches, b)
	return true
}

// refusals are the batches that a call refused, by lane.
type refusals map[string]*refusal

type refusal struct {
	batches []*batch
	failing bool // the lane is refused until it is healthy
}

func (r *refusals) add(b *batch, err error) {
	if *r == nil {
		*r = refusals{}
	}
	lane := (*r)[b.job.Lane]
	if lane == nil {
		lane = &refusal{}
		(*r)[b.job.Lane] = lane
	}
	lane.batches = append(lane.batches, b)
	lane.failing = lane.failing || errors.Is(err, queue.ErrLaneFailing)
}

// block puts refused batches back at the head of their lanes, and has the lanes wait.
func (l *blockedLanes) block(refused refusals, now time.Time) {
	for name, r := range refused {
		lane := l.byName[name]
		if lane == nil {
			lane = &blockedLane{name: name, index: -1}
			l.byName[name] = lane
		}
		lane.batches = slices.Insert(lane.batches, 0, r.batches...)
		taken := lane.offered - len(r.batches)
		lane.offered = 0
		lane.limit = max(1, taken)
		if lane.recovered { // perhaps the queue refused it before that
			lane.recovered = false
			l.schedule(lane, now)
			continue
		}
		if taken > 0 {
			lane.refusals = 0 // it gets room, so it need not wait longer each time
		}
		lane.refusals++
		wait := fullBackoff
		if r.failing {
			wait = failingBackoff
		}
		l.schedule(lane, now.Add(wait.delay(lane.refusals)))
	}
}

// settle ends an offer, after block. Lanes of which nothing was refused go on at once with more;
// those that have nothing left are blocked no longer.
func (l *blockedLanes) settle(now time.Time) {
	for _, lane := range l.offered {
		if lane.index >= 0 { // refused
			continue
		}
		lane.refusals, lane.offered, lane.recovered = 0, 0, false
		lane.limit = min(2*lane.limit, enqueueJobs/2)
		if len(lane.batches) == 0 {
			delete(l.byName, lane.name)
		} else {
			l.schedule(lane, now)
		}
	}
	clear(l.offered)
	l.offered = l.offered[:0]
}

// has reports whether the batch's lane is blocked.
func (l *blockedLanes) has(b *batch) bool { return l.byName[b.job.Lane] != nil }

// recover has a lane offered at once, if it is blocked. One that is being offered is offered once
// more at once if it is refused.
func (l *blockedLanes) recover(name string, now time.Time) {
	lane := l.byName[name]
	if lane == nil {
		return
	}
	lane.refusals = 0
	if lane.index < 0 {
		lane.recovered = true
		return
	}
	l.schedule(lane, now)
}

// schedule sets when a lane is offered again.
func (l *blockedLanes) schedule(lane *blockedLane, due time.Time) {
	if lane.index >= 0 {
		l.heap[lane.index].due = due
		heap.Fix(&l.heap, lane.index)
		return
	}
	heap.Push(&l.heap, laneDue{due, lane})
}

// untilRetry returns how long to wait for blocked lanes when none is due.
func (l *blockedLanes) untilRetry(now time.Time) time.Duration {
	if len(l.heap) == 0 {
		return time.Hour
	}
	return max(l.heap[0].due.Sub(now), retryPause)
}

// laneHeap implements heap.Interface. The times are in the slice, so that comparing them touches no
// lane.
type laneHeap []laneDue

type laneDue struct {
	due  time.Time
	lane *blockedLane
}

func (h laneHeap) Len() int           { return len(h) }
func (h laneHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }

// Swap swaps two lanes.
func (h laneHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].lane.index, h[j].lane.index = i, j
}

// Push adds a lane.
func (h *laneHeap) Push(x any) {
	entry := x.(laneDue)
	entry.lane.index = len(*h)
	*h = append(*h, entry)
}

// Pop removes the last lane.
func (h *laneHeap) Pop() any {
	last := len(*h) - 1
	entry := (*h)[last]
	(*h)[last] = laneDue{}
	*h = (*h)[:last]
	entry.lane.index = -1
	return entry
}
