package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// HealthReport says whether an emitter can do its work.
type HealthReport struct {
	OK       bool     // there are no Problems
	Problems []string // a sentence each: what is wrong, and what to do or to look at
}

const (
	// healthTime is how long Health waits for the queue if its context has no deadline, and
	// healthMargin the longest time before a deadline at which it answers without the queue.
	healthTime   = 5 * time.Second
	healthMargin = time.Second

	outboxLimit = 90 // percent
	oldestLimit = time.Minute
)

// Health reports whether this emitter can do its work. It is made for a readiness probe: it answers
// before ctx ends, or within 5 seconds if ctx has no deadline, even if the queue hangs. There is a
// problem if
//
//   - the emitter or its queue was closed,
//   - the queue does not answer, or operations of it fail,
//   - all workers are busy with attempts that have used up more than half of their timeouts,
//   - the outbox is more than 90 % full,
//   - a ready job whose webhook is not held is older than a minute,
//   - this process suspects itself, because it reaches no host at all.
//
// A webhook that fails is none: that is its receiver's problem. Health may be asked as often as a
// probe likes. It asks the queue for its Stats at most once a second, and at most once in a hundred
// times as long as the answer took, up to 10 seconds: Redis looks at all lanes for them, which
// takes it 3 ms for a thousand.
func (e *Emitter) Health(ctx context.Context) HealthReport {
	var problems []string
	add := func(problem string) {
		if problem != "" {
			problems = append(problems, problem)
		}
	}
	if e.closed.Load() {
		add("The emitter was shut down: take this process out of service.")
	} else if !e.traits.Disabled {
		stats, err := e.stateOfQueue(ctx)
		add(e.queueProblem(err))
		add(e.workersProblem())
		add(e.outboxProblem())
		add(e.oldestProblem(stats))
		add(e.networkProblem())
	}
	return HealthReport{OK: len(problems) == 0, Problems: problems}
}

// errNoAnswer is returned when the queue takes too long.
var errNoAnswer = errors.New("it does not answer")

// stateOfQueue asks the queue, for no longer than Health may take. The Stats of a queue that has
// none are zero.
func (e *Emitter) stateOfQueue(ctx context.Context) (queue.Stats, error) {
	wait := healthTime
	if at, ok := ctx.Deadline(); ok {
		wait = time.Until(at)
		wait -= min(wait/4, healthMargin)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return e.probe.ask(ctx, e.shutdownCtx, func(ctx context.Context) (queue.Stats, error) {
		s, err := e.QueueStats(ctx)
		if errors.Is(err, errors.ErrUnsupported) {
			err = nil
		}
		return s, err
	})
}

// queueProblem words that the queue cannot be used. err is that of asking for its state.
func (e *Emitter) queueProblem(err error) string {
	since, failing := e.log.outage.ongoing(time.Now())
	last := e.queueError.Load()
	switch {
	case errors.Is(err, queue.ErrClosed):
		return "The queue was closed: end this emitter, or make a new one with an open queue."
	case failing && last != nil:
		return fmt.Sprintf("Operations of the queue have failed since %s, the last with %q: look at the queue's server and the way to it.",
			since.UTC().Format(time.RFC3339), readable(*last))
	case errors.Is(err, errNoAnswer):
		return fmt.Sprintf("The queue has not answered for %v: look at the queue's server and the way to it.",
			e.probe.pendingFor().Round(time.Millisecond))
	case err != nil:
		return fmt.Sprintf("The queue cannot be asked for its state: %q: look at the queue's server and the way to it.", err)
	}
	return ""
}

func (e *Emitter) workersProblem() string {
	if e.scheduler == nil {
		return ""
	}
	workers, hanging := e.scheduler.Hanging()
	if hanging < workers {
		return ""
	}
	return fmt.Sprintf("All %d workers are busy with attempts that hang: see which webhooks fail, or raise Options.Workers.", workers)
}

func (e *Emitter) outboxProblem() string {
	used, limit := e.outbox.used.Load(), e.outbox.limit
	if used <= limit/100*outboxLimit {
		return ""
	}
	return fmt.Sprintf("The outbox is %d %% full, with %d of %d bytes: the queue takes less than is emitted, so look at it, or raise Options.OutboxBytes.",
		100*used/limit, used, limit)
}

func (e *Emitter) oldestProblem(s queue.Stats) string {
	if s.Oldest <= oldestLimit {
		return ""
	}
	return fmt.Sprintf("A job has waited for a worker for %v, with %d others ready: start more workers, or look for webhooks that are slow or rate-limited.",
		s.Oldest.Round(time.Second), max(0, s.Ready-s.Held-1))
}

func (e *Emitter) networkProblem() string {
	if e.scheduler == nil || !e.scheduler.Suspect() {
		return ""
	}
	return "This process reaches none of the hosts it tries, so it makes one attempt at a time: look at its network, its name server and its limit of open files."
}
