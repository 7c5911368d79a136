package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/testredis"
)

const (
	syncKills      = 20
	syncGoroutines = 64
)

// emitInSync emits numbered events from 64 goroutines, and writes each channel to a file when
// EmitSync has returned, until the process is killed. It delivers meanwhile.
func emitInSync(config, prefix, file string) {
	err := func() error {
		em, _, err := start(context.Background(), &flags{config: config}, os.Stderr)
		if err != nil {
			return err
		}
		taken, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		var next atomic.Int64
		failed := make(chan error)
		for range syncGoroutines {
			go func() {
				for {
					channel := fmt.Sprint(prefix, "-", next.Add(1))
					if err := em.EmitSync(context.Background(), webhook.ChannelOccupied(appID, channel)); err != nil {
						failed <- err
						return
					}
					if _, err := taken.WriteString(channel + "\n"); err != nil {
						failed <- err
						return
					}
				}
			}()
		}
		return <-failed
	}()
	fmt.Fprintln(os.Stderr, "panic:", err) // the test looks for it
	os.Exit(1)
}

// loseNothingInSync kills processes that emit in sync, and expects that everything of which
// EmitSync had returned arrives.
func loseNothingInSync(t *testing.T, queue object) {
	sink := newSink(t)
	webhooks := object{"batching": object{"size": 20, "duration": 10}}
	config := writeConfig(t, queue, webhooks, testApp(hookTo(sink.URL)))
	file := filepath.Join(t.TempDir(), "taken")
	for k := range syncKills {
		before := len(linesOf(t, file))
		p := spawnAs(t, "in sync", nil, "-config", config, fmt.Sprint(k), file)
		eventually(t, time.Minute, "EmitSync returns", func() bool { return len(linesOf(t, file)) > before+200+13*k })
		p.kill()
	}
	taken := linesOf(t, file)
	last := spawn(t, nil, "-work", "-config", config)
	missing := func() (channels []string) {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		for _, channel := range taken {
			if sink.got[channel] == nil {
				channels = append(channels, channel)
			}
		}
		return channels
	}
	eventually(t, defaultLease+30*time.Second, "every event of the file arrives", func() bool { return len(missing()) == 0 })
	last.kill() // it may be too young to be told to end
	t.Logf("%d kills, %d events taken, %d arrived", syncKills, len(taken), sink.different())
}

// linesOf returns the whole lines of a file, none if it does not exist.
func linesOf(t *testing.T, name string) (lines []string) {
	t.Helper()
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil
	}
	must(t, err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}

func TestEmitSyncLosesNothingOnRedisWhenKilled(t *testing.T) {
	t.Parallel()
	loseNothingInSync(t, redisQueue(testredis.StartServer(t, testredis.Options{})))
}

func TestEmitSyncLosesNothingOnDiskWhenKilled(t *testing.T) {
	t.Parallel()
	loseNothingInSync(t, diskQueue(t))
}
