package main

import (
	"context"
	"sync"
	"time"

	"github.com/pushhooks/webhook"
)

// sketch is the core of such a library in 150 lines, without any of its guarantees: a batch for
// each app, a channel, and workers that sign and post. It retries nothing, holds nothing back for a
// slow webhook and forgets what it has when the process ends. What the library costs beside it is
// the price of the guarantees.
//
// Jobs leave it for a sink, so that other queues can be measured behind the same batches.
type sketch struct {
	apps  map[string]*sketchApp
	size  int // events a job
	sink  chan *sketchJob
	free  sync.Pool // of *sketchJob
	ended chan struct{}
	wait  sync.WaitGroup // the clock
}

// sketchApp is the open batch of an app.
type sketchApp struct {
	mu     sync.Mutex
	open   *sketchJob // nil: none
	opened time.Time
}

// sketchJob is a request's body.
type sketchJob struct {
	body   []byte
	events int
}

// sketchJobs is how many closed batches may wait; then Emit blocks.
const sketchJobs = 1000

// newSketch makes a sketch whose jobs have up to size events.
func newSketch(apps []string, size int) *sketch {
	s := &sketch{
		apps: make(map[string]*sketchApp, len(apps)), size: size,
		sink: make(chan *sketchJob, sketchJobs), ended: make(chan struct{}),
	}
	s.free.New = func() any { return &sketchJob{} }
	for _, id := range apps {
		s.apps[id] = &sketchApp{}
	}
	if size > 1 {
		s.wait.Go(s.clock)
	}
	return s
}

// Emit adds an event to its app's batch, and blocks while the sink is full.
func (s *sketch) Emit(ev webhook.Event) {
	a := s.apps[ev.AppID]
	a.mu.Lock()
	defer a.mu.Unlock()
	j := a.open
	if j == nil {
		j = s.free.Get().(*sketchJob)
		j.body, j.events = appendBodyStart(j.body[:0]), 0
		if a.open = j; s.size > 1 {
			a.opened = time.Now()
		}
	} else {
		j.body = append(j.body, ',')
	}
	j.body = appendEvent(j.body, &ev)
	if j.events++; j.events == s.size {
		s.closeBatch(a)
	}
}

// closeBatch gives an app's batch to the sink. The app is locked, which keeps its order.
func (s *sketch) closeBatch(a *sketchApp) {
	j := a.open
	a.open = nil
	j.body = append(j.body, bodyEnd...)
	s.sink <- j
}

// clock closes batches that have been open for long enough.
func (s *sketch) clock() {
	tick := time.NewTicker(batchDuration / 10)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			s.closeBefore(now.Add(-batchDuration))
		case <-s.ended:
			return
		}
	}
}

func (s *sketch) closeBefore(limit time.Time) {
	for _, a := range s.apps {
		a.mu.Lock()
		if a.open != nil && !a.opened.After(limit) {
			s.closeBatch(a)
		}
		a.mu.Unlock()
	}
}

// finish closes all batches and then the sink. Nothing may be emitted any more.
func (s *sketch) finish() {
	close(s.ended)
	s.wait.Wait()
	s.closeBefore(time.Now())
	close(s.sink)
}

// release takes a job back whose body is not read any more.
func (s *sketch) release(j *sketchJob) { s.free.Put(j) }

// post signs and posts the sink's jobs until it is closed.
func (s *sketch) post(ctx context.Context, p *poster) error {
	signer := newSigner()
	for j := range s.sink {
		if err := p.post(ctx, j.body, signer.sign(j.body), func() { s.release(j) }); err != nil {
			return err
		}
	}
	return nil
}
