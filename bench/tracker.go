package main

import (
	"context"
	"sync/atomic"
)

// tracker knows when all jobs that were sent are acknowledged.
type tracker struct {
	pending atomic.Int64
	idle    chan struct{} // capacity 1: notified when nothing is pending
}

func newTracker() *tracker { return &tracker{idle: make(chan struct{}, 1)} }

// sent counts jobs before they can be acknowledged.
func (t *tracker) sent(n int) { t.pending.Add(int64(n)) }

// acknowledged counts jobs that are done.
func (t *tracker) acknowledged(n int) {
	if t.pending.Add(-int64(n)) <= 0 {
		select {
		case t.idle <- struct{}{}:
		default:
		}
	}
}

// wait returns when all jobs that were sent are acknowledged.
func (t *tracker) wait(ctx context.Context) error {
	for t.pending.Load() > 0 {
		select {
		case <-t.idle:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
