package flatqueue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// closeTimeout is how long Close takes at most to give parked messages back.
const closeTimeout = 2 * time.Second

var (
	_ queue.Queue       = (*Queue)(nil)
	_ queue.LaneLister  = (*Queue)(nil)
	_ queue.StatsReader = (*Queue)(nil)
)

// Queue is a queue.Queue on a flat store.
type Queue struct {
	store Store
	opts  Options

	ctx     context.Context //nolint:containedctx // of the pollers and the keeper; ends on Close
	cancel  context.CancelFunc
	running sync.WaitGroup
	kick    chan struct{} // has the keeper look
	closed  chan struct{}

	mu       sync.Mutex
	set      *lanes.Set[*message]
	byID     map[string]*message // by the store's ID
	byJob    map[string]*message // by the job's ID
	demands  map[*demand]struct{}
	received time.Duration // when Receive was called last
	asked    int           // messages that running receive calls may bring
	demanded sync.Cond     // wakes the pollers
	next     time.Duration // when the keeper looks again
	returned []Change      // messages that the keeper is to give back
	reported time.Duration // when an unreadable message was reported last
	skew     time.Duration // this process's clock less the store's

	told    *ids             // unreadable messages that were reported, by the store's ID
	taken   *ids             // jobs that the store has taken from this process
	settled *ids             // jobs that were delivered, given up or replaced
	history *recent[history] // by the store's ID
}

// New makes a queue on a store, and starts its goroutines. Close ends them.
func New(store Store, opts Options) *Queue {
	q := &Queue{
		store:    store,
		opts:     opts,
		kick:     make(chan struct{}, 1),
		closed:   make(chan struct{}),
		set:      lanes.New[*message](opts.Lease),
		byID:     make(map[string]*message),
		byJob:    make(map[string]*message),
		demands:  make(map[*demand]struct{}),
		reported: -reportPause,
		told:     newIDs(remembered),
		taken:    newIDs(remembered),
		settled:  newIDs(remembered),
		history:  newRecent[history](remembered),
	}
	q.demanded.L = &q.mu
	q.ctx, q.cancel = context.WithCancel(context.Background())
	q.running.Go(q.keep)
	for range opts.Pollers {
		q.running.Go(q.poll)
	}
	return q
}

// Traits returns what the options say.
func (q *Queue) Traits() queue.Traits {
	return queue.Traits{
		Lease:       q.opts.Lease,
		MaxJobBytes: q.opts.MaxJobBytes,
		Durable:     true,
		Ordered:     q.opts.Groups,
		OwnRetry:    q.opts.OwnRetry,
	}
}

// begin locks q and brings it up to date. Unless there is an error, the caller unlocks it.
func (q *Queue) begin() (now time.Duration, err error) {
	q.mu.Lock()
	if q.isClosed() {
		q.mu.Unlock()
		return 0, queue.ErrClosed
	}
	return q.tick(), nil
}

// tick ends what has ended. The caller holds q.mu.
func (q *Queue) tick() (now time.Duration) {
	now = q.set.Now()
	for _, j := range q.set.Tick(now) {
		q.lapse(j.Value, now)
	}
	return now
}

func (q *Queue) isClosed() bool {
	select {
	case <-q.closed:
		return true
	default:
		return false
	}
}

// Close gives back what is parked and stops the receive calls. It takes at most CloseGrace
// and about two seconds.
// Leases that are not settled end by themselves.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.isClosed() {
		q.mu.Unlock()
		q.running.Wait()
		return nil
	}
	close(q.closed)
	q.set.WakeAll()
	q.demanded.Broadcast()
	q.mu.Unlock()
	cut := time.AfterFunc(q.opts.CloseGrace, q.cancel)
	q.running.Wait()
	cut.Stop()
	q.cancel()
	return q.giveBackAll()
}

// giveBackAll gives back all parked messages.
func (q *Queue) giveBackAll() error {
	q.mu.Lock()
	now := q.set.Now()
	for _, m := range q.byID {
		if m.isParked() && m.split == nil { // a part may be under way elsewhere in this process
			q.giveBack(m, 0, now)
		}
	}
	changes := q.returned
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for _, err := range q.store.Hide(ctx, changes) {
		if err != nil && !errors.Is(err, queue.ErrLeaseLost) {
			return err
		}
	}
	return nil
}

// Stats adds what is here to what the store counts. Leased counts what any process has leased,
// parks or waits for; Held and Oldest look only at what is parked here; Bytes is not known.
func (q *Queue) Stats(ctx context.Context) (queue.Stats, error) {
	if q.isClosed() {
		return queue.Stats{}, queue.ErrClosed
	}
	n, err := q.store.Count(ctx)
	if err != nil {
		return queue.Stats{}, err
	}
	now, err := q.begin()
	if err != nil {
		return queue.Stats{}, err
	}
	defer q.mu.Unlock()
	ready, delayed := q.set.Count(lanes.Ready), q.set.Count(lanes.Delayed)
	return queue.Stats{
		Ready:       n.Visible + ready,
		Delayed:     n.Delayed + delayed,
		Leased:      max(n.Hidden-ready-delayed, 0),
		Dead:        n.Dead,
		Held:        q.set.OnHold(),
		Oldest:      q.set.Oldest(now),
		DeadDropped: n.DeadDropped,
	}, nil
}
