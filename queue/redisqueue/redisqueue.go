package redisqueue

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/queue"
)

var (
	_ queue.Queue       = (*Queue)(nil)
	_ queue.DeadLetters = (*Queue)(nil)
	_ queue.StatsReader = (*Queue)(nil)
	_ queue.LaneLister  = (*Queue)(nil)
)

// Queue is a queue in Redis. It implements queue.Queue, queue.DeadLetters, queue.StatsReader and
// queue.LaneLister, and is safe for concurrent use.
type Queue struct {
	client  redis.UniversalClient
	opts    Options
	channel string // where receivers are woken
	parts   []*partition

	name  string        // unique to this Queue: how its tokens begin
	calls atomic.Uint64 // numbers its tokens
	turn  atomic.Uint64 // the partition and the ring that a look begins with
	kept  kept          // what came too late for its Receive
	rate  rate          // of the link to Redis

	unread     atomic.Pointer[error] // to be returned by a Receive
	maintained atomic.Int64          // when maintain ran last, Unix ns
	swept      atomic.Int64          // when it forgot old lanes last
	wakeups    wakeups
	listen     sync.Once
	crew       crew
	loans      loans
	batchBytes batchBytes

	life   context.Context //nolint:containedctx // ends at Close
	end    context.CancelFunc
	mu     sync.Mutex // held to start work, so that none starts after Close
	closed bool
	work   sync.WaitGroup
}

const (
	clusterPartitions = 16
	closeTimeout      = 5 * time.Second
)

// New opens the queue that client and opts name, and stores its layout if it is the first. It fails
// if an option is wrong, if Redis does not answer or is of another kind than the client (a node of
// a cluster, or a Sentinel), if the Redis user lacks a permission, or if the queue in Redis has
// another layout version or number of partitions.
//
// client stays the caller's, who closes it after the Queue. Its timeouts apply.
func New(ctx context.Context, client redis.UniversalClient, opts Options) (*Queue, error) {
	if client == nil {
		return nil, errors.New("redisqueue: client is nil")
	}
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	name := make([]byte, 6)
	_, _ = rand.Read(name)
	q := &Queue{client: client, opts: opts, channel: opts.Prefix + "wake", name: base64.RawURLEncoding.EncodeToString(name)}
	q.life, q.end = context.WithCancel(context.Background())
	if err := q.open(ctx); err != nil {
		q.end()
		q.crew.end()
		return nil, err
	}
	return q, nil
}

func (q *Queue) open(ctx context.Context) error {
	n := q.opts.Partitions
	if n == 0 {
		n = 1
		if _, ok := q.client.(cluster); ok {
			n = clusterPartitions
		}
	}
	stored, err := await(ctx, q, func() (int, error) {
		if err := q.checkMode(ctx); err != nil {
			return 0, err
		}
		q.parts = newPartitions(q.opts.Prefix, n) // as many as there are probably
		if err := q.checkPermissions(ctx); err != nil {
			return 0, err
		}
		return q.stored(ctx, n)
	})
	if err != nil {
		return err
	}
	if q.opts.Partitions != 0 && stored != q.opts.Partitions {
		return fmt.Errorf("redisqueue: Options.Partitions is %d, but the queue %q in Redis has %d: "+
			"use that number, leave it out, or take another Prefix", q.opts.Partitions, q.opts.Prefix, stored)
	}
	q.parts = newPartitions(q.opts.Prefix, stored)
	return nil
}

// layout is the version of what stands in Redis. A store of another version is refused.
const layout = 3

// layoutText is what the key space records.
const layoutText = "layout %d, partitions %d"

// stored returns the number of partitions that is stored in Redis, which is n if there was none. It
// fails if the layout there is not ours. Version 1 stored the number alone.
func (q *Queue) stored(ctx context.Context, n int) (int, error) {
	key := q.opts.Prefix + "partitions"
	text, err := q.client.Eval(ctx, layoutLua, []string{key}, fmt.Sprintf(layoutText, layout, n)).Text()
	if isDenied(err) {
		return 0, q.denied(fmt.Sprintf("EVAL, GET or SET on the key %s (%v)", key, err))
	}
	if err != nil {
		q.reload(ctx, err)
		return 0, fmt.Errorf("redisqueue: read the layout, key %q: %w", key, explain(err))
	}
	var version, stored int
	if _, err := strconv.Atoi(text); err == nil {
		version = 1
	} else if _, err := fmt.Sscanf(text, layoutText, &version, &stored); err != nil && version == 0 {
		return 0, fmt.Errorf("redisqueue: %s in Redis is %q: it must be like %q", key, text, fmt.Sprintf(layoutText, layout, 1))
	}
	if version != layout {
		return 0, fmt.Errorf("redisqueue: the queue %q in Redis has layout version %d, and this program needs version %d: "+
			"let a program of the other version drain the queue and delete its keys, or take another Prefix",
			q.opts.Prefix, version, layout)
	}
	if stored < 1 || stored > maxPartitions {
		return 0, fmt.Errorf("redisqueue: %s in Redis is %q: the partitions must be between 1 and %d", key, text, maxPartitions)
	}
	return stored, nil
}

// checkLayout stores the layout again in case the server has lost it, and checks that it is still
// ours.
func (q *Queue) checkLayout(ctx context.Context) error {
	stored, err := q.stored(ctx, len(q.parts))
	if err == nil && stored != len(q.parts) {
		err = fmt.Errorf("redisqueue: the queue %q has %d partitions here, but %d in Redis", q.opts.Prefix, len(q.parts), stored)
	}
	return err
}

// Traits returns the driver's constant facts.
func (q *Queue) Traits() queue.Traits {
	return queue.Traits{
		Lease:       q.opts.Lease,
		MaxJobBytes: q.opts.MaxJobBytes,
		Durable:     true,
		SharedLanes: true,
		Ordered:     !q.opts.AtMostOnce,
		AtMostOnce:  q.opts.AtMostOnce,
	}
}

// Close ends what waits in the queue and stops its goroutines. It waits for calls that Redis has
// not answered, a few seconds at most. The client stays open.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.end()
	q.crew.end()
	done := make(chan struct{})
	go func() {
		q.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeTimeout):
	}
	return nil
}

// begin starts a piece of work that Close waits for, unless the queue is closed. The caller calls
// q.work.Done.
func (q *Queue) begin() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return queue.ErrClosed
	}
	q.work.Add(1)
	return nil
}

// alive returns ErrClosed once the queue is closed.
func (q *Queue) alive() error {
	if q.life.Err() != nil {
		return queue.ErrClosed
	}
	return nil
}

// await runs call and leaves it behind when ctx ends, since a client that reads an answer does not
// notice.
func await[T any](ctx context.Context, q *Queue, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if err := q.begin(); err != nil {
		return none, err
	}
	answers := make(chan answer, 1)
	q.crew.run(func() {
		defer q.work.Done()
		value, err := call()
		answers <- answer{value, err}
	})
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
