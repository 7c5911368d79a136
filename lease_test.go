package webhook

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

func TestAnAttemptIsCancelledAtItsLeasesEnd(t *testing.T) {
	t.Parallel()
	for name, extend := range map[string]func(context.Context) error{
		"renewing fails": func(context.Context) error { return errors.New("connection refused") },
		"renewing hangs": hang,
	} {
		for _, failFrom := range []time.Duration{0, 15 * time.Second, 25 * time.Second} {
			t.Run(fmt.Sprint(name, " from ", failFrom), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := rig(t, queue.MemoryOptions{Lease: 30 * time.Second})
					began := time.Now()
					var leased time.Time // by the last extension that worked
					q.onExtend = func(ctx context.Context, l []queue.Lease) error {
						if time.Since(began) >= failFrom {
							return extend(ctx)
						}
						leased = time.Now()
						return q.Memory.Extend(ctx, l)
					}
					ended := make(chan time.Time, 10)
					to := &endpoint{answer: func(ctx context.Context, _ *dispatch.Request) dispatch.Outcome {
						<-ctx.Done()
						ended <- time.Now()
						return timedOut(ctx)
					}}
					// The attempt may take longer than the lease only in this test: options forbid it.
					e := start(t, to, with(q), unbatched)
					e.opts.RequestTimeout = 10 * time.Minute
					leased = time.Now()
					emit(t, e, occupied(1))
					at := <-ended
					if d := at.Sub(leased); d > 30*time.Second || d < 29*time.Second {
						t.Errorf("cancelled %v after the lease began, want 30 s", d)
					}
				})
			})
		}
	}
}
