package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestJobsOfAppsThatThisNodeDoesNotKnowHoldNobodyUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		to := &endpoint{answer: takes(time.Second)}
		known, unknown := manyApps("known", 20), manyApps("unknown", 100)
		e := start(t, to, with(q), apps(known...))
		ahead := start(t, &endpoint{}, with(q), apps(unknown...), unbatched, func(o *Options) { o.EmitOnly = true })
		for _, a := range unknown {
			emit(t, ahead, ChannelOccupied(a.ID, "c"), ChannelOccupied(a.ID, "c"), ChannelOccupied(a.ID, "c"))
			time.Sleep(time.Millisecond)
		}
		for _, a := range known {
			emit(t, e, ChannelOccupied(a.ID, "c"))
		}
		// half of the workers serve webhooks that are not known to be well
		time.Sleep(2500 * time.Millisecond)
		if n := len(to.got()); n != len(known) {
			t.Errorf("%d deliveries of the %d apps that it knows", n, len(known))
		}
	})
}

// manyApps makes apps that are alike but for their IDs.
func manyApps(prefix string, n int) []App {
	list := make([]App, n)
	for i := range list {
		list[i] = testApp("http://receiver.test/hook")
		list[i].ID = fmt.Sprint(prefix, "-", i)
	}
	return list
}

func TestAJobOfAnUnknownKeyDoesNotPauseItsLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		ahead := testApp("http://receiver.test/hook")
		ahead.Key = "newer-key"
		first := start(t, &endpoint{}, with(q), apps(ahead), func(o *Options) { o.EmitOnly = true })
		emit(t, first, occupied(1))
		if err := first.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		to := &endpoint{}
		e := start(t, to, with(q), unbatched)
		for i := range 100 {
			emit(t, e, occupied(i))
			time.Sleep(100 * time.Millisecond)
			if n := len(to.got()); n != i+1 {
				t.Fatalf("%d of %d delivered", n, i+1)
			}
		}
	})
}

func TestTwoWebhooksWithOneURLAreTwo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		a := testApp("http://one.test/", "http://one.test/")
		a.Webhooks[0].Headers = Headers{"X-Which": "first"}
		a.Webhooks[1].Headers = Headers{"X-Which": "second"}
		a.Webhooks[1].Filter.ChannelPrefix = "private-"
		e := start(t, to, apps(a))
		emit(t, e, ChannelOccupied("my-app", "public"), ChannelOccupied("my-app", "private-x"))
		drain(t, e)
		got := map[string]int{}
		for _, a := range to.got() {
			got[a.Header.Get("X-Which")] += len(a.payload(t, testKey).Events)
		}
		if got["first"] != 2 || got["second"] != 1 || len(to.got()) != 2 {
			t.Errorf("events: %v", got)
		}
	})
}

func TestAQueuedJobGoesWhereItsWebhookIsNow(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		to := &endpoint{answer: answers(status(500), status(200))}
		a := testApp("http://old.test/")
		a.Webhooks[0].ID = "main"
		a.Webhooks[0].Headers = Headers{"X-Token": "old"}
		e := start(t, to, with(q), apps(a))
		emit(t, e, occupied(1))
		time.Sleep(500 * time.Millisecond)
		a = testApp("http://new.test/")
		a.Webhooks[0].ID = "main"
		a.Webhooks[0].Headers = Headers{"X-Token": "new"}
		set(t, e, a)
		drain(t, e)
		got := to.got()
		if len(got) != 2 || got[0].URL != "http://old.test/" || got[1].URL != "http://new.test/" || got[1].Header.Get("X-Token") != "new" {
			t.Errorf("attempts: %+v", got)
		}
	})
}

func TestJobsOfWhatWasRemovedAreDead(t *testing.T) {
	t.Parallel()
	for reason, change := range map[string]func(t *testing.T, e *Emitter){
		"app_removed":     func(_ *testing.T, e *Emitter) { e.RemoveApp("my-app") },
		"webhook_removed": func(t *testing.T, e *Emitter) { set(t, e, testApp("http://another.test/")) },
		"disabled": func(t *testing.T, e *Emitter) {
			a := testApp("http://receiver.test/hook")
			a.Disabled = true
			set(t, e, a)
		},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			onQueues(t, func(t *testing.T, q queue.Queue) {
				to := &endpoint{answer: answers(status(500))}
				e := start(t, to, with(q), unbatched)
				emit(t, e, occupied(1), occupied(2))
				time.Sleep(500 * time.Millisecond)
				before := len(to.got())
				change(t, e)
				began := time.Now()
				drain(t, e)
				dead := deadLetters(t, e)
				if len(dead) != 2 || !strings.HasPrefix(dead[0].Reason, reason) || !strings.HasPrefix(dead[1].Reason, reason) {
					t.Errorf("dead letters: %v", dead)
				}
				if n := len(to.got()) - before; n != 0 || time.Since(began) > 5*time.Second {
					t.Errorf("%d attempts more, dead after %v", n, time.Since(began))
				}
			})
		})
	}
}

