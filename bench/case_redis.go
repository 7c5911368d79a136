package main

import (
	"context"
	"sync"

	"github.com/pushhooks/webhook"
)

// broker is a queue of others. The bodies that it is given are not changed or used again until
// enqueue returns.
type broker interface {
	enqueue(ctx context.Context, body []byte) error
}

// brokered sends bodies through a broker, whose workers post them: one event each from the
// goroutine that emits, which is how these libraries are used, or batches made by the sketch.
type brokered struct {
	broker    broker
	tracker   *tracker
	front     *sketch // nil: one event a body
	enqueuers sync.WaitGroup
}

// enqueuerCount is how many goroutines take the sketch's batches to a broker that takes one a call.
const enqueuerCount = 20

// openBroker opens a broker, whose workers call handle with each body and then tell its queue.
type openBroker func(ctx context.Context, s *setup, handle func(context.Context, []byte) error) (broker, error)

func openBrokered(ctx context.Context, s *setup, open openBroker) (pipeline, error) {
	p, err := newPoster(s.URL, s.Workers)
	if err != nil {
		return nil, err
	}
	signers := sync.Pool{New: func() any { return newSigner() }}
	b := &brokered{tracker: newTracker()}
	b.broker, err = open(ctx, s, func(ctx context.Context, body []byte) error {
		signer := signers.Get().(*signer)
		defer signers.Put(signer)
		if err := p.post(ctx, body, signer.sign(body), nil); err != nil {
			s.fail(err)
			return err
		}
		b.tracker.acknowledged(1)
		return nil
	})
	if err != nil || s.Size == 1 {
		return b, err
	}
	b.front = newSketch(s.load.apps, s.Size)
	for range enqueuerCount {
		b.enqueuers.Go(func() {
			if err := b.enqueueAll(ctx); err != nil {
				s.fail(err)
			}
		})
	}
	return b, nil
}

// enqueueAll takes the sketch's batches to the broker.
func (b *brokered) enqueueAll(ctx context.Context) error {
	for j := range b.front.sink {
		b.tracker.sent(1)
		if err := b.broker.enqueue(ctx, j.body); err != nil {
			return err
		}
		b.front.release(j)
	}
	return nil
}

func (b *brokered) emit(ctx context.Context, ev webhook.Event) error {
	if b.front != nil {
		b.front.Emit(ev)
		return nil
	}
	b.tracker.sent(1)
	return b.broker.enqueue(ctx, oneEventBody(&ev))
}

func (b *brokered) finish(ctx context.Context) error {
	if b.front != nil {
		b.front.finish()
		b.enqueuers.Wait()
	}
	return b.tracker.wait(ctx)
}
