package scheduler

import (
	"context"

	"github.com/pushhooks/webhook/queue"
)

// Scheduler runs the jobs of a queue.
type Scheduler struct{}

// New makes a scheduler with a number of workers and of receive loops. Start starts it.
func New(q queue.Queue, workers, pollers int, h Handler) *Scheduler { panic("not built yet") }

// Start starts the workers.
func (s *Scheduler) Start() { panic("not built yet") }

// Stop starts no more jobs, releases those that have not begun, and returns when the running ones
// are settled. When ctx ends it aborts them. It always returns soon after that, even if a Run does not.
func (s *Scheduler) Stop(ctx context.Context) { panic("not built yet") }

// Idle reports whether no job is here, waiting or running. s may be nil.
func (s *Scheduler) Idle() bool { panic("not built yet") }

// SetRate has a lane keep another rate limit from now on.
func (s *Scheduler) SetRate(lane string, r Rate) { panic("not built yet") }

// Suspect reports whether this process suspects itself: its attempts to several hosts all failed
// before anything was sent.
func (s *Scheduler) Suspect() bool { panic("not built yet") }
