package sqsqueue

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pushhooks/webhook/internal/flatqueue"
	"github.com/pushhooks/webhook/queue"
)

var (
	_ queue.Queue       = (*Queue)(nil)
	_ queue.DeadLetters = (*Queue)(nil)
	_ queue.LaneLister  = (*Queue)(nil)
	_ queue.StatsReader = (*Queue)(nil)
)

// Queue is a queue on Amazon SQS: a [queue.Queue] with [queue.DeadLetters], [queue.LaneLister] and
// [queue.StatsReader]. Make one with New. It is safe for concurrent use.
type Queue struct {
	*engine
	store   *store
	looking chan struct{} // has an entry during a look at the dead letters
	walks   walks         // through them; guarded by looking
	closed  atomic.Bool
}

// engine gives SQS lanes.
type engine = flatqueue.Queue

// store is SQS as package flatqueue needs it.
type store struct {
	client  Client
	opts    Options
	url     string
	deadURL string       // "" without a dead-letter queue
	maxSize int          // of a message, as SQS counts it
	dropped atomic.Int64 // dead letters that had nowhere to go

	basicOnly atomic.Bool // the server is an emulator that refuses characters beyond U+FFFF
}

// closeGrace is for receive calls that are about to return when the queue is closed. One that is
// cut short may have taken messages.
const closeGrace = 200 * time.Millisecond

// closeLimit is how long Close waits for a look at the dead letters, or gives them back.
const closeLimit = 2 * time.Second

func newQueue(client Client, opts Options, r resolved) *Queue {
	s := &store{client: client, opts: opts, url: r.url, deadURL: r.deadURL, maxSize: r.maxSize}
	return &Queue{store: s, looking: make(chan struct{}, 1), engine: flatqueue.New(s, flatqueue.Options{
		Lease:       opts.VisibilityTimeout,
		MaxHidden:   maxVisibility,
		Wait:        opts.WaitTime,
		CloseGrace:  closeGrace,
		Groups:      opts.FIFO,
		OwnRetry:    !opts.RetryBackoff,
		MaxJobBytes: r.maxSize - deadRoom - attributeRoom,
		Pollers:     opts.Pollers,
		Batch:       opts.MaxMessages,
		ParkedJobs:  opts.ParkedJobs,
		ParkedBytes: opts.ParkedBytes,
	})}
}

// Close gives back what is parked and stops the receive calls. It takes at most about two seconds.
// Leases that are not settled end with their visibility timeout, and a look at the dead letters
// that is under way gives back what it has received.
func (q *Queue) Close() error {
	if q.closed.Swap(true) {
		return q.engine.Close()
	}
	var group errgroup.Group
	group.Go(q.engine.Close)
	group.Go(func() error {
		q.closeWalks()
		return nil
	})
	return group.Wait()
}

// closeWalks ends the listings, unless a look at the dead letters takes too long.
func (q *Queue) closeWalks() {
	select {
	case q.looking <- struct{}{}:
		defer q.endLook()
		q.walks.giveBack(closeLimit)
	case <-time.After(closeLimit):
	}
}

// Receive makes one receive call.
func (s *store) Receive(ctx context.Context, n int) ([]flatqueue.Message, error) {
	out, err := s.receive(ctx, s.url, n, s.opts.WaitTime, s.opts.VisibilityTimeout)
	if err != nil {
		return nil, err
	}
	messages := make([]flatqueue.Message, len(out))
	for i, raw := range out {
		m, err := received(raw)
		if err != nil {
			m.Job.Job = foreign(raw)
			if s.deadURL == "" { // it would be deleted, unread
				m.Unreadable = err
			}
		}
		messages[i] = m
	}
	return messages, nil
}

// Hide sets visibility timeouts.
func (s *store) Hide(ctx context.Context, changes []flatqueue.Change) []error {
	return s.changeVisibility(ctx, s.url, changes)
}

// Delete deletes messages.
func (s *store) Delete(ctx context.Context, handles []string) []error {
	return s.deleteMessages(ctx, s.url, handles)
}
