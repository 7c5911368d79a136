package boltqueue

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

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
