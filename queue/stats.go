package queue

import (
	"context"
	"time"
)

// Stats is a queue's state at one moment.
type Stats struct {
	Ready, Delayed, Leased, Dead int // jobs
	Held                         int // of the ready ones, those of held lanes
	// age, since its Enqueue, of the oldest ready job whose lane is not held
	Oldest time.Duration
	// Data of ready, delayed and leased jobs; 0 where the store can't tell
	Bytes int64
	// dead letters that were evicted since the store was made
	DeadDropped int64
}

// StatsReader is implemented by drivers that can report their state.
type StatsReader interface {
	Stats(ctx context.Context) (Stats, error)
}