func TestWhatIsRemovedAndSetAgainIsDelivered(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		to := &endpoint{answer: answers(status(500), status(200))}
		e := start(t, to, with(q))
		emit(t, e, occupied(1))
		time.Sleep(500 * time.Millisecond)
		e.RemoveApp("my-app")
		if err := e.Emit(occupied(2)); !errors.Is(err, ErrUnknownApp) {
			t.Errorf("Emit returned %v", err)
		}
		set(t, e, testApp("http://receiver.test/hook"))
		drain(t, e)
		if s := e.Stats(); s.Delivered != 1 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestFault34AJobThatThisNodeDoesNotKnowYetWaitsUncounted(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"app", "webhook", "key"} {
		for _, learns := range []bool{true, false} {
			t.Run(fmt.Sprint(what, ", learns ", learns), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					q := rig(t, queue.MemoryOptions{})
					to := &endpoint{}
					known := testApp("http://known.test/")
					switch what {
					case "app":
						known.ID = "another"
					case "key":
						known = testApp("http://receiver.test/hook")
						known.Key = "older-key"
					}
					e := start(t, to, with(q), apps(known))
					ahead := start(t, &endpoint{}, with(q), func(o *Options) { o.EmitOnly = true })
					emit(t, ahead, occupied(1))
					if err := ahead.Flush(t.Context()); err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					time.Sleep(4 * time.Minute)
					if learns {
						set(t, e, testApp("http://receiver.test/hook"))
						time.Sleep(61 * time.Second)
						got := to.got()
						if len(got) != 1 || got[0].Attempt != 1 {
							t.Errorf("%d attempts; dead letters: %v", len(got), deadLetters(t, e))
						}
						return
					}
					time.Sleep(time.Hour)
					dead := deadLetters(t, e)
					if len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "unknown_"+what) || len(to.got()) != 0 {
						t.Fatalf("%d attempts; dead letters: %v", len(to.got()), dead)
					}
					if after := dead[0].At.Sub(began); after < time.Hour {
						t.Errorf("given up after %v", after)
					}
				})
			})
		}
	}
}

// TestFault37EachEventSeesOneConfiguration alternates between two configurations, each with three
// webhooks: an event goes to all webhooks of one of them.
func TestFault37EachEventSeesOneConfiguration(t *testing.T) {
	t.Parallel()
	const emitters, each = 1000, 20
	configs := []App{
		testApp("http://a1.test/", "http://a2.test/", "http://a3.test/"),
		testApp("http://b1.test/", "http://b2.test/", "http://b3.test/"),
	}
	q := rig(t, queue.MemoryOptions{})
	var mu sync.Mutex
	got := map[string][]string{} // webhooks' identities by channel
	q.onEnqueue = func(_ context.Context, jobs []queue.Job) error {
		mu.Lock()
		defer mu.Unlock()
		for _, job := range jobs {
			j, err := parseJob(job.Data)
			if err != nil {
				t.Error(err)
				continue
			}
			p, err := parsePayload(j.body)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, ev := range p.Events {
				got[ev.Channel] = append(got[ev.Channel], j.webhook)
			}
		}
		return nil
	}
	e := start(t, &endpoint{}, with(q), apps(configs[0]), func(o *Options) { o.EmitOnly = true })
	done := make(chan struct{})
	var changes sync.WaitGroup
	changes.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if i%10 == 9 {
				e.RemoveApp("my-app")
			}
			set(t, e, configs[i%2])
		}
	})
	var emitting sync.WaitGroup
	var took atomic.Int64
	for n := range emitters {
		emitting.Go(func() {
			for i := range each {
				switch err := e.Emit(occupied(n*each + i)); {
				case err == nil:
					took.Add(1)
				case !errors.Is(err, ErrUnknownApp):
					t.Error(err)
				}
			}
		})
	}
	emitting.Wait()
	close(done)
	changes.Wait()
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(got) != int(took.Load()) {
		t.Errorf("%d events taken, %d enqueued", took.Load(), len(got))
	}
	sets := map[string]bool{}
	for _, c := range configs {
		ids := identities(c.Webhooks)
		slices.Sort(ids)
		sets[strings.Join(ids, " ")] = true
	}
	for channel, ids := range got {
		slices.Sort(ids)
		if !sets[strings.Join(ids, " ")] {
			t.Errorf("%s went to %v", channel, ids)
		}
	}
}
