package main

import (
	"context"
	"fmt"
	"time"

	"github.com/pushhooks/webhook"
)

// progressPause is how often the line of progress changes.
const progressPause = time.Second

// drainAll waits until everything is settled, and on a terminal shows how far that has come.
func (r *relay) drainAll(ctx context.Context) error {
	if r.stderr.width == 0 {
		return r.em.Drain(ctx)
	}
	showing, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.showProgress(showing)
	}()
	err := r.em.Drain(ctx)
	stop()
	<-done
	return err
}

// showProgress shows what was delivered and what waits until ctx ends.
func (r *relay) showProgress(ctx context.Context) {
	defer r.stderr.progress("")
	for {
		began := time.Now()
		failing := r.failing(ctx)
		if ctx.Err() != nil {
			return
		}
		s := r.em.Stats()
		r.stderr.progress(fmt.Sprintf("delivered %s, waiting %s, %s", count(s.Delivered), count(s.Pending+s.Queued), failing))
		select {
		case <-time.After(max(progressPause, 10*time.Since(began))): // a tenth of the time at most
		case <-ctx.Done():
			return
		}
	}
}

// failing counts the webhooks that are failing or held.
func (r *relay) failing(ctx context.Context) string {
	n := 0
	for s, err := range r.em.Webhooks(ctx) {
		if err != nil {
			return "the queue does not answer"
		}
		if s.State == webhook.LaneFailing || s.State == webhook.LaneHeld {
			n++
		}
	}
	return counted(n, "webhook") + " failing"
}
