package boltqueue

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/queue"
)

// op is a change of the queue. The committer takes every op of a group through the three steps,
// each step for all of them before the next.
type op interface {
	// admit decides, with the index locked, what the op changes, and reserves it. It reports
	// whether anything is to be written.
	admit(x *index, now time.Duration) bool

	// write puts the change into the group's transaction.
	write(t *tables) error

	// finish makes the change visible, with the index locked. If it was not written, because of
	// err, it takes the reservation back.
	finish(x *index, now time.Duration, err error)
}

// task is an op whose caller waits.
type task struct {
	op   op
	done chan error // receives the commit's error; has room for it
}

// inbox holds the tasks that wait for the committer.
type inbox struct {
	mu      sync.Mutex
	tasks   []*task
	closed  bool
	filled  chan struct{} // has room for one
	drained chan struct{} // closed when the committer has ended
}

func newInbox() inbox {
	return inbox{filled: make(chan struct{}, 1), drained: make(chan struct{})}
}

// put adds a task, and is false if the inbox is closed.
func (b *inbox) put(t *task) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.tasks = append(b.tasks, t)
	b.notify()
	return true
}

func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.notify()
}

func (b *inbox) notify() {
	select {
	case b.filled <- struct{}{}:
	default:
	}
}

// take waits for tasks and returns all of them; none means that the inbox is closed and empty.
func (b *inbox) take() []*task {
	for {
		<-b.filled
		runtime.Gosched() // lets those whose answers have just come put what they have next
		b.mu.Lock()
		tasks, closed := b.tasks, b.closed
		b.tasks = nil
		if closed {
			b.notify()
		}
		b.mu.Unlock()
		if len(tasks) > 0 || closed {
			return tasks
		}
	}
}

// run is the committer.
func (q *Queue) run() {
	defer close(q.inbox.drained)
	for {
		tasks := q.inbox.take()
		if len(tasks) == 0 {
			return
		}
		err := q.commit(tasks)
		for _, t := range tasks {
			t.done <- err
		}
	}
}

