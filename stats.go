package webhook

import "sync/atomic"

// Stats is what an emitter has done since it was made, and what its outbox holds. Emitted,
// Overflowed and Suppressed count events, Attempts counts attempts and Panics counts panics. The
// others but those of the outbox count pairs of an event and a webhook, and add up at any moment
// when nothing moves:
//
//	Matched + Adopted = Delivered + Dead + Dropped + Pending + Queued
type Stats struct {
	Emitted    int64 // events that Emit took, whether a webhook wants them or not
	Overflowed int64 // events that Emit or EmitWait refused with ErrOverflow
	Suppressed int64 // events left out because of Options.Debounce or CountInterval

	Matched   int64 // taken by Emit for a webhook
	Adopted   int64 // settled here, but emitted by another process, by an earlier one, or replayed
	Delivered int64 // accepted by the receiver
	Dead      int64 // given up: now dead letters; counted again when a replay is given up
	// lost: no room for this webhook, the queue can never take it, or an at-most-once queue's
	// attempt failed
	Dropped int64
	// where no durable queue has it: in a batch, in the outbox, in an in-memory queue
	Pending int64
	Queued  int64 // handed to a durable queue by this emitter and not settled by it

	Attempts int64 // deliveries tried
	// of Trace functions, the log handler, middleware and senders; runtime.Goexit counts too
	Panics int64

	OutboxBytes int64 // what the outbox holds at this moment, in bytes of at most OutboxLimit
	OutboxLimit int64 // Options.OutboxBytes, or its default; 0 where webhooks are off
}

// counters are what Stats is made of.
type counters struct {
	byEmit                   [16]emitCounters
	overflowed, suppressed   atomic.Int64
	enqueued                 atomic.Int64
	delivered, dead, dropped atomic.Int64
	// parts of the three above: own ones that were enqueued, and others
	ownSettled, adopted atomic.Int64
	attempts, panics    atomic.Int64
}

// emitCounters are what every Emit counts, on a cache line of their own: apps share 16 of them, so
// that goroutines that emit for different apps seldom wait for each other's line.
type emitCounters struct {
	emitted, matched atomic.Int64
	_                [112]byte // cache lines are fetched in pairs
}

// of returns the counters of an app.
func (c *counters) of(a *app) *emitCounters { return &c.byEmit[a.hash%uint64(len(c.byEmit))] }

func (c *counters) emitted() (n int64) {
	for i := range c.byEmit {
		n += c.byEmit[i].emitted.Load()
	}
	return n
}

func (c *counters) matched() (n int64) {
	for i := range c.byEmit {
		n += c.byEmit[i].matched.Load()
	}
	return n
}

// settled counts pairs of a job that left the queue.
func (c *counters) settled(what *atomic.Int64, events int64, own bool) {
	what.Add(events)
	if own {
		c.ownSettled.Add(events)
	} else {
		c.adopted.Add(events)
	}
}

// Stats returns the emitter's counts. It may be called at any time, also after Shutdown.
func (e *Emitter) Stats() Stats {
	c := &e.stats
	s := Stats{
		Emitted: c.emitted(), Overflowed: c.overflowed.Load(), Suppressed: c.suppressed.Load(),
		Delivered: c.delivered.Load(), Dead: c.dead.Load(), Dropped: c.dropped.Load(),
		Adopted: c.adopted.Load(), Attempts: c.attempts.Load(), Panics: c.panics.Load(),
	}
	if e.outbox != nil {
		s.OutboxBytes, s.OutboxLimit = e.outbox.used.Load(), e.outbox.limit
	}
	settled, enqueued := c.ownSettled.Load(), c.enqueued.Load()
	s.Matched = c.matched()
	inQueue := max(0, enqueued-settled)
	s.Pending = max(0, s.Matched+s.Adopted-s.Delivered-s.Dead-s.Dropped-inQueue)
	if e.traits.Durable {
		s.Queued = inQueue
	} else {
		s.Pending += inQueue
	}
	return s
}
