package sqsqueue

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// How much this process remembers, and how long Close takes at most.
const (
	remembered = 50_000 // job ids, at least

	closeGrace   = 200 * time.Millisecond // for receive calls that are about to return
	closeTimeout = 2 * time.Second        // for giving parked messages back
)

var (
	_ queue.Queue       = (*Queue)(nil)
	_ queue.DeadLetters = (*Queue)(nil)
	_ queue.StatsReader = (*Queue)(nil)
)

// Queue is a queue on Amazon SQS. Make one with New. It is safe for concurrent use.
type Queue struct {
	client  Client
	opts    Options
	url     string
	deadURL string // "" without a dead-letter queue
	maxSize int    // of a message, as SQS counts it

	ctx    context.Context // of the receive calls and the keeper; ends on Close
	cancel context.CancelFunc
	wg     sync.WaitGroup
	kick   chan struct{} // tells the keeper that something is due earlier
	closed chan struct{}

	looking sync.Mutex // one look at the dead letters at a time

	mu        sync.Mutex
	park      *park
	waiting   map[*waiter]struct{}
	received  time.Time            // when Receive was called last
	asked     int                  // messages that running receive calls may bring
	polls     int                  // receive calls that run
	changed   chan struct{}        // closed and replaced when there may be something to take or to poll
	taken     *seen                // ids of jobs that SQS has taken from this process
	acked     *seen                // ids of jobs that were delivered
	offset    *seen                // by message id: attempts that SQS counts too few or, below 0, too many
	fresh     *seen                // by message id: receives of a message that was never more than parked or released
	putOff    map[string]time.Time // lanes with jobs for others, until when
	dropped   int64                // dead letters that had nowhere to go
	prefix    string               // of receipts
	lastLease uint64
}

func newQueue(client Client, opts Options, r resolved) *Queue {
	q := &Queue{
		client:  client,
		opts:    opts,
		url:     r.url,
		deadURL: r.deadURL,
		maxSize: r.maxSize,
		kick:    make(chan struct{}, 1),
		closed:  make(chan struct{}),
		park:    newPark(),
		waiting: make(map[*waiter]struct{}),
		changed: make(chan struct{}),
		taken:   newSeen(remembered),
		acked:   newSeen(remembered),
		offset:  newSeen(remembered),
		fresh:   newSeen(remembered),
		putOff:  make(map[string]time.Time),
		prefix:  rand.Text() + "-",
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.wg.Go(q.keep)
	for range opts.Receivers {
		q.wg.Go(q.poll)
	}
	return q
}

// Traits implements queue.Queue.
func (q *Queue) Traits() queue.Traits {
	return queue.Traits{
		Lease:    q.opts.VisibilityTimeout,
		Durable:  true,
		Ordered:  q.opts.FIFO,
		OwnRetry: !q.opts.RetryBackoff,
	}
}

// Close gives back what is parked and stops the receive calls. It takes at most about
// two seconds. Leases that are not settled end with their visibility timeout.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.isClosed() {
		q.mu.Unlock()
		q.wg.Wait()
		return nil
	}
	close(q.closed)
	q.broadcast()
	q.mu.Unlock()
	q.awaitPolls()
	q.cancel()
	q.wg.Wait()
	return q.giveBackParked()
}

// awaitPolls gives running receive calls a moment: one that is cancelled may have
// taken messages, which nobody sees then until their visibility timeout ends.
func (q *Queue) awaitPolls() {
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	for {
		q.mu.Lock()
		polls, changed := q.polls, q.changed
		q.mu.Unlock()
		if polls == 0 {
			return
		}
		select {
		case <-changed:
		case <-grace.C:
			return
		}
	}
}

func (q *Queue) giveBackParked() error {
	q.mu.Lock()
	parked := q.park.parked()
	changes := q.letGo(parked)
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for _, err := range q.changeVisibility(ctx, q.url, changes) {
		if err != nil && !errors.Is(err, queue.ErrLeaseLost) {
			return err
		}
	}
	return nil
}

// letGo forgets parked messages and returns the changes that make them visible again. The
// caller holds q.mu.
func (q *Queue) letGo(messages []*message) []visibility {
	changes := make([]visibility, len(messages))
	for i, m := range messages {
		changes[i] = visibility{m: m, handle: m.handle}
		q.unlease(m)
		q.park.forget(m)
	}
	return changes
}

// unlease notes that the receive of a parked message leaves no trace in the leases that follow. The
// caller holds q.mu.
func (q *Queue) unlease(m *message) {
	q.uncount(m)
	if m.first.IsZero() {
		q.fresh.set(m.id, m.receives)
	}
}

// uncount notes that a receive of the message, which SQS counts, was not an attempt. Another
// process can't know. The caller holds q.mu.
func (q *Queue) uncount(m *message) {
	q.offset.set(m.id, q.offset.get(m.id)-1)
}

func (q *Queue) isClosed() bool {
	select {
	case <-q.closed:
		return true
	default:
		return false
	}
}

// broadcast wakes everybody who waits for a change. The caller holds q.mu.
func (q *Queue) broadcast() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// wakeKeeper makes the keeper look at what is due.
func (q *Queue) wakeKeeper() {
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// receipt makes a receipt that no other lease has. The caller holds q.mu.
func (q *Queue) receipt() string {
	q.lastLease++
	return q.prefix + strconv.FormatUint(q.lastLease, 36)
}

// current returns the message of a receipt whose lease lasts, or nil. The caller holds q.mu.
func (q *Queue) current(receipt string, now time.Time) *message {
	m := q.park.leases[receipt]
	if m == nil || !m.until.After(now) {
		return nil
	}
	return m
}
