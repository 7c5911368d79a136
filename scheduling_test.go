package webhook

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

func TestSetAppWithAnUnchangedConfigurationChangesNothingInScheduling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		var receives, changes atomic.Int64
		q.onReceive = func(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
			receives.Add(1)
			return q.Memory.Receive(ctx, w)
		}
		a := testApp("http://limited.test/", "http://dead.test/")
		a.Webhooks[0].RateLimit = RateLimit{PerSecond: 1, Burst: 1}
		to := &endpoint{answer: byURL(map[string]func(context.Context, *dispatch.Request) dispatch.Outcome{
			"http://dead.test/": answers(status(500)),
		})}
		e := start(t, to, unbatched, with(q), apps(a), func(o *Options) {
			o.Trace = &Trace{LaneChanged: func(LaneChangedInfo) { changes.Add(1) }}
		})
		for i := range 20 {
			emit(t, e, occupied(i))
		}
		time.Sleep(1500 * time.Millisecond) // one webhook is held, the other waits for a token
		attempts, received, changed := len(to.got()), receives.Load(), changes.Load()
		for range 100 {
			set(t, e, a.clone())
			synctest.Wait()
		}
		if n := len(to.got()); n != attempts || receives.Load() != received || changes.Load() != changed {
			t.Errorf("SetApp made %d attempts, %d Receives and %d changes", n-attempts, receives.Load()-received, changes.Load()-changed)
		}
	})
}

// Two webhooks want the same events, and one is down for an hour: the other one gets every event.
func TestAWebhookThatIsDownCostsTheOthersOfItsEventsNothing(t *testing.T) {
	t.Parallel()
	for name, waits := range map[string]bool{"Emit": false, "EmitWait": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var delivered atomic.Int64
				to := dispatch.SenderFunc(func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
					if r.URL == "http://down.test/" && time.Since(began) < time.Hour {
						return hangs(ctx, r)
					}
					if r.URL == "http://fine.test/" {
						delivered.Add(1)
					}
					return status(200)
				})
				q := memory(t, queue.MemoryOptions{MaxJobs: 2000, MaxBytes: 1 << 20})
				a := testApp("http://down.test/", "http://fine.test/")
				e := start(t, nil, unbatched, with(q), apps(a), func(o *Options) {
					o.HTTP, o.OutboxBytes = to, 1<<20
				})
				const n = 20_000
				for i := range n {
					var err error
					if waits {
						err = e.EmitWait(t.Context(), occupied(i))
					} else {
						err = e.Emit(occupied(i))
					}
					if err != nil {
						t.Fatalf("event %d: %v", i, err)
					}
					time.Sleep(time.Hour / n)
				}
				time.Sleep(time.Second)
				if got := delivered.Load(); got != n {
					t.Errorf("%d of %d events arrived at the webhook that works", got, n)
				}
				drain(t, e)
				s := e.Stats()
				if s.Dropped == 0 || s.Dropped > n || s.Overflowed != 0 || s.Matched != 2*n {
					t.Errorf("stats: %+v", s)
				}
			})
		})
	}
}

// A webhook is not held because of one bad job.
func TestOneJobThatAlwaysTimesOutHoldsNoWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var held atomic.Int64
		to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			if strings.Contains(string(r.Body), `"bad"`) {
				return hangs(ctx, r)
			}
			return takes(20*time.Millisecond)(ctx, r)
		}}
		e := start(t, to, unbatched, func(o *Options) {
			o.Trace = &Trace{LaneChanged: func(i LaneChangedInfo) {
				if i.To == LaneHeld {
					held.Add(1)
				}
			}}
		})
		emit(t, e, occupied(0))
		time.Sleep(time.Second)
		emit(t, e, ChannelOccupied("my-app", "bad"))
		for i := range 3600 {
			emit(t, e, occupied(i))
			time.Sleep(100 * time.Millisecond)
		}
		drain(t, e)
		if s := e.Stats(); held.Load() != 0 || s.Delivered != 3601 || s.Dead != 1 {
			t.Errorf("held %d times, stats: %+v", held.Load(), s)
		}
	})
}

