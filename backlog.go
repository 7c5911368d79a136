package webhook

import (
	"sync"
	"sync/atomic"
	"time"
)

// backlog has workers give way to the hand-over: before each attempt they wait a little while the
// outbox has more fresh batches than a call to the queue takes. The hand-over and the deliveries
// share this host's cores, and what is late should wait in the queue, which outlives this process.
type backlog struct {
	fresh atomic.Int64 // batches that were cut and not yet offered to the queue, or are offered now
	away  atomic.Bool  // the last call to the queue failed: giving way is no use

	mu       sync.Mutex
	relieved chan struct{} // closed when workers may go on; nil if none waits
}

const (
	// backlogLimit is how many fresh batches have workers give way.
	backlogLimit = enqueueJobs

	// giveWayTime is the longest that a worker waits before an attempt, so that deliveries go on
	// even if the queue takes less than is emitted.
	giveWayTime = 20 * time.Millisecond
)

// add counts a batch that was cut.
func (b *backlog) add() { b.fresh.Add(1) }

// offered notes that the queue has answered for n batches, or that they have joined their lanes'
// blocked ones.
func (b *backlog) offered(n int) {
	if b.fresh.Add(-int64(n)) < backlogLimit {
		b.relieve()
	}
}

// setAway notes whether the queue is away.
func (b *backlog) setAway(away bool) {
	if b.away.Load() == away {
		return
	}
	b.away.Store(away)
	if away {
		b.relieve()
	}
}

func (b *backlog) relieve() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.relieved != nil {
		close(b.relieved)
		b.relieved = nil
	}
}

func (b *backlog) high() bool { return b.fresh.Load() >= backlogLimit && !b.away.Load() }

// giveWay waits while the backlog is high, at most giveWayTime.
func (b *backlog) giveWay() {
	if !b.high() {
		return
	}
	b.mu.Lock()
	if !b.high() {
		b.mu.Unlock()
		return
	}
	if b.relieved == nil {
		b.relieved = make(chan struct{})
	}
	relieved := b.relieved
	b.mu.Unlock()
	timer := time.NewTimer(giveWayTime)
	defer timer.Stop()
	select {
	case <-relieved:
	case <-timer.C:
	}
}
