package boltqueue

import (
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/queuetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	with := func(o Options) func(t *testing.T) queue.Queue {
		return func(t *testing.T) queue.Queue { return open(t, file(t), o) }
	}
	queuetest.Run(t, queuetest.Harness{
		Open: with(Options{}),
		Reopen: func(t *testing.T, q queue.Queue) queue.Queue {
			return open(t, q.(*Queue).path, Options{})
		},
		OpenBounded:      func(t *testing.T, jobs int) queue.Queue { return with(Options{MaxJobs: jobs})(t) },
		OpenBoundedBytes: func(t *testing.T, bytes int64) queue.Queue { return with(Options{MaxBytes: bytes})(t) },
		OpenDead:         func(t *testing.T, letters int) queue.Queue { return with(Options{MaxDead: letters})(t) },
		TooLarge:         0,
		Virtual:          true,
		Delay:            time.Millisecond,
	})
}
