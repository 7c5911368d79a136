package webhook

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// altering is an untrusted queue whose jobs are altered before they are received.
func altering(t *testing.T, alter func(data []byte) []byte) *riggedQueue {
	t.Helper()
	q := rig(t, queue.MemoryOptions{})
	q.onReceive = func(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
		leases, err := q.Memory.Receive(ctx, w)
		for i := range leases {
			leases[i].Data = alter(bytes.Clone(leases[i].Data))
		}
		return leases, err
	}
	return q
}

func replacing(old, by string) func([]byte) []byte {
	return func(data []byte) []byte { return bytes.Replace(data, []byte(old), []byte(by), 1) }
}

func TestFault35AnAlteredJobIsDeadAndNotSent(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string]func([]byte) []byte{
		"a channel":      replacing("channel-1", "channel-2"),
		"the body's end": replacing("]}\n", "]} \n"),
		"time in body":   replacing(`{"time_ms":`, `{"time_ms":1`),
		"time":           replacing(`","time_ms":`, `","time_ms":1`),
		"events":         replacing(`,"events":1,`, `,"events":2,`),
		"id":             replacing(`"id":"0`, `"id":"1`),
		"webhook":        replacing("wh_", "other-"),
		"signature":      replacing(`"signature":"`, `"signature":"0`),
		"mac":            func(d []byte) []byte { d[len(d)-3] ^= 1; return d },
		"mac's case": func(d []byte) []byte {
			i := bytes.LastIndex(d, []byte(`"mac":"`)) + 7
			return append(d[:i:i], bytes.ToUpper(d[i:])...)
		},
		"key": replacing(`"key":"my-key"`, `"key":"second-key"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := altering(t, alter)
				a := testApp("http://receiver.test/hook")
				a.PreviousKeys = []Key{{Key: "second-key", Secret: "second-secret"}}
				second := a.Webhooks[0]
				second.ID, second.URL = "other-5a5eee34d96a", "http://other.test/"
				second.EventTypes = []EventType{TypeCacheMiss}
				a.Webhooks = append(a.Webhooks, second)
				to := &endpoint{}
				e := start(t, to, with(q), apps(a))
				emit(t, e, occupied(1))
				drain(t, e)
				dead := deadLetters(t, e)
				if len(to.got()) != 0 || len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "bad_signature") && !strings.HasPrefix(dead[0].Reason, "unreadable") {
					t.Errorf("%d attempts, dead letters: %.300v", len(to.got()), dead)
				}
			})
		})
	}
}

func TestFault34AJobThatCannotBeReadIsDeadOnce(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string]func([]byte) []byte{
		"nothing":         func([]byte) []byte { return nil },
		"no envelope":     func(d []byte) []byte { return d[:bytes.IndexByte(d, '\n')] },
		"half":            func(d []byte) []byte { return d[:len(d)/2] },
		"no version":      replacing(`{"v":2,`, `{"v":two,`),
		"a huge version":  replacing(`{"v":2,`, `{"v":99999999999999999999,`),
		"another program": func([]byte) []byte { return []byte("{\"jsonrpc\": \"2.0\"}\n{}") },
		"no events":       replacing(`,"events":1,"sig`, `,"events":0,"sig`),
		"many events":     replacing(`,"events":1,"sig`, `,"events":9223372036854775807,"sig`),
		"too many events": replacing(`,"events":1,"sig`, `,"events":9223372036854775808,"sig`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := altering(t, alter)
				to := &endpoint{}
				var told atomic.Int64
				e := start(t, to, with(q), func(o *Options) {
					o.Trace = &Trace{DeadLettered: func(DeadLetteredInfo) { told.Add(1) }}
				})
				emit(t, e, occupied(1))
				drain(t, e)
				time.Sleep(10 * time.Minute)
				dead := deadLetters(t, e)
				if len(to.got()) != 0 || len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "unreadable") || told.Load() != 1 {
					t.Errorf("%d attempts, told %d times, dead letters: %v", len(to.got()), told.Load(), dead)
				}
			})
		})
	}
}

// TestFault34ForeignJobsHarmNobody has a queue that others write to.
func TestFault34ForeignJobsHarmNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		to := &endpoint{}
		e := start(t, to, with(q), unbatched)
		for i := range 1000 {
			job := queue.Job{ID: fmt.Sprint("foreign-", i), Lane: "my-app/wh_5a5eee34d96a", Data: []byte("hello")}
			if err := q.Memory.Enqueue(t.Context(), []queue.Job{job}); err != nil {
				t.Fatal(err)
			}
			emit(t, e, occupied(i))
		}
		drain(t, e)
		time.Sleep(time.Second)
		s := e.Stats()
		if s.Delivered != 1000 || s.Dead != 1000 || s.Adopted != 1000 {
			t.Errorf("stats: %+v", s)
		}
		checkTotals(t, e)
	})
}
