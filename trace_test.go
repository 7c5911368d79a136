package webhook

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

func TestTraceDroppedTellsOfAFailedAtMostOnceDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.traits.AtMostOnce = true
		q.onNack = func(ctx context.Context, nacks []queue.Nack) error { // it has no way back
			leases := []queue.Lease{nacks[0].Lease}
			return q.Memory.Ack(ctx, leases)
		}
		var dropped []DroppedInfo
		var attempted []AttemptedInfo
		e := start(t, &endpoint{answer: answers(status(500))}, with(q), func(o *Options) {
			o.Trace = &Trace{
				Dropped:   func(i DroppedInfo) { dropped = append(dropped, i) },
				Attempted: func(i AttemptedInfo) { attempted = append(attempted, i) },
			}
		})
		emit(t, e, occupied(1), occupied(2))
		drain(t, e)
		if s := e.Stats(); s.Dropped != 2 {
			t.Errorf("stats: %+v", s)
		}
		if len(dropped) != 1 || dropped[0].Events != 2 || dropped[0].Err == nil || dropped[0].AppID != "my-app" {
			t.Errorf("Dropped got %+v", dropped)
		}
		if len(attempted) != 1 || attempted[0].Retry {
			t.Errorf("Attempted got %+v", attempted)
		}
	})
}

func TestTraceDeadLetteredCountsTheLastAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var dead []DeadLetteredInfo
		e := start(t, &endpoint{answer: answers(status(500))}, func(o *Options) {
			o.Retry.MaxAttempts = 3
			o.Trace = &Trace{DeadLettered: func(i DeadLetteredInfo) { dead = append(dead, i) }}
		})
		emit(t, e, occupied(1))
		drain(t, e)
		if len(dead) != 1 || dead[0].Attempts != 3 {
			t.Errorf("DeadLettered got %+v, want 3 attempts", dead)
		}
	})
}

func TestFault40PanicsAreRecoveredAndCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		n := 0
		e := start(t, to, func(o *Options) {
			o.Workers = 1
			o.Trace = &Trace{
				Emitted:      func(EmittedInfo) { panic("emitted") },
				Enqueued:     func(EnqueuedInfo) { panic(errors.New("enqueued")) },
				Attempted:    func(AttemptedInfo) { panic("attempted") },
				DeadLettered: func(DeadLetteredInfo) { panic("dead") },
				Dropped:      func(DroppedInfo) { panic("dropped") },
				LaneChanged:  func(LaneChangedInfo) { panic("lane changed") },
			}
			o.Middleware = []dispatch.Middleware{func(next dispatch.Sender) dispatch.Sender {
				return dispatch.SenderFunc(func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
					if n++; n <= 12 { // enough to open the breaker
						panic("middleware")
					}
					return next.Send(ctx, r)
				})
			}}
		})
		for i := range 20 {
			emit(t, e, occupied(i))
			time.Sleep(60 * time.Millisecond)
		}
		drain(t, e)
		s := e.Stats()
		if s.Delivered != 20 || s.Panics < 20+20+12 {
			t.Errorf("stats: %+v", s)
		}
		if got := channels(t, to.got()); len(got) != 20 {
			t.Errorf("%d events arrived", len(got))
		}
	})
}

func TestFault40ASenderThatPanicsFailsItsAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var infos []AttemptedInfo
		var mu sync.Mutex
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome { panic("nil map") }}
		e := start(t, to, func(o *Options) {
			o.Retry.MaxAttempts = 2
			o.Trace = &Trace{Attempted: func(i AttemptedInfo) {
				mu.Lock()
				defer mu.Unlock()
				infos = append(infos, i)
			}}
		})
		emit(t, e, occupied(1))
		drain(t, e)
		mu.Lock()
		defer mu.Unlock()
		if len(infos) != 2 || infos[0].Outcome.Reason != "panic" || !infos[0].Retry || infos[1].Retry || e.Stats().Panics != 2 {
			t.Errorf("attempts: %+v", infos)
		}
	})
}

func TestTraceTellsWhatHappened(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []any
		note := func(info any) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, info)
		}
		a := testApp("http://receiver.test/hook")
		a.Webhooks[0].ID = "main"
		fine := func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			time.Sleep(30 * time.Millisecond)
			if r.Attempt == 1 {
				return status(503)
			}
			return status(200)
		}
		e := start(t, &endpoint{answer: fine}, apps(a), func(o *Options) {
			o.Trace = &Trace{
				Emitted: func(i EmittedInfo) { note(i) }, Enqueued: func(i EnqueuedInfo) { note(i) }, Attempted: func(i AttemptedInfo) { note(i) },
				DeadLettered: func(i DeadLetteredInfo) { note(i) }, Dropped: func(i DroppedInfo) { note(i) },
			}
		})
		emit(t, e, occupied(1), occupied(2))
		drain(t, e)
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 5 {
			t.Fatalf("told %+v", told)
		}
		if want := (EmittedInfo{Event: occupied(1), Webhooks: 1}); told[0] != want {
			t.Errorf("told %+v, want %+v", told[0], want)
		}
		job := told[2].(EnqueuedInfo)
		if job.AppID != "my-app" || job.WebhookID != "main" || job.Events != 2 || job.Bytes < 300 || job.JobID == "" {
			t.Errorf("told %+v", job)
		}
		first, second := told[3].(AttemptedInfo), told[4].(AttemptedInfo)
		if first.JobID != job.JobID || first.Attempt != 1 || first.Events != 2 || first.Duration != 30*time.Millisecond ||
			!first.Retry || first.After < time.Second || first.After > 1250*time.Millisecond || first.Outcome.Status != 503 {
			t.Errorf("told %+v", first)
		}
		if second.Attempt != 2 || second.Retry || second.Outcome.Status != 200 || second.WebhookID != "main" || second.AppID != "my-app" {
			t.Errorf("told %+v", second)
		}
	})
}
