package scheduler

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// countReceives has the queue count its Receives, and those that the scheduler ended.
func countReceives(q *riggedQueue, latency time.Duration) (receives, ended *atomic.Int64) {
	receives, ended = &atomic.Int64{}, &atomic.Int64{}
	q.onReceive = func(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
		receives.Add(1)
		time.Sleep(latency)
		l, err := q.Memory.Receive(ctx, w)
		if err != nil && ctx.Err() != nil {
			ended.Add(1)
		}
		return l, err
	}
	return receives, ended
}

// stranger opens every job of the lanes that a world does not know as one that makes no attempt.
type stranger struct{ *world }

func (h stranger) Open(t *Task) Job {
	if strings.HasPrefix(t.Lease.Lane, "unknown") {
		return strangeJob{}
	}
	return h.world.Open(t)
}

// strangeJob is given back, uncounted, as a job of an app that this process does not know.
type strangeJob struct{}

func (strangeJob) Rate() Rate     { return Rate{} }
func (strangeJob) Run() Result    { return Result{Action: Retry, Delay: time.Minute} }
func (strangeJob) Settled(Result) {}

func TestJobsOfUnknownWebhooksEndFewReceives(t *testing.T) {
	t.Parallel()
	for _, pollers := range []int{1, 4} {
		t.Run(fmt.Sprint("pollers ", pollers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t)
				receives, ended := countReceives(q, time.Millisecond)
				w := newWorld(t, q)
				w.s = New(q, 20, pollers, stranger{w})
				w.s.Start()
				defer w.stop()
				time.Sleep(time.Second)
				for range 10 {
					for _, lane := range names("unknown", 100) {
						w.emit(lane)
						time.Sleep(10 * time.Millisecond)
					}
				}
				if n := ended.Load(); n > int64(pollers)*210 { // twenty a second
					t.Errorf("%d of %d Receives were ended by 1000 jobs", n, receives.Load())
				}
				w.set("known", takes(time.Millisecond))
				w.emit("known")
				time.Sleep(10 * time.Millisecond)
				if w.count("known") != 1 {
					t.Error("a job of another lane waits")
				}
			})
		})
	}
}

func TestSetRateEndsNoReceiveThatItDoesNotConcern(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		_, ended := countReceives(q, time.Millisecond)
		w := newWorld(t, q)
		w.start(20, 2)
		for _, lane := range names("a", 10) {
			w.emit(lane)
		}
		time.Sleep(10 * time.Second)
		before := ended.Load()
		for i := range 1000 {
			w.s.SetRate(fmt.Sprint("a", i%20), Rate{PerSecond: float64(i%7 + 1)})
			time.Sleep(time.Millisecond)
		}
		if n := ended.Load() - before; n > 0 {
			t.Errorf("%d Receives were ended", n)
		}
		w.stop()
	})
}

func TestRule9ThreeThousandLimitedLanesNeedFewReceives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		receives, _ := countReceives(q, 2*time.Millisecond)
		w := newWorld(t, q)
		w.fallback = takes(0)
		limited := names("limited", 3000)
		w.healthy(limited...)
		for _, lane := range limited {
			w.rates[lane] = Rate{PerSecond: 0.2, Burst: 1}
			for range 3 {
				w.emit(lane)
			}
		}
		w.start(20, 1)
		time.Sleep(12 * time.Second)
		n := w.count("")
		if n < 8500 {
			t.Errorf("%d of 9000 attempts in 12 s", n)
		}
		if r := receives.Load(); r > int64(n) {
			t.Errorf("%d Receives for %d attempts", r, n)
		}
		t.Logf("%d Receives for %d attempts", receives.Load(), n)
		w.stop()
	})
}
