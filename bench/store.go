package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
)

// storeUse is what a Redis server has done so far.
type storeUse struct {
	cpu      float64 // seconds, user and system
	commands float64 // those that scripts call included
	scripts  float64
}

func (u storeUse) minus(v storeUse) storeUse {
	return storeUse{u.cpu - v.cpu, u.commands - v.commands, u.scripts - v.scripts}
}

// remoteStore is a case's store, made for one measurement. Its zero value is no store.
type remoteStore struct {
	addr, dir string
	client    *redis.Client
}

// startStore starts a case's store, which servers stop.
func startStore(kind store, s *servers) *remoteStore {
	switch kind {
	case diskStore:
		return &remoteStore{dir: s.TempDir()}
	case redisStore, redisAOF:
		opts := testredis.Options{}
		if kind == redisAOF {
			opts.Args = []string{"--appendonly", "yes", "--appendfsync", "everysec"}
		}
		server := testredis.StartServer(s, opts)
		r := &remoteStore{addr: server.Addr, client: server.Client()}
		s.Cleanup(func() { s.check(r.client.Close()) })
		return r
	}
	return &remoteStore{}
}

// use asks a store what it has done so far.
func (r *remoteStore) use(ctx context.Context) (storeUse, error) {
	if r.client == nil {
		return storeUse{}, nil
	}
	text, err := r.client.Info(ctx, "cpu", "stats", "commandstats").Result()
	if err != nil {
		return storeUse{}, err
	}
	return parseUse(text)
}

// scriptCommands are the commands that run scripts.
var scriptCommands = []string{"eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro"}

// parseUse reads the answer of INFO.
func parseUse(info string) (u storeUse, err error) {
	fields := make(map[string]string)
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	number := func(text string) float64 {
		v, failed := strconv.ParseFloat(text, 64)
		if failed != nil && err == nil {
			err = fmt.Errorf("INFO of Redis: %w", failed)
		}
		return v
	}
	u.cpu = number(fields["used_cpu_user"]) + number(fields["used_cpu_sys"])
	u.commands = number(fields["total_commands_processed"])
	for _, name := range scriptCommands {
		if stat, ok := fields["cmdstat_"+name]; ok {
			calls, _, _ := strings.Cut(strings.TrimPrefix(stat, "calls="), ",")
			u.scripts += number(calls)
		}
	}
	return u, err
}
