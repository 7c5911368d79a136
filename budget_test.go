package webhook

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

func TestAReplayAfterAnOutageGetsAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		to := &endpoint{}
		to.answer = func(context.Context, *dispatch.Request) dispatch.Outcome {
			if up.Load() {
				return status(200)
			}
			return status(500)
		}
		e := start(t, to, unbatched)
		for i := range 20 {
			emit(t, e, occupied(i))
		}
		drain(t, e) // all of them become dead letters
		time.Sleep(time.Hour)
		up.Store(true)
		replayAll(t, e)
		time.Sleep(10 * time.Minute)
		if s := e.Stats(); s.Delivered != 20 {
			t.Errorf("%d of 20 replayed jobs were delivered by a healthy endpoint", s.Delivered)
		}
	})
}

func TestAQueuesOutageKillsNothingAtAnEndpointThatIsUpAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		var up, away atomic.Bool
		q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
			if away.Load() {
				return errors.New("connection refused")
			}
			return q.Memory.Enqueue(ctx, jobs)
		}
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			if up.Load() {
				return status(200)
			}
			return status(500)
		}}
		e := start(t, to, with(q), unbatched)
		for i := range 20 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		up.Store(true)
		time.Sleep(24 * time.Hour)
		before, dead := len(to.got()), e.Stats().Dead
		away.Store(true)
		for i := range 20 {
			emit(t, e, occupied(i))
		}
		time.Sleep(6 * time.Minute)
		away.Store(false)
		time.Sleep(time.Hour)
		if s := e.Stats(); s.Delivered != 20 {
			t.Errorf("%d attempts at a healthy endpoint; %d of 20 new events are dead letters", len(to.got())-before, s.Dead-dead)
		}
	})
}

// gated is a node's view of a shared queue: shut, it receives nothing.
type gated struct {
	*riggedQueue
	shut atomic.Bool
}

func (g *gated) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	for {
		if g.shut.Load() {
			select {
			case <-time.After(time.Second):
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		l, err := g.riggedQueue.Receive(short, w)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return l, err
		}
	}
}

func TestANodeThatLagsKillsNothingAtFirstSight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		g := &gated{riggedQueue: q}
		producer := start(t, &endpoint{}, with(q), unbatched, func(o *Options) { o.EmitOnly = true })
		start(t, &endpoint{}, with(g), apps(), unbatched)
		emit(t, producer, occupied(1))
		time.Sleep(2 * time.Second) // it has seen one job of the app, and left it to others
		g.shut.Store(true)
		knows := start(t, &endpoint{}, with(q))
		time.Sleep(time.Minute)
		if s := knows.Stats(); s.Delivered != 1 {
			t.Fatalf("set-up: %+v", s)
		}
		_ = knows.Close()
		time.Sleep(time.Hour)
		emit(t, producer, occupied(2))
		time.Sleep(6 * time.Minute) // a backlog: nobody received for 6 minutes
		g.shut.Store(false)
		time.Sleep(3 * time.Second)
		for _, d := range deadLetters(t, producer) {
			t.Errorf("dead at first sight: %s, first lease %v ago", d.Reason, time.Since(d.First))
		}
	})
}

func TestAQueueWithItsOwnRetryRetriesHoweverLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.traits.OwnRetry = true
		q.onNack = func(ctx context.Context, nacks []queue.Nack) error {
			for i := range nacks {
				if nacks[i].Counted {
					nacks[i].Delay = max(nacks[i].Delay, 6*time.Minute)
				}
			}
			return q.Memory.Nack(ctx, nacks)
		}
		to := &endpoint{answer: answers(status(500), status(200))}
		e := start(t, to, with(q))
		emit(t, e, occupied(1))
		time.Sleep(20 * time.Minute)
		s := e.Stats()
		if s.Delivered != 1 {
			t.Errorf("one failure, then a healthy endpoint: %+v", s)
			for _, d := range deadLetters(t, e) {
				t.Errorf("dead: %s attempts=%d", d.Reason, d.Attempts)
			}
		}
	})
}
