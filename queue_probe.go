package webhook

import (
	"context"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// queueProbe asks a queue for its state. One call is under way at a time, and whoever asks
// meanwhile waits for its answer, so that a queue that hangs costs one goroutine. The answer serves
// for a second, or for a hundred times as long as it took, so that asking costs the queue a
// hundredth of its time.
type queueProbe struct {
	mu      sync.Mutex
	running chan struct{} // closed when the call under way has ended; nil if there is none
	began   time.Time     // of the call under way
	until   time.Time     // for how long the last answer serves; zero if there was none
	stats   queue.Stats   // its answer
	err     error
}

const (
	minServes   = time.Second      // how long an answer serves, at least; an error serves no longer
	maxServes   = 10 * time.Second // at most
	servesTimes = 100              // or so many times the time that it took
	probeTime   = 30 * time.Second // for a call
)

// ask returns the queue's answer to call, or errNoAnswer if that has not come when ctx ends. The
// call itself ends with life.
func (p *queueProbe) ask(ctx, life context.Context, call func(context.Context) (queue.Stats, error)) (queue.Stats, error) {
	p.mu.Lock()
	if p.running == nil && !time.Now().Before(p.until) {
		p.running, p.began = make(chan struct{}), time.Now()
		go p.run(life, call)
	}
	running := p.running
	p.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return queue.Stats{}, errNoAnswer
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats, p.err
}

func (p *queueProbe) run(life context.Context, call func(context.Context) (queue.Stats, error)) {
	ctx, cancel := context.WithTimeout(life, probeTime)
	defer cancel()
	var s queue.Stats
	err := errQueuePanicked // if the call ends this goroutine
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		now, serves := time.Now(), minServes
		if err == nil {
			serves = min(max(serves, servesTimes*now.Sub(p.began)), maxServes)
		}
		p.stats, p.err, p.until = s, err, now.Add(serves)
		close(p.running)
		p.running = nil
	}()
	s, err = call(ctx)
}

// pendingFor returns how long the call under way has taken, 0 if there is none.
func (p *queueProbe) pendingFor() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return 0
	}
	return time.Since(p.began)
}
