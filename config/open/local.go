package open

import (
	"context"

	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
)

func memoryQueue(_ context.Context, _ Opener, cfg *config.Config) (queue.Queue, error) {
	q, err := queue.NewMemory(queue.MemoryOptions{MaxJobs: cfg.Queue.Reliability.MemoryCapacity})
	if err != nil {
		return nil, err
	}
	return q, nil
}

func noQueue(context.Context, Opener, *config.Config) (queue.Queue, error) { return queue.None, nil }

func diskQueue(_ context.Context, o Opener, cfg *config.Config) (queue.Queue, error) {
	q, err := boltqueue.Open(cfg.Queue.Disk.Path, boltqueue.Options{Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	return q, nil
}