// commit takes a group of ops through its steps.
func (q *Queue) commit(tasks []*task) error {
	t := q.admit(tasks)
	var err error
	if len(t.ops) > 0 {
		err = q.update(t.write)
		q.index.values.reset()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.index.tick()
	t.apply(err)
	if err != nil {
		slices.Reverse(tasks) // what was reserved last is taken back first
	}
	for _, task := range tasks {
		task.op.finish(q.index, now, err)
	}
	return err
}

// admit admits the ops in the order of the calls.
func (q *Queue) admit(tasks []*task) *tables {
	q.mu.Lock()
	defer q.mu.Unlock()
	x := q.index
	now := x.tick()
	x.setClock()
	t := x.tables(&q.opts)
	if ended := (&noteOp{entries: x.ended}); ended.admit(x, now) {
		t.ops, x.ended = append(t.ops, ended), nil
	}
	for _, task := range tasks {
		if task.op.admit(x, now) {
			t.ops = append(t.ops, task.op)
		}
	}
	if len(t.ops) > 0 {
		t.evicted = x.dead.evict(&q.opts, now)
		t.planLanes(now)
	}
	return t
}

// do has an op committed. If ctx ends before that, the op happens nevertheless.
func (q *Queue) do(ctx context.Context, o op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &task{op: o, done: make(chan error, 1)}
	if !q.inbox.put(t) {
		return queue.ErrClosed
	}
	select {
	case err := <-t.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-q.store.broken:
		return q.fileError("write", q.store.damage())
	}
}

// tables is the transaction of a group, and what it changes in the index if it succeeds. Only the
// committer has one, and only it changes markers and dead letters, so it may read those without the
// lock.
type tables struct {
	x    *index
	opts *Options
	ops  []op

	tx      *bbolt.Tx
	buckets struct{ meta, jobs, progress, dead, acked, lanes *bbolt.Bucket } // those in use

	settled []settledJob  // jobs that leave
	purged  bool          // they, and those that have left before, were deleted
	marked  []marker      // IDs to remember
	unmark  int           // groups of markers to evict
	markKey uint64        // of the group of markers that is written
	evicted []*deadLetter // dead letters to evict
	lanes   []laneWrite
}

func (x *index) tables(opts *Options) *tables { return &tables{x: x, opts: opts} }

// write writes the group.
func (t *tables) write(tx *bbolt.Tx) error {
	t.tx = tx
	for _, o := range t.ops {
		if err := o.write(t); err != nil {
			return err
		}
	}
	if err := t.evictDead(); err != nil {
		return err
	}
	if err := t.writeLanes(); err != nil {
		return err
	}
	if err := t.writeSettled(); err != nil {
		return err
	}
	return t.writeMarkers()
}

// The buckets. One is looked for when it is first used: most groups use three of them.
func (t *tables) meta() *bbolt.Bucket       { return t.bucket(&t.buckets.meta, metaBucket, 0) }
func (t *tables) jobs() *bbolt.Bucket       { return t.bucket(&t.buckets.jobs, jobsBucket, 1) }
func (t *tables) progress() *bbolt.Bucket   { return t.bucket(&t.buckets.progress, progressBucket, 0) }
func (t *tables) dead() *bbolt.Bucket       { return t.bucket(&t.buckets.dead, deadBucket, 1) }
func (t *tables) acked() *bbolt.Bucket      { return t.bucket(&t.buckets.acked, ackedBucket, 1) }
func (t *tables) laneStates() *bbolt.Bucket { return t.bucket(&t.buckets.lanes, lanesBucket, 0) }

// bucket returns a bucket. One that grows at its end has its pages filled up.
func (t *tables) bucket(b **bbolt.Bucket, name string, fill float64) *bbolt.Bucket {
	if *b == nil {
		*b = t.tx.Bucket([]byte(name))
		if fill > 0 {
			(*b).FillPercent = fill
		}
	}
	return *b
}

// putJob writes a new job.
func (t *tables) putJob(e *entry, job *queue.Job) error {
	r := record{
		id: job.ID, lane: job.Lane, ordered: job.Ordered, span: e.Value.span, enqueued: t.x.unix(e.Enqueued()),
	}
	value := append(r.append(t.x.values.room(r.len()+len(job.Data))), job.Data...)
	if err := t.jobs().Put(key(e.Value.seq), value); err != nil {
		return err
	}
	if p := t.x.progress(e); p != (progress{}) {
		return t.progress().Put(key(e.Value.seq), p.encode())
	}
	return nil
}

// noteProgress rewrites a job's progress, unless that changes nothing.
func (t *tables) noteProgress(seq uint64, p progress) error {
	k := key(seq)
	switch old := decodeProgress(t.progress().Get(k)); {
	case old == p, t.jobs().Get(k) == nil:
		return nil
	case p == progress{}:
		return t.progress().Delete(k)
	}
	return t.progress().Put(k, p.encode())
}

// noteAll rewrites the progress of jobs.
func (t *tables) noteAll(notes []note) error {
	for _, n := range notes {
		if err := t.noteProgress(n.seq, n.progress); err != nil {
			return err
		}
	}
	return nil
}

// deleteJob deletes what the file has of a job.
func (t *tables) deleteJob(seq uint64) error {
	k := key(seq)
	if err := t.jobs().Delete(k); err != nil {
		return err
	}
	return t.progress().Delete(k)
}

// apply makes the index agree with the file after a group was written, or was not because of err.
func (t *tables) apply(err error) {
	t.applyLanes(err)
	t.applyEvicted(err)
	t.applySettled(err)
	if err == nil {
		t.applyMarkers()
	}
}

// values is memory for what the jobs of a group are written from. A transaction needs it until it
// ends, so that the next one can have it again: of large jobs that halves what there is to collect.
type values struct {
	rest  []byte // of the block
	block []byte
}

// The sizes of a block.
const (
	minValues = 16 << 10
	maxValues = 4 << 20
)

// reset has the memory used again.
func (v *values) reset() { v.rest = v.block }

// room returns an empty slice with room for n bytes. It is valid until reset.
func (v *values) room(n int) []byte {
	if n > len(v.rest) {
		v.block = make([]byte, min(maxValues, max(minValues, 2*len(v.block))))
		if v.rest = v.block; n > len(v.rest) {
			return make([]byte, 0, n)
		}
	}
	b := v.rest[:0:n]
	v.rest = v.rest[n:]
	return b
}
