package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
)

// each runs f in n goroutines and returns their errors.
func each(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// prebuilt posts bodies that are ready and signed: the ceiling of whatever uses net/http.
type prebuilt struct {
	*setup
	poster *poster
}

func openPrebuilt(_ context.Context, s *setup) (pipeline, error) {
	p, err := newPoster(s.URL, s.Workers)
	return &prebuilt{s, p}, err
}

// drive posts each app's body in turn.
func (p *prebuilt) drive(ctx context.Context, events int) error {
	signer := newSigner()
	bodies, signatures := make([][]byte, len(p.load.apps)), make([]string, len(p.load.apps))
	for i := range bodies {
		bodies[i] = p.load.appendBody(nil, i, p.Size)
		signatures[i] = signer.sign(bodies[i])
	}
	return eachJob(p.setup, events, func(int) func(int) error {
		return func(app int) error { return p.poster.post(ctx, bodies[app], signatures[app], nil) }
	})
}

func (p *prebuilt) emit(context.Context, webhook.Event) error {
	return errors.New("a prebuilt body has no event")
}
func (p *prebuilt) finish(context.Context) error { return nil }

// appendBody appends a body of events of one app, made now.
func (w *workload) appendBody(b []byte, app, events int) []byte {
	b = appendBodyStart(b)
	for i := range events {
		if i > 0 {
			b = append(b, ',')
		}
		ev := w.event(i*len(w.apps) + app)
		b = appendEvent(b, &ev)
	}
	return append(b, bodyEnd...)
}

// eachJob divides so many events among the workers, a job's at a time. start returns a worker's
// function, which sends a job of the app of an index.
func eachJob(s *setup, events int, start func(worker int) func(app int) error) error {
	var jobs atomic.Int64
	total := int64(events / s.Size)
	return each(s.Workers, func(worker int) error {
		send := start(worker)
		for {
			i := jobs.Add(1)
			if i > total {
				return nil
			}
			if err := send(int(i) % len(s.load.apps)); err != nil {
				return err
			}
		}
	})
}

// direct makes, encodes and signs events in the goroutine that posts them. It has no queue.
type direct struct {
	*setup
	poster *poster
	free   sync.Pool // of *directState
}

// directState is what a goroutine uses again for the next request.
type directState struct {
	signer *signer
	body   []byte
}

func openDirect(_ context.Context, s *setup) (pipeline, error) {
	p, err := newPoster(s.URL, s.Workers)
	d := &direct{setup: s, poster: p}
	d.free.New = func() any { return &directState{signer: newSigner()} }
	return d, err
}

func (d *direct) drive(ctx context.Context, events int) error {
	return eachJob(d.setup, events, func(int) func(int) error {
		return func(app int) error {
			s := d.free.Get().(*directState)
			s.body = d.load.appendBody(s.body[:0], app, d.Size)
			return d.poster.post(ctx, s.body, s.signer.sign(s.body), func() { d.free.Put(s) })
		}
	})
}

// emit posts the event, and returns when it is acknowledged.
func (d *direct) emit(ctx context.Context, ev webhook.Event) error {
	s := d.free.Get().(*directState)
	s.body = append(appendEvent(appendBodyStart(s.body[:0]), &ev), bodyEnd...)
	return d.poster.post(ctx, s.body, s.signer.sign(s.body), func() { d.free.Put(s) })
}

func (d *direct) finish(context.Context) error { return nil }

// afterRedis is direct, but that it asks Redis three times before each post: what a queue there can
// hardly do without, to put a job in, to take it out, and to be told.
type afterRedis struct {
	*direct
	client *redis.Client
}

func openDirectAfterRedis(ctx context.Context, s *setup) (pipeline, error) {
	d, err := openDirect(ctx, s)
	if err != nil {
		return nil, err
	}
	return &afterRedis{d.(*direct), redis.NewClient(&redis.Options{Addr: s.Redis})}, nil
}

func (a *afterRedis) emit(ctx context.Context, ev webhook.Event) error {
	for range 3 {
		if err := a.client.Ping(ctx).Err(); err != nil {
			return err
		}
	}
	return a.direct.emit(ctx, ev)
}
