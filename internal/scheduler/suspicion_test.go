package scheduler

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// offline has every attempt of w fail before anything is sent, after a time.
func (w *world) offline(took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fallback = func(ctx context.Context, task *Task) Result {
		time.Sleep(took)
		r := unsent(ctx, task)
		r.Counted = true // which a process that suspects itself overrides
		return r
	}
}

func TestRule7AProcessWithoutNetworkSuspectsItself(t *testing.T) {
	t.Parallel()
	for _, took := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			lanes := names("lane", 30)
			w.healthy(lanes...)
			w.offline(took)
			w.start(20, 2)
			w.every(10*time.Second, 15*time.Minute, lanes...)
			time.Sleep(time.Minute)
			if !w.s.Suspect() {
				t.Fatal("the process does not suspect itself")
			}
			w.mu.Lock()
			w.attempts = nil
			w.mu.Unlock()
			time.Sleep(5 * time.Minute)
			events := w.events()
			if n := len(events); n < 15 || n > 40 {
				t.Errorf("%d attempts in five minutes, want one in 10 s at most", n)
			}
			for i, e := range events {
				if i > 0 && e.lane == events[i-1].lane {
					t.Errorf("two attempts in a row were to %s", e.lane)
				}
				if i > 0 && e.began.Before(events[i-1].end) {
					t.Error("two attempts at once")
				}
			}
			if s := stats(t, w.q); s.Leased > 1 {
				t.Errorf("%d jobs are leased, want at most 1", s.Leased)
			}
			w.mu.Lock()
			w.fallback = takes(5 * time.Millisecond)
			w.mu.Unlock()
			time.Sleep(time.Minute)
			if w.s.Suspect() {
				t.Error("the process still suspects itself")
			}
			if s := stats(t, w.q); s.Ready > 0 {
				t.Errorf("%d jobs still wait", s.Ready)
			}
			for _, c := range w.seen() {
				t.Errorf("a lane changed: %s", c)
			}
			for _, e := range events {
				if e.result.Action != Retry {
					t.Errorf("a job was given up: %+v", e.result)
				}
			}
			w.stop()
		})
	}
}

func TestRule7CountsNoAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.offline(0)
		w.start(20, 1)
		for _, lane := range names("lane", 5) {
			w.emit(lane)
		}
		time.Sleep(5 * time.Minute)
		w.s.Stop(t.Context())
		leases, err := w.q.Receive(t.Context(), queue.Want{Max: 10, MaxPerLane: 10, MaxUntried: 10, MaxFailing: 10})
		if err != nil || len(leases) == 0 {
			t.Fatal(leases, err)
		}
		for _, l := range leases {
			if l.Attempts > 1 { // one may have been counted before
				t.Errorf("job %s has %d attempts", l.ID, l.Attempts)
			}
		}
	})
}

func TestRule7TwoHostsAreNotEnough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.offline(0)
		w.start(20, 1)
		for range 10 {
			w.emit("a")
			w.emit("b")
		}
		time.Sleep(time.Minute)
		if w.s.Suspect() {
			t.Error("the process suspects itself because of two hosts")
		}
		w.stop()
	})
}

func TestRule7OneHostThatAnswersIsEnough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.offline(0)
		w.set("works", takes(5*time.Millisecond))
		w.healthy("works")
		w.start(20, 1)
		w.every(time.Second, time.Minute, append(names("lane", 10), "works")...)
		suspected := 0
		for range 60 {
			time.Sleep(time.Second)
			if w.s.Suspect() {
				suspected++
			}
		}
		if list := w.waits("works"); suspected > 5 || p99(list) > 5*time.Second {
			t.Errorf("suspect for %d of 60 s, the one that works waits %v", suspected, p99(list))
		}
		w.stop()
	})
}

