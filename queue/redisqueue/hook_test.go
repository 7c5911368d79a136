package redisqueue_test

import (
	"context"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// countingHook counts what a client sends.
type countingHook struct{ trips, sent atomic.Int64 }

func (h *countingHook) commands() int { return int(h.sent.Load()) }

func (h *countingHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *countingHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if name := cmd.Name(); name != "subscribe" {
			h.trips.Add(1)
			h.sent.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (h *countingHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.trips.Add(1)
		h.sent.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}
