package queuetest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/queuetest"
)

// memory is a harness for queue.Memory with leases of one second.
func memory() queuetest.Harness {
	open := func(t *testing.T, o queue.MemoryOptions) queue.Queue {
		o.Lease = time.Second
		q, err := queue.NewMemory(o)
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	return queuetest.Harness{
		Open: func(t *testing.T) queue.Queue {
			return open(t, queue.MemoryOptions{MaxBytes: 8 << 20})
		},
		OpenBounded: func(t *testing.T, jobs int) queue.Queue {
			return open(t, queue.MemoryOptions{MaxJobs: jobs})
		},
		OpenDead: func(t *testing.T, letters int) queue.Queue {
			return open(t, queue.MemoryOptions{MaxDead: letters})
		},
		OpenBoundedBytes: func(t *testing.T, bytes int64) queue.Queue {
			return open(t, queue.MemoryOptions{MaxBytes: bytes})
		},
		TooLarge: 8<<20 + 1,
		Delay:    100 * time.Millisecond,
	}
}

func TestMemoryInVirtualTime(t *testing.T) {
	t.Parallel()
	h := memory()
	h.Virtual = true
	queuetest.Run(t, h)
}

func TestMemoryWithOtherSeeds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed+2), func(t *testing.T) {
			t.Parallel()
			h := memory()
			h.Virtual, h.Seed = true, seed+2
			queuetest.Run(t, h)
		})
	}
}

func TestMemoryInRealTime(t *testing.T) {
	t.Parallel()
	h := memory()
	queuetest.Run(t, h)
}
