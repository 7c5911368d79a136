package webhook

import (
	"context"
	"testing"
	"testing/synctest"

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
