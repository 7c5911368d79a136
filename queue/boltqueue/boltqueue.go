package boltqueue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// Queue is a queue in a file. It keeps every rule of [queue.Queue], order, dead letters, lane lists
// and statistics included. Its lanes share the room as those of [queue.Memory] do: none can fill it
// alone.
type Queue struct {
	opts  Options
	path  string
	store *store
	inbox inbox

	mu    sync.Mutex
	index *index

	closing sync.Once
	closed  error // of Close
}

var (
	_ queue.Queue       = (*Queue)(nil)
	_ queue.DeadLetters = (*Queue)(nil)
	_ queue.LaneLister  = (*Queue)(nil)
	_ queue.StatsReader = (*Queue)(nil)
)

// Traits returns the lease's duration, the largest job, and that the queue is durable and ordered
// and keeps its lanes' state.
func (q *Queue) Traits() queue.Traits {
	return queue.Traits{
		Lease: q.opts.Lease, MaxJobBytes: int(q.opts.maxJob()), Durable: true, SharedLanes: true, Ordered: true,
	}
}

// begin locks the index and brings it up to date. Unless there is an error, the caller calls end.
func (q *Queue) begin() (x *index, now time.Duration, err error) {
	q.mu.Lock()
	if q.index.closed {
		q.mu.Unlock()
		return nil, 0, queue.ErrClosed
	}
	return q.index, q.index.tick(), nil
}

// end unlocks the index, and has the leases that ended written as attempts.
func (q *Queue) end() {
	defer q.mu.Unlock()
	x := q.index
	if len(x.ended) > 0 && q.inbox.put(&task{op: &noteOp{entries: x.ended}, done: make(chan error, 1)}) {
		x.ended = nil
	}
}

// Stats counts the jobs. It looks at every lane for the oldest job.
func (q *Queue) Stats(ctx context.Context) (queue.Stats, error) {
	if err := q.dropOld(ctx); err != nil {
		return queue.Stats{}, err
	}
	x, now, err := q.begin()
	if err != nil {
		return queue.Stats{}, err
	}
	defer q.end()
	_, size := x.set.Jobs()
	return queue.Stats{
		Ready:       x.set.Count(lanes.Ready),
		Delayed:     x.set.Count(lanes.Delayed),
		Leased:      x.set.Count(lanes.Leased) + x.set.Count(lanes.Settling),
		Dead:        len(x.dead.byID),
		Held:        x.set.OnHold(),
		Oldest:      x.set.Oldest(now),
		Bytes:       size,
		DeadDropped: x.dead.evicted,
	}, nil
}

// Close ends the leases, which counts them, and closes the file. Calls that are being committed
// finish first.
func (q *Queue) Close() error {
	q.closing.Do(func() { q.closed = q.close() })
	return q.closed
}

func (q *Queue) close() error {
	q.mu.Lock()
	q.index.closed = true
	q.index.set.WakeAll()
	q.mu.Unlock()
	q.inbox.close()
	select {
	case <-q.inbox.drained:
	case <-q.store.broken: // the committer may wait for a lock that nobody gives back
	}
	return errors.Join(q.update(q.markClosed), q.fileError("close", q.store.close()))
}

// markClosed writes that the file is closed, and counts the leases that end with it.
func (q *Queue) markClosed(tx *bbolt.Tx) error {
	x := q.index
	x.setClock()
	t := x.tables(&q.opts)
	t.tx = tx
	now := x.set.Now()
	t.planLanes(now)
	ended := append(x.ended, x.set.Tick(now+q.opts.Lease)...)
	for _, e := range ended {
		if e.State() == lanes.Gone {
			continue
		}
		if err := t.noteProgress(e.Value.seq, x.progress(e)); err != nil {
			return err
		}
	}
	return errors.Join(t.writeLanes(), t.meta().Put([]byte(closedKey), []byte("yes")))
}

// view runs a transaction that reads.
func (q *Queue) view(f func(tx *bbolt.Tx) error) error {
	return q.fileError("read", q.store.view(f))
}

// update runs a transaction that writes.
func (q *Queue) update(f func(tx *bbolt.Tx) error) error {
	return q.fileError("write", q.store.update(f))
}

// fileError adds the file's name to an error. A closed file is a closed queue.
func (q *Queue) fileError(operation string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return queue.ErrClosed
	}
	return fmt.Errorf("boltqueue: %s %s: %w", operation, q.path, err)
}
