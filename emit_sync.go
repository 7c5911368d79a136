package webhook

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pushhooks/webhook/queue"
)

// EmitSync is EmitWait for producers that must know that their events are safe. It returns nil when
// the queue of every matching webhook has taken all of the events; from then on they are as durable
// as the queue, and killing this process loses none. It waits for room as EmitWait does, and then
// until each event's batch is cut and handed over, which takes Batching.Duration and a call to the
// queue. Goroutines that call it at the same time share batches.
//
// The error is a *[queue.BatchError], which holds the reason for each event that a webhook's queue
// has not taken, by its index in events: an error of EmitWait, ErrOverflow if the event was dropped
// for a failing webhook, queue.ErrTooLarge, ErrClosed if the emitter ended before the hand-over, or
// ctx's error if ctx did; errors.Is finds them. Its text names the first one. After ErrClosed and
// ctx's error the queue may have the event, or get it later, and other webhooks of the event may
// get it in all cases.
//
// EmitSync does not wait for events that Options.Debounce or CountInterval hold back. Like EmitWait
// it must not be called from a Trace function, from middleware or from a sender.
func (e *Emitter) EmitSync(ctx context.Context, events ...Event) error {
	receipts := make([]*receipt, len(events))
	for i := range events {
		receipts[i] = newReceipt()
		receipts[i].done(e.emit(&events[i], emitMode{ctx: ctx, receipt: receipts[i]}))
	}
	var failed *queue.BatchError
	for i, r := range receipts {
		if err := r.wait(ctx, e.ended); err != nil {
			failed = failed.Fail(i, err)
		}
	}
	if failed == nil {
		return nil
	}
	return fmt.Errorf("webhook: not all of %d events were handed over: %w", len(events), failed)
}

// receipt tells when the queue has taken an event for all of its webhooks.
type receipt struct {
	taken chan struct{} // closed when nothing is missing

	mu      sync.Mutex
	missing int // batches that the queue has not got, and 1 until emit has returned
	err     error
}

func newReceipt() *receipt { return &receipt{missing: 1, taken: make(chan struct{})} }

// add notes that one more batch has the event.
func (r *receipt) add() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missing++
}

// fail notes that a webhook's queue will never get the event.
func (r *receipt) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, err)
}

// done notes that the queue has taken one of the event's batches, or why it never will.
func (r *receipt) done(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.err = errors.Join(r.err, err)
	}
	if r.missing--; r.missing == 0 {
		close(r.taken)
	}
}

// wait returns why the event was not taken, or nil when it was.
func (r *receipt) wait(ctx context.Context, ended <-chan struct{}) error {
	select {
	case <-r.taken:
		return r.err
	default:
	}
	var err error
	select {
	case <-r.taken:
		return r.err
	case <-ctx.Done():
		err = fmt.Errorf("webhook: waiting for the queue: %w", ctx.Err())
	case <-ended:
		err = ErrClosed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.missing == 0 {
		return r.err
	}
	return err
}
