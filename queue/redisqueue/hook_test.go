package redisqueue_test

import (
	"context"
	"sync"
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

// scriptHook notes the scripts that a client sends with their source.
type scriptHook struct {
	mu      sync.Mutex
	sources []string
}

func (h *scriptHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *scriptHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.note(cmd)
		return next(ctx, cmd)
	}
}

func (h *scriptHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			h.note(cmd)
		}
		return next(ctx, cmds)
	}
}

// note keeps the source of a script on a partition. That of the layout makes no names.
func (h *scriptHook) note(cmd redis.Cmder) {
	if args := cmd.Args(); cmd.Name() == "eval" && len(args) > 4 {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.sources = append(h.sources, args[1].(string))
	}
}
