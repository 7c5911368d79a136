package webhook

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// A webhook without a route, whose attempts fail at once before anything is sent, is a dead one
// too: its backlog must cost next to nothing.
func TestABacklogWithoutARouteCostsLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tried atomic.Int64
		to := dispatch.SenderFunc(func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
			if r.URL == "http://good.test/" {
				return dispatch.Outcome{Verdict: dispatch.Delivered, Status: 200}
			}
			tried.Add(1)
			return dispatch.Outcome{Verdict: dispatch.Unsent, Reason: "connect", Err: syscall.ENETUNREACH}
		})
		e := start(t, nil, unbatched, apps(testApp("http://good.test/", "http://noroute.test/")), func(o *Options) { o.HTTP = to })
		const jobs = 200
		for i := range jobs {
			emit(t, e, occupied(i))
		}
		time.Sleep(time.Minute)
		if n := tried.Load(); n > 20*jobs {
			t.Errorf("%d attempts in a minute for %d jobs", n, jobs)
		}
	})
}
