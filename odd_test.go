package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// oddError panics in every method that somebody may call.
type oddError struct{ huge string }

func (e *oddError) Error() string {
	if e.huge != "" {
		return e.huge
	}
	panic("Error")
}
func (e *oddError) Is(error) bool        { panic("Is") }
func (e *oddError) As(any) bool          { panic("As") }
func (e *oddError) Unwrap() error        { panic("Unwrap") }
func (e *oddError) LogValue() slog.Value { panic("LogValue") }
func (e *oddError) String() string       { panic("String") }
func (e *oddError) Format(fmt.State, rune) {
	panic("Format")
}

// goexits ends the goroutine in Error.
type goexits struct{}

func (goexits) Error() string { runtime.Goexit(); return "" }

func TestOddOutcomesOfASenderHarmNothing(t *testing.T) {
	t.Parallel()
	outs := map[string]dispatch.Outcome{
		"typed nil":      {Verdict: dispatch.Retry, Err: (*oddError)(nil)},
		"panics":         {Verdict: dispatch.Retry, Err: &oddError{}},
		"is panics":      {Verdict: dispatch.Retry, Err: &oddError{huge: "x"}},
		"joined":         {Verdict: dispatch.Retry, Err: errors.Join(&oddError{huge: "x"}, &oddError{})},
		"huge":           {Verdict: dispatch.Retry, Reason: strings.Repeat("r", 64<<20), Err: &oddError{huge: strings.Repeat("x", 64<<20)}, Response: strings.Repeat("y", 64<<20)},
		"goexit":         {Verdict: dispatch.Retry, Err: goexits{}},
		"verdict":        {Verdict: 200, Err: &oddError{}},
		"negative after": {Verdict: dispatch.Retry, Status: 429, RetryAfter: math.MinInt64},
		"max after":      {Verdict: dispatch.Retry, Status: 503, RetryAfter: math.MaxInt64},
		"status":         {Verdict: dispatch.Retry, Status: math.MinInt},
		"stop":           {Verdict: dispatch.Stop, Err: &oddError{}, Status: math.MaxInt},
		"too large":      {Verdict: dispatch.TooLarge, Err: &oddError{}},
		"unsent":         {Verdict: dispatch.Unsent, Err: &oddError{}, RetryAfter: math.MaxInt64},
		"delivered":      {Verdict: dispatch.Delivered, Err: &oddError{}, RetryAfter: math.MinInt64, Status: -1},
	}
	for name, out := range outs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := &endpoint{answer: answers(out, out, status(200))}
				var log logBuffer
				e := start(t, to, with(memory(t, queue.MemoryOptions{})), debugLog(&log), func(o *Options) {
					o.Trace = &Trace{Attempted: func(i AttemptedInfo) { _ = i.Outcome.Reason }}
				})
				emit(t, e, occupied(1), occupied(2), occupied(3))
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
				defer cancel()
				if err := e.Drain(ctx); err != nil {
					t.Errorf("Drain: %v; %+v", err, e.Stats())
				}
				checkTotals(t, e)
				if n := len(log.String()); n > 1<<20 {
					t.Errorf("the log has %d bytes", n)
				}
				for _, d := range deadLetters(t, e) {
					if len(d.Reason) > 4<<10 {
						t.Errorf("a dead letter's reason has %d bytes", len(d.Reason))
					}
				}
			})
		})
	}
}

func TestOddQueuesHarmNothing(t *testing.T) {
	t.Parallel()
	type receive func(q *riggedQueue, l []queue.Lease) ([]queue.Lease, error)
	receives := map[string]receive{
		"empty":       func(*riggedQueue, []queue.Lease) ([]queue.Lease, error) { return []queue.Lease{}, nil },
		"duplicates":  func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) { return append(l, l...), nil },
		"zero leases": func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) { return append(l, queue.Lease{}), nil },
		"foreign": func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) {
			return append(l, queue.Lease{Job: queue.Job{ID: "x", Lane: "no/lane", Data: []byte("{}")}, Receipt: "y", Until: time.Now().Add(time.Minute)}), nil
		},
		"past": func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) {
			for i := range l {
				l[i].Until = time.Now().Add(-time.Hour)
			}
			return l, nil
		},
		"far future": func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) {
			for i := range l {
				l[i].Until = time.Unix(1<<40, 0)
				l[i].Age = math.MaxInt64
			}
			return l, nil
		},
		"negative": func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) {
			for i := range l {
				l[i].Age, l[i].Attempts, l[i].Holds, l[i].Health = math.MinInt64, math.MinInt, math.MinInt, -5
				l[i].First = time.Unix(-1<<40, 0)
			}
			return l, nil
		},
		"all probes": func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) {
			for i := range l {
				l[i].Probe, l[i].Health, l[i].Holds = true, 77, math.MaxInt
			}
			return l, nil
		},
		"with error":  func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) { return l, errors.New("odd") },
		"odd error":   func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) { return l, &oddError{} },
		"typed nil":   func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) { return l, (*queue.BatchError)(nil) },
		"panics":      func(*riggedQueue, []queue.Lease) ([]queue.Lease, error) { panic("receive") },
		"panics odd":  func(*riggedQueue, []queue.Lease) ([]queue.Lease, error) { panic(&oddError{}) },
		"exits":       func(*riggedQueue, []queue.Lease) ([]queue.Lease, error) { runtime.Goexit(); return nil, nil },
		"closed once": func(_ *riggedQueue, l []queue.Lease) ([]queue.Lease, error) { return l, queue.ErrClosed },
	}
	for name, odd := range receives {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t, queue.MemoryOptions{})
				var n atomic.Int64
				q.onReceive = func(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
					l, err := q.Memory.Receive(ctx, w)
					if err == nil && n.Add(1)%3 == 1 {
						return odd(q, l)
					}
					return l, err
				}
				e := start(t, &endpoint{answer: takes(10 * time.Millisecond)}, with(q), unbatched)
				for i := range 30 {
					emit(t, e, occupied(i))
					time.Sleep(time.Second)
				}
				time.Sleep(10 * time.Minute)
				s := e.Stats()
				if s.Delivered+s.Dead < 30 {
					t.Errorf("%+v", s)
				}
				_ = endsInTime(t, e, false)
			})
		})
	}
}