func TestRule7AProcessWithoutNetworkBesideAHealthyOne(t *testing.T) {
	t.Parallel()
	for _, took := range []time.Duration{0, 3 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			q := rig(t)
			good, bad := newWorld(t, q), newWorld(t, q)
			lanes := names("lane", 30)
			good.healthy(lanes...)
			bad.offline(took)
			good.start(20, 1)
			bad.start(20, 1)
			good.every(time.Second, 5*time.Minute, lanes...)
			for range 5 * 60 {
				time.Sleep(time.Second)
				for _, l := range lanes {
					if info := good.held(l); info.Health != queue.Healthy {
						t.Fatalf("after a while lane %s is %+v", l, info)
					}
				}
			}
			time.Sleep(30 * time.Second)
			good.mu.Lock()
			sent := len(good.sent)
			good.mu.Unlock()
			if n := good.delivered(); n != sent {
				t.Errorf("%d of %d delivered", n, sent)
			}
			for _, e := range good.events() {
				if e.result.Action != Ack {
					t.Errorf("%+v", e)
				}
			}
			t.Logf("%d jobs, %d attempts of the process without network", sent, bad.count(""))
			good.stop()
			bad.stop()
		})
	}
}

func TestH4ARefusedHoldHoldsTheLaneForThisProcessAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		good, bad := newWorld(t, q), newWorld(t, q)
		good.healthy("a", "b")
		bad.set("a", hangs) // a firewall
		good.start(20, 1)
		bad.start(20, 1)
		good.every(200*time.Millisecond, 10*time.Minute, "a")
		good.every(time.Second, 10*time.Minute, "b")
		time.Sleep(2 * time.Minute)
		before := bad.count("a")
		time.Sleep(8 * time.Minute)
		if n := bad.count("a") - before; n > 8 || n < 3 {
			t.Errorf("the process behind the firewall made %d attempts in 8 minutes, want one in 2 minutes", n)
		}
		if n := bad.count("b"); n == 0 {
			t.Error("it made none for the other lane")
		}
		for _, c := range append(good.seen(), bad.seen()...) {
			if strings.HasPrefix(c, "a:") && strings.Contains(c, "held") {
				t.Errorf("the lane was held for everyone: %s", c)
			}
		}
		if info := good.held("a"); info.Holds > 0 {
			t.Errorf("the lane is %+v", info)
		}
		t.Logf("p99 %v; changes: %q", p99(good.waits("a")), append(good.seen(), bad.seen()...))
		good.stop()
		bad.stop()
	})
}

func TestALaneHeldElsewhereIsLearned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		a, b := newWorld(t, q), newWorld(t, q)
		var back atomic.Bool
		for _, w := range []*world{a, b} {
			w.fallback = func(ctx context.Context, task *Task) Result {
				if back.Load() {
					return takes(time.Millisecond)(ctx, task)
				}
				return failure(task)
			}
			w.start(4, 1)
		}
		for range 200 {
			a.emit("lane")
		}
		time.Sleep(5 * time.Minute)
		if n := a.count("") + b.count(""); n > 20+10 {
			t.Errorf("two processes made %d attempts in 5 minutes, want those until the hold and the probes", n)
		}
		back.Store(true)
		time.Sleep(3 * time.Minute)
		if n := a.delivered() + b.delivered(); n != 200 {
			t.Errorf("%d of 200 delivered", n)
		}
		a.stop()
		b.stop()
	})
}

func TestAFailedProbeIsItsOwnSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t)
		var updates []queue.LaneUpdate
		q.onSetLane = func(ctx context.Context, u queue.LaneUpdate) error {
			updates = append(updates, u)
			return q.Memory.SetLane(ctx, u)
		}
		w := newWorld(t, q)
		w.set("a", refuses)
		w.start(1, 1)
		for range 30 {
			w.emit("a")
		}
		time.Sleep(35 * time.Second)
		events := w.events()
		if len(updates) < 2 || len(events) < 11 {
			t.Fatalf("%d updates, %d attempts", len(updates), len(events))
		}
		if updates[0].Since.ID != events[0].id || updates[1].Since.ID != events[10].id {
			t.Errorf("Since is %s and %s, want the first failure %s and the probe %s",
				updates[0].Since.ID, updates[1].Since.ID, events[0].id, events[10].id)
		}
		if !updates[1].Since.Probe || updates[0].Since.Data != nil {
			t.Errorf("updates: %+v", updates[:2])
		}
		w.stop()
	})
}
