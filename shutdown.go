package webhook

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Flush cuts the open batches and returns when the queue has taken every event that was emitted
// before the call, or with ctx's error, or ErrClosed when the emitter was ended before. From then
// on those events are as durable as the queue. Events that are held back, by Options.Debounce or
// CountInterval, stay held.
func (e *Emitter) Flush(ctx context.Context) error {
	if e.traits.Disabled {
		return nil
	}
	e.batcher.flush()
	if err := e.outbox.wait(ctx); err != nil {
		return fmt.Errorf("webhook: flush: %w", err)
	}
	return nil
}

// Drain flushes, and returns when every event that this emitter took is settled: delivered, dead or
// dropped. Jobs of a webhook that is held wait in the queue until its hold ends, and Drain waits
// for them until ctx ends, so give it a ctx that does. Where other processes work on the same queue
// it also returns when the queue is empty. It returns ctx's error otherwise.
func (e *Emitter) Drain(ctx context.Context) error {
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for e.debouncer != nil && e.debouncer.holding() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("webhook: drain: %w", ctx.Err())
		case <-e.ended:
			return ErrClosed
		}
	}
	if err := e.Flush(ctx); err != nil {
		return err
	}
	for e.stats.enqueued.Load() > e.stats.ownSettled.Load() {
		select {
		case <-e.settled:
		case <-look.C:
			if e.queueEmpty(ctx) && e.scheduler.Idle() {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("webhook: drain: %w", ctx.Err())
		case <-e.ended:
			return ErrClosed
		}
	}
	notify(e.settled) // for others that wait
	return nil
}

// drainLook is how often Drain asks the queue whether it is empty.
const drainLook = 100 * time.Millisecond

func (e *Emitter) queueEmpty(ctx context.Context) bool {
	r, ok := e.queue.(queue.StatsReader)
	if !ok {
		return false
	}
	s, err := (&guardedQueue{e.queue, e.log}).stats(ctx, r)
	e.sawQueue(err)
	return err == nil && s.Ready+s.Delayed+s.Leased == 0
}

// sawQueue takes note of what the queue has returned: the error of its last failure, and whether
// the host has closed it.
func (e *Emitter) sawQueue(err error) {
	if err != nil {
		e.queueError.Store(&err)
	}
	if errors.Is(err, queue.ErrClosed) {
		e.closeQueue.Do(func() { close(e.queueClosed) })
	}
}

// drainQueue returns when nothing is left to do for a queue that ends with this process, or when
// ctx ends.
func (e *Emitter) drainQueue(ctx context.Context) {
	if e.Drain(ctx) != nil {
		return // what is left shows in the stats
	}
	if _, ok := e.queue.(queue.StatsReader); !ok {
		return
	}
	for !e.queueEmpty(ctx) { // replayed jobs, or another emitter's
		select {
		case <-e.settled:
		case <-time.After(drainLook):
		case <-ctx.Done():
			return
		}
	}
}

// Shutdown ends the emitter in good order. It stops intake, cuts the batches, hands everything to
// the queue, and finishes the attempts that run. An in-memory queue is drained too, retries and
// their backoffs included; a durable queue is left to the next process, its leases given back. When
// ctx ends first, running attempts are cut off.
//
// Shutdown returns half a second to three seconds after ctx has ended, also when a Trace function,
// the log handler, a sender or the queue never returns; the error then says so. A queue that the
// host has closed is not waited for.
//
// The error says what is left and what becomes of it, and wraps ctx's, or queue.ErrClosed. A queue
// that was given in Options stays open.
// Calling Shutdown again, or after Close, returns the same result. While several calls wait, the
// first of their contexts to end is the one that counts, so Close cuts a Shutdown off.
func (e *Emitter) Shutdown(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { e.cancelShutdown(context.Cause(ctx)) })()
	e.ending.Do(func() { go e.end() })
	<-e.ended
	return e.result
}

// Close ends the emitter at once: running attempts are cut off, and leases given back. What a
// durable queue has stays there; what it has not is lost, and the error says how much.
func (e *Emitter) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return e.Shutdown(ctx)
}

// endGrace is how long the ending waits, after its context, for what does not return: a Trace
// function, the log handler, a sender or the queue.
const endGrace = 500 * time.Millisecond

// errNotReturned tells that endGrace was not enough.
var errNotReturned = errors.New("webhook: shutdown: a Trace function, the log handler, a sender or the queue has not returned")

func (e *Emitter) end() {
	defer close(e.ended)
	e.closed.Store(true)
	returned := true
	if !e.traits.Disabled {
		returned = e.finish(e.shutdownCtx)
	}
	e.stop()
	if !within(e.shutdownCtx, endGrace, e.background.Wait) || !returned {
		e.result = errNotReturned
	}
	if s := e.Stats(); s.Pending > 0 {
		undone := errors.New("webhook: shutdown: " + leftUndone(s, e.traits.Durable))
		if cause := e.endCause(); cause != nil {
			undone = fmt.Errorf("%w: %w", undone, cause)
		}
		e.result = errors.Join(undone, e.result)
	}
	e.cancelShutdown(nil)
	for _, f := range e.owned {
		e.result = errors.Join(e.result, f())
	}
}

// leftUndone says how many deliveries are left undone, and what becomes of them.
func leftUndone(s Stats, durable bool) string {
	count := func(n int64, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return strconv.FormatInt(n, 10) + " " + many
	}
	if !durable {
		return count(s.Pending, "delivery is left undone; it is lost", "deliveries are left undone; they are lost") +
			" when this process ends, because the queue is in its memory"
	}
	text := count(s.Pending, "delivery is left undone and lost, because the queue has not taken it",
		"deliveries are left undone and lost, because the queue has not taken them")
	if s.Queued > 0 {
		text += "; " + count(s.Queued, "other stays", "others stay") + " in the queue for the next process"
	}
	return text
}

// endCause returns why the ending left deliveries undone, if that is known.
func (e *Emitter) endCause() error {
	select {
	case <-e.queueClosed:
		return queue.ErrClosed
	default:
		return context.Cause(e.shutdownCtx)
	}
}

// within calls f in a goroutine of its own, and reports whether f has returned at the latest this
// long after ctx ended.
func within(ctx context.Context, grace time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done) // also if a Trace function ends the goroutine
		f()
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// finish empties what is before the queue, and the queue if it does not outlive this process. Where
// the host closed the queue there is nothing to wait for. It reports whether everything has
// returned.
func (e *Emitter) finish(ctx context.Context) (returned bool) {
	returned = true
	e.outbox.refuseWaiters()
	if e.debouncer != nil {
		returned = within(ctx, endGrace, func() { e.debouncer.finish(ctx) })
	}
	e.batcher.finish()
	open, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		select {
		case <-e.queueClosed:
			stop()
		case <-open.Done():
		}
	}()
	handed := e.outbox.empty(open) == nil
	if e.scheduler == nil {
		return returned
	}
	if handed && !e.traits.Durable {
		e.drainQueue(open)
	}
	// Stop takes up to two graces of its own.
	return within(ctx, 4*endGrace, func() { e.scheduler.Stop(ctx) }) && returned
}
