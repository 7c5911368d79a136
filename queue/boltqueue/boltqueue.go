// Package boltqueue is a queue in one file, for a host that has no server to keep its jobs: what
// Enqueue has accepted is on the disk and survives SIGKILL and the loss of power.
//
// The file is a bbolt database. It belongs to one process at a time; a second one is refused by
// [Open]. It never shrinks: the room of settled jobs is used again, so its size is that of the longest backlog
// it ever held. It holds jobs, IDs and the reasons of dead letters, and nothing secret.
//
// # Writes
//
// All writes are made by one goroutine. It commits what has gathered in one transaction, synced to
// the disk, and then answers every caller. A lone caller is committed at once; many callers share a commit, so
// that the disk's latency is paid once for all of them.
//
// # Leases
//
// Leases are kept in memory. When the process is killed, every job that it had leased is ready again when the file is
// opened. The leases that were cut off are not counted as attempts the first time, because nobody wrote down which they
// were. After a crash the jobs that the file held are suspects: Receive writes their
// lease as an attempt before it hands them out, so a job that kills its process every time is counted
// from the second time on and does not go round for ever. Close counts the leases that it ends.
//
// # Memory
//
// For each job about 130 bytes are kept in memory, so a million take 130 MB. Its Data is read from the file when it is
// received, unless it is among the 16 MiB that were enqueued lately. Open rebuilds the index from the
// jobs' records, without reading their Data; that took 2.5 to 3.2 seconds for a million jobs where it was measured.
package boltqueue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/pushhooks/webhook/queue"
)

// Options configures a [Queue]. The zero value of every field is its default; a negative one is an error.
type Options struct {
	// Lease is how long a lease lasts from Receive, and again from each Extend. Defaults to 30 seconds.
	Lease time.Duration

	// MaxJobs bounds the jobs that are ready, delayed or leased. Defaults to 1,000,000.
	MaxJobs int

	// MaxBytes bounds the Data of those jobs. The file is somewhat larger. Defaults to 4 GiB.
	MaxBytes int64

	// MaxDead bounds the number of dead letters. Defaults to 10,000.
	MaxDead int

	// MaxDeadAge is how long dead letters are kept. Defaults to 7 days.
	MaxDeadAge time.Duration

	// Markers is how many IDs of settled jobs are remembered, so that a late copy of one is not taken for a
	// new job. Defaults to 100,000.
	Markers int

	maxFile int // bytes, for tests: makes the disk full
}

// maxData is how much Data a job may have.
const maxData = math.MaxInt32 / 2

func (o Options) withDefaults() Options {
	setDefault(&o.Lease, 30*time.Second)
	setDefault(&o.MaxJobs, 1_000_000)
	setDefault(&o.MaxBytes, 4<<30)
	setDefault(&o.MaxDead, 10_000)
	setDefault(&o.MaxDeadAge, 7*24*time.Hour)
	setDefault(&o.Markers, 100_000)
	return o
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// validate names the first field that cannot be used.
func (o Options) validate() error {
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"Lease", int64(o.Lease)},
		{"MaxJobs", int64(o.MaxJobs)},
		{"MaxBytes", o.MaxBytes},
		{"MaxDead", int64(o.MaxDead)},
		{"MaxDeadAge", int64(o.MaxDeadAge)},
		{"Markers", int64(o.Markers)},
	} {
		if field.value < 0 {
			return fmt.Errorf("boltqueue: Options.%s is %d; it must be positive, or 0 for its default", field.name, field.value)
		}
	}
	return nil
}

// Queue is a queue in a file. It keeps every rule of [queue.Queue], order, dead letters and statistics
// included. Its lanes share the room as those of [queue.Memory] do: one alone cannot fill it.
type Queue struct {
	opts  Options
	path  string
	db    *bbolt.DB
	inbox inbox

	mu    sync.Mutex
	index *index

	closing sync.Once
	closed  error // of Close
}

var (
	_ queue.Queue       = (*Queue)(nil)
	_ queue.DeadLetters = (*Queue)(nil)
	_ queue.StatsReader = (*Queue)(nil)
)

// Traits returns the lease's duration, and that the queue is durable and ordered.
func (q *Queue) Traits() queue.Traits {
	return queue.Traits{Lease: q.opts.Lease, Durable: true, Ordered: true}
}

// begin locks the index and brings it up to date. Unless there is an error, end unlocks it.
func (q *Queue) begin() (*index, error) {
	q.mu.Lock()
	if q.index.closed {
		q.mu.Unlock()
		return nil, queue.ErrClosed
	}
	q.index.tick()
	return q.index, nil
}

// end unlocks the index, and has the leases that ended written as attempts.
func (q *Queue) end() {
	defer q.mu.Unlock()
	x := q.index
	if len(x.lapsed) > 0 && q.inbox.put(&task{op: &noteOp{entries: x.lapsed}, done: make(chan error, 1)}) {
		x.lapsed = nil
	}
}

// Stats counts the jobs. It looks at every lane for the oldest job.
func (q *Queue) Stats(ctx context.Context) (queue.Stats, error) {
	if err := q.dropOld(ctx); err != nil {
		return queue.Stats{}, err
	}
	x, err := q.begin()
	if err != nil {
		return queue.Stats{}, err
	}
	defer q.end()
	s := queue.Stats{
		Ready:       x.count[ready],
		Delayed:     x.count[delayed],
		Leased:      x.count[leased] + x.count[settling],
		Dead:        len(x.dead),
		Bytes:       x.bytes,
		DeadDropped: x.dropped,
	}
	if at := x.oldest(); at != 0 {
		s.Oldest = max(0, time.Since(unixTime(at)))
	}
	return s, nil
}

// Close ends the leases, which counts them, and closes the file. Calls that are being committed finish first.
func (q *Queue) Close() error {
	q.closing.Do(func() { q.closed = q.close() })
	return q.closed
}

func (q *Queue) close() error {
	q.mu.Lock()
	q.index.closed = true
	q.index.wake()
	q.mu.Unlock()
	q.inbox.close()
	<-q.inbox.drained
	return errors.Join(q.update(q.markClosed), q.fileError("close", q.db.Close()))
}

// view runs a transaction that reads.
func (q *Queue) view(f func(tx *bbolt.Tx) error) error {
	return q.fileError("read", guard(func() error { return q.db.View(f) }))
}

// update runs a transaction that writes.
func (q *Queue) update(f func(tx *bbolt.Tx) error) error {
	return q.fileError("write", guard(func() error { return q.db.Update(f) }))
}

// fileError says which file an error is about. A closed file is a closed queue.
func (q *Queue) fileError(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return queue.ErrClosed
	}
	return fmt.Errorf("boltqueue: %s %s: %w", doing, q.path, err)
}
