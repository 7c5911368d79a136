package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/subprocess"
)

// startRedis starts a server of its own. appendOnly is "no" for one that keeps nothing, or "yes" for one that writes
// everything to a file, which it syncs every second.
func startRedis(dir, appendOnly string) (addr string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	addr = l.Addr().String()
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir,
		"--daemonize", "no", "--save", "", "--appendonly", appendOnly, "--appendfsync", "everysec")
	subprocess.EndWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("redis-server (Debian: redis-server): %w", err)
	}
	stop = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	c := redis.NewClient(&redis.Options{Addr: addr})
	defer c.Close()
	for range 500 {
		if err = c.Ping(context.Background()).Err(); err == nil {
			return addr, stop, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	return "", nil, err
}

// viaAsynq puts ready bodies of size events on asynq, whose workers post them.
func viaAsynq(addr string) func(context.Context, string, int, int) error {
	return func(ctx context.Context, url string, n, size int) error {
		t := transport()
		defer t.CloseIdleConnections()
		ready, signature := body(size), strings.Repeat("0", 64)
		jobs := int64(n / size)
		var done atomic.Int64
		all := make(chan struct{})
		mux := asynq.NewServeMux()
		mux.HandleFunc("webhook", func(ctx context.Context, task *asynq.Task) error {
			if err := post(ctx, t, url, task.Payload(), signature); err != nil {
				return err
			}
			if done.Add(1) == jobs {
				close(all)
			}
			return nil
		})
		opt := asynq.RedisClientOpt{Addr: addr, PoolSize: 32}
		srv := asynq.NewServer(opt, asynq.Config{Concurrency: connections, LogLevel: asynq.FatalLevel})
		if err := srv.Start(mux); err != nil {
			return err
		}
		defer srv.Shutdown()
		client := asynq.NewClient(opt)
		defer client.Close()
		var next atomic.Int64
		if err := each(connections, func() error {
			for next.Add(1) <= jobs {
				if _, err := client.EnqueueContext(ctx, asynq.NewTask("webhook", ready)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
