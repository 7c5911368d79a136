package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// A lease this short is not for a configuration file: it is the least that goes with an attempt of
// a second.
const briefLease = 6 * time.Second

// workBriefly delivers what the Redis of a configuration file holds, as relay -work does but under
// short leases, until the process is killed.
func workBriefly(path string) {
	err := func() error {
		cfg, err := config.Load(path, os.Environ())
		if err != nil {
			return err
		}
		o, err := redis.ParseURL(string(cfg.Queue.Redis.URL))
		if err != nil {
			return err
		}
		opts := cfg.Options()
		opts.Queue, err = redisqueue.New(context.Background(), redis.NewClient(o), redisqueue.Options{Lease: briefLease})
		if err != nil {
			return err
		}
		_, err = webhook.New(opts)
		return err
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "panic:", err) // the test looks for it
		os.Exit(1)
	}
	select {}
}
