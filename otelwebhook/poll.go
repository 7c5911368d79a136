package otelwebhook

import (
	"context"
	"sync"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
)

const (
	askTime  = 10 * time.Second // for the queue's counts and for the health
	walkTime = time.Minute      // for the states of all webhooks

	// pauseFactor is how many times as long as an answer took the pause is at least after it: no
	// more than a twentieth of the time is spent asking, however many lanes there are.
	pauseFactor = 20
)

// pollers learn what a scrape must not wait for.
type pollers struct {
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // ends at Close
	done   sync.WaitGroup

	queue    poller[queue.Stats]
	health   poller[int] // number of problems
	webhooks poller[webhookCounts]
}

func newPollers(em *webhook.Emitter, o Options) *pollers {
	p := &pollers{}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.queue = poller[queue.Stats]{interval: o.QueueInterval, limit: askTime, ask: em.QueueStats}
	p.health = poller[int]{interval: o.QueueInterval, limit: askTime, ask: func(ctx context.Context) (int, error) {
		return len(em.Health(ctx).Problems), nil
	}}
	p.webhooks = poller[webhookCounts]{interval: o.WebhooksInterval, limit: walkTime, ask: func(ctx context.Context) (webhookCounts, error) {
		return countWebhooks(ctx, em)
	}}
	return p
}

func (p *pollers) start() {
	for _, run := range []func(context.Context){p.queue.run, p.health.run, p.webhooks.run} {
		p.done.Go(func() { run(p.ctx) })
	}
}

func (p *pollers) stop() {
	p.cancel()
	p.done.Wait()
}

// poller asks for something again and again, and keeps the last answer.
type poller[T any] struct {
	interval time.Duration // negative: it never asks
	limit    time.Duration // for one answer
	ask      func(context.Context) (T, error)

	mu    sync.Mutex
	value T
	at    time.Time // when the answer came
	until time.Time // for how long it serves
}

func (p *poller[T]) run(ctx context.Context) {
	if p.interval < 0 {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(p.once(ctx))
		}
	}
}

// once asks, and returns the pause until the next time.
func (p *poller[T]) once(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	began := time.Now()
	value, err := p.ask(ctx)
	now := time.Now()
	pause := max(p.interval, pauseFactor*now.Sub(began))
	if err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		// One failed or slow answer leaves no gap.
		p.value, p.at, p.until = value, now, now.Add(2*pause+2*p.limit)
	}
	return pause
}

// get returns the last answer and its age, unless it is too old.
func (p *poller[T]) get(now time.Time) (value T, age time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.value, now.Sub(p.at), now.Before(p.until)
}

// webhookCounts sums up the status of all webhooks.
type webhookCounts struct {
	byState      [laneStates]int64
	failingSince time.Time     // of the one that has failed longest; zero if none fails
	oldest       time.Duration // age of the oldest job of any; -1: unknown
}

func countWebhooks(ctx context.Context, em *webhook.Emitter) (webhookCounts, error) {
	c := webhookCounts{}
	unknown, known := false, false
	for s, err := range em.Webhooks(ctx) {
		if err != nil {
			return c, err
		}
		c.byState[min(int(s.State), laneStates-1)]++
		if at := s.FailingSince; !at.IsZero() && (c.failingSince.IsZero() || at.Before(c.failingSince)) {
			c.failingSince = at
		}
		if s.Oldest < 0 {
			unknown = true
		} else {
			known = true
			c.oldest = max(c.oldest, s.Oldest)
		}
	}
	if unknown && !known {
		c.oldest = -1
	}
	return c, nil
}
