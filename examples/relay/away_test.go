package main

import (
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
)

// closing is how long the queue waits, when it is closed, for calls that Redis has not answered.
const closing = 5 * time.Second

// What can't be handed over is pending, and relay still ends in time, whatever it was doing.
func TestRelayEndsInTimeWhenRedisIsAway(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "-emit-only", "-work"} {
		for _, paused := range []bool{false, true} {
			t.Run(mode+map[bool]string{false: " killed", true: " paused"}[paused], func(t *testing.T) {
				t.Parallel()
				server := testredis.StartServer(t, testredis.Options{})
				s := newSink(t)
				args := []string{"-drain", "1s", "-config", writeConfig(t, redisQueue(server), oneByOne, testApp(hookTo(s.URL)))}
				if mode != "" {
					args = append(args, mode)
				}
				p := spawn(t, nil, args...)
				admin := server.Client()
				defer admin.Close()
				eventually(t, 20*time.Second, "it is connected", func() bool {
					return admin.Exists(t.Context(), "pushhooks:partitions").Val() == 1
				})
				if paused {
					server.Pause()
				} else {
					server.Kill()
				}
				p.send(occupied("a") + occupied("b"))
				must(t, p.stdin.Close())
				began := time.Now()
				var got *result
				if mode == "-work" {
					<-time.After(200 * time.Millisecond)
					got = p.terminate()
					got.want(exitOK, totals{})
				} else {
					got = p.wait()
					got.want(exitLeft, totals{Emitted: 2, Matched: 2, Pending: 2})
				}
				if took := time.Since(began); took > closing+3*time.Second {
					t.Errorf("it took %v, with a -drain of 1 s", took)
				}
			})
		}
	}
}