func TestLaneChangedTellsWhatAWebhookGoesThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		var got []LaneChangedInfo
		to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			if since := time.Since(began); since > time.Second && since < 30*time.Second {
				return status(503)
			}
			return status(200)
		}}
		a := testApp("http://receiver.test/hook")
		a.ID, a.Webhooks[0].ID = "an/app", "main"
		e := start(t, to, unbatched, apps(a), func(o *Options) {
			o.Workers = 1
			o.Trace = &Trace{LaneChanged: func(i LaneChangedInfo) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, i)
			}}
		})
		emit(t, e, ChannelOccupied("an/app", "first"))
		time.Sleep(2 * time.Second)
		for range 20 {
			emit(t, e, ChannelOccupied("an/app", "c"))
		}
		drain(t, e)
		mu.Lock()
		defer mu.Unlock()
		var states []string
		for _, i := range got {
			if states = append(states, i.To.String()); i.AppID != "an/app" || i.WebhookID != "main" {
				t.Errorf("told of %q, %q", i.AppID, i.WebhookID)
			}
			if i.To == LaneHeld && (!i.HeldUntil.After(began) || i.Holds < 1 || !strings.Contains(i.Reason, "503")) {
				t.Errorf("told %+v", i)
			}
		}
		if text := strings.Join(states, " "); !strings.HasPrefix(text, "healthy held held") || !strings.HasSuffix(text, "held healthy") {
			t.Errorf("the states were %s", text)
		}
	})
}

func TestAReplayIsSealedAgainUnlessTheJobWasAltered(t *testing.T) {
	t.Parallel()
	for name, altered := range map[string]bool{"genuine": false, "altered": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t, queue.MemoryOptions{})
				gone := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
				to := &endpoint{answer: answers(gone, status(200))}
				e := start(t, to, with(q))
				emit(t, e, occupied(1))
				drain(t, e)
				before := deadLetters(t, e)[0]
				if altered {
					before.Data = replacing("channel-1", "channel-2")(before.Data)
				}
				a := testApp("http://receiver.test/hook")
				a.PreviousKeys = []Key{testKey}
				a.Key, a.Secret = "next-key", "next-secret"
				set(t, e, a)
				job, ok := e.replayJob(&before)
				if ok == altered {
					t.Fatalf("the replay is %+v, %v", job, ok)
				}
				if !altered {
					j, err := parseJob(job.Data)
					if err != nil || job.ID != queue.ReplayID(before.ID) || !j.isAt(job.ID, before.Lane) || j.key != "next-key" || !j.verify(newSigner(a.Secret)) {
						t.Fatalf("the replay is %+v, %v", job, err)
					}
				}
				replayAll(t, e)
				time.Sleep(time.Second)
				if n := e.Stats().Delivered; n != 1 { // the queue has the genuine one
					t.Errorf("%d replays were delivered, dead letters: %v", n, deadLetters(t, e))
				}
			})
		})
	}
}

func TestReplayAllReplaysManyPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"})}
		e := start(t, to, unbatched)
		const n = 3*deadLetterPage + 7
		for i := range n {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		to.mu.Lock()
		to.answer = nil
		to.mu.Unlock()
		if got := replayAll(t, e); got != n {
			t.Errorf("%d replayed", got)
		}
		time.Sleep(time.Minute)
		if s := e.Stats(); s.Delivered != n || len(deadLetters(t, e)) != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// A rate-limited webhook with a long backlog fails five times in between: what failed is tried
// again before what was never tried, so no budget runs out.
func TestFailuresInABacklogLoseNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		to := dispatch.SenderFunc(func(context.Context, *dispatch.Request) dispatch.Outcome {
			if i := n.Add(1); i > 100 && i <= 105 {
				return status(503)
			}
			return status(200)
		})
		a := testApp("http://receiver.test/hook")
		a.Webhooks[0].RateLimit = RateLimit{PerSecond: 10}
		e := start(t, nil, unbatched, apps(a), func(o *Options) { o.HTTP = to })
		for i := range 4000 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if s := e.Stats(); s.Delivered != 4000 {
			t.Errorf("stats: %+v", s)
		}
	})
}