func TestOddAnswersOfAQueueHarmNothing(t *testing.T) {
	t.Parallel()
	// about a call that has done nothing
	honest := map[string]bool{"odd": true, "panic": true, "exit": true, "too large": true, "healthy": true}
	errs := map[string]func() error{
		"batch of nothing": func() error { return &queue.BatchError{} },
		"batch of nil":     func() error { return &queue.BatchError{Failed: map[int]error{0: nil}} },
		"batch beyond": func() error {
			return &queue.BatchError{Failed: map[int]error{-1: queue.ErrFull, 1 << 40: queue.ErrLeaseLost}}
		},
		"typed nil":    func() error { return (*queue.BatchError)(nil) },
		"odd":          func() error { return &oddError{} },
		"odd in batch": func() error { return &queue.BatchError{Failed: map[int]error{0: &oddError{}}} },
		"panic":        func() error { panic(&oddError{}) },
		"exit":         func() error { runtime.Goexit(); return nil },
		"lost":         func() error { return queue.ErrLeaseLost },
		"too large":    func() error { return queue.ErrTooLarge },
		"healthy":      func() error { return queue.ErrLaneHealthy },
	}
	for name, odd := range errs {
		for _, once := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " at most once ", once), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { oddAnswers(t, odd, once, !once && honest[name]) })
			})
		}
	}
}

func oddAnswers(t *testing.T, odd func() error, once, addsUp bool) {
	q := rig(t, queue.MemoryOptions{})
	q.traits.AtMostOnce = once
	var n atomic.Int64
	some := func(f func() error) error {
		if n.Add(1)%3 == 1 {
			return odd()
		}
		return f()
	}
	q.onEnqueue = func(ctx context.Context, j []queue.Job) error {
		return some(func() error { return q.Memory.Enqueue(ctx, j) })
	}
	q.onAck = func(ctx context.Context, l []queue.Lease) error {
		return some(func() error { return q.Memory.Ack(ctx, l) })
	}
	q.onNack = func(ctx context.Context, l []queue.Nack) error {
		return some(func() error { return q.Memory.Nack(ctx, l) })
	}
	q.onRelease = func(ctx context.Context, l []queue.Lease) error {
		return some(func() error { return q.Memory.Release(ctx, l) })
	}
	q.onExtend = func(ctx context.Context, l []queue.Lease) error {
		return some(func() error { return q.Memory.Extend(ctx, l) })
	}
	q.onDead = func(ctx context.Context, l queue.Lease, r string) error {
		return some(func() error { return q.Memory.DeadLetter(ctx, l, r) })
	}
	var a atomic.Int64
	to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
		switch a.Add(1) % 4 {
		case 0:
			return status(500)
		case 1:
			return dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
		case 2:
			return takes(20*time.Second)(ctx, r)
		}
		return status(200)
	}}
	e := start(t, to, with(q), unbatched, func(o *Options) { o.RequestTimeout = 24 * time.Second })
	var emitting sync.WaitGroup
	for range 2 {
		emitting.Go(func() {
			for i := range 30 {
				_ = e.Emit(occupied(i))
				time.Sleep(time.Second)
			}
		})
	}
	emitting.Wait()
	time.Sleep(30 * time.Minute)
	s := e.Stats()
	if s.Delivered+s.Dead+s.Dropped == 0 || len(to.got()) == 0 {
		t.Errorf("nothing moves: %+v", s)
	}
	if addsUp && s.Matched+s.Adopted != s.Delivered+s.Dead+s.Dropped+s.Pending+s.Queued {
		t.Errorf("totals: %+v", s)
	}
	_ = endsInTime(t, e, false)
}
