package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// scenario is a random host, queue and receivers.
type scenario struct {
	*rand.Rand
	mu        sync.Mutex
	delivered map[string]int // how often each event was accepted, by webhook and channel
}

// upTo returns a random number below n.
func (s *scenario) upTo(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.IntN(n)
}

func (s *scenario) chance(percent int) bool { return s.upTo(100) < percent }

func (s *scenario) Send(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
	s.mu.Lock()
	n, pause := s.IntN(100), time.Duration(s.IntN(200))*time.Millisecond
	s.mu.Unlock()
	select {
	case <-time.After(pause):
	case <-ctx.Done():
		return timedOut(ctx)
	}
	switch {
	case n < 15:
		return status(500)
	case n < 18:
		return dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
	case n < 25:
		return dispatch.Outcome{Verdict: dispatch.TooLarge, Status: 413, Reason: "too_large"}
	case n < 30:
		return dispatch.Outcome{Verdict: dispatch.Unsent, Reason: "local"}
	case n < 32:
		panic("random")
	}
	p, err := Verify(r.Body, r.Header, testKey)
	if err != nil {
		return dispatch.Outcome{Verdict: dispatch.Stop, Reason: "unverified", Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ev := range p.Events {
		s.delivered[r.WebhookID+" "+ev.Channel]++
	}
	return status(200)
}

// trouble makes calls of q fail at random, before or after they took effect.
func (s *scenario) trouble(q *riggedQueue) {
	fail := errors.New("random trouble")
	around := func(call func() error) error {
		switch {
		case s.chance(5):
			return fail
		case s.chance(5):
			if err := call(); err != nil {
				return err
			}
			return fail
		}
		return call()
	}
	q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
		return around(func() error { return q.Memory.Enqueue(ctx, jobs) })
	}
	q.onAck = func(ctx context.Context, l []queue.Lease) error {
		return around(func() error { return q.Memory.Ack(ctx, l) })
	}
	q.onNack = func(ctx context.Context, n []queue.Nack) error {
		return around(func() error { return q.Memory.Nack(ctx, n) })
	}
	q.onDead = func(ctx context.Context, l queue.Lease, reason string) error {
		return around(func() error { return q.Memory.DeadLetter(ctx, l, reason) })
	}
	q.onExtend = func(ctx context.Context, l []queue.Lease) error {
		return around(func() error { return q.Memory.Extend(ctx, l) })
	}
}

func TestTheTotalsAddUpWhateverHappens(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	for round := range uint64(12) {
		t.Run(fmt.Sprintf("seed %d,%d", seed, round), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scenario{Rand: rand.New(rand.NewPCG(seed, round)), delivered: map[string]int{}}
				q := rig(t, queue.MemoryOptions{MaxJobs: 50 + s.upTo(1000)})
				q.traits.Durable = s.chance(50)
				s.trouble(q)
				var urls []string
				for i := range 1 + s.upTo(10) {
					urls = append(urls, fmt.Sprintf("http://receiver-%d.test/", i))
				}
				a := testApp(urls...)
				for i := range a.Webhooks {
					a.Webhooks[i].Ordered = s.chance(20)
				}
				e := start(t, nil, with(q), apps(a), func(o *Options) {
					o.HTTP = s
					o.Workers = 1 + s.upTo(30)
					o.Batching.Disabled = s.chance(30)
					o.Retry.MaxElapsed = time.Duration(1+s.upTo(300)) * time.Second
					o.OutboxBytes = int64(20_000 + s.upTo(1_000_000))
				})
				took := int64(0)
				for i := range 300 {
					if err := e.Emit(occupied(i)); err == nil {
						took++
					} else if !errors.Is(err, ErrOverflow) {
						t.Error(err)
					}
					time.Sleep(time.Duration(s.upTo(20)) * time.Millisecond)
					checkTotals(t, e)
				}
				if s.chance(30) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(s.upTo(3000))*time.Millisecond)
					_ = e.Shutdown(ctx)
					cancel()
				} else {
					drain(t, e)
					if st := e.Stats(); st.Pending != 0 || st.Queued != 0 {
						t.Errorf("after draining: %+v", st)
					}
				}
				checkTotals(t, e)
				st := e.Stats()
				if st.Matched != took*int64(len(urls)) || st.Emitted != took {
					t.Errorf("%d events taken for %d webhooks, stats: %+v", took, len(urls), st)
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				if int64(len(s.delivered)) < st.Delivered {
					t.Errorf("%d pairs were accepted, stats: %+v", len(s.delivered), st)
				}
				for pair, n := range s.delivered {
					if n > 1 {
						t.Errorf("%s was accepted %d times", pair, n)
					}
				}
			})
		})
	}
}
