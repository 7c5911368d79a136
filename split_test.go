package webhook

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// refusesAbove answers 413 to bodies of more than this size.
func refusesAbove(size int) func(context.Context, *dispatch.Request) dispatch.Outcome {
	return func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
		if len(r.Body) > size {
			return dispatch.Outcome{Verdict: dispatch.TooLarge, Status: 413, Reason: "too_large"}
		}
		return status(200)
	}
}

func TestFault16ABatchThatIsTooLargeIsHalvedUntilItFits(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){
		"memory":  func(*Options) {},
		"ordered": func(o *Options) { o.Apps[0].Webhooks[0].Ordered = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := &endpoint{answer: refusesAbove(500)}
				e := start(t, to, change)
				for i := range 100 {
					emit(t, e, occupied(i))
				}
				drain(t, e)
				accepted := map[string]int{}
				ids := map[string]int{}
				last := -1
				for _, a := range to.got() {
					if len(a.Body) > 500 {
						continue
					}
					ids[a.JobID]++
					for _, ev := range a.payload(t, testKey).Events {
						accepted[ev.Channel]++
						var n int
						if _, err := fmt.Sscanf(ev.Channel, "channel-%d", &n); err != nil {
							t.Fatal(err)
						}
						if name == "ordered" && n != last+1 {
							t.Errorf("event %d after %d", n, last)
						}
						last = n
					}
				}
				for i := range 100 {
					if n := accepted[fmt.Sprintf("channel-%d", i)]; n != 1 {
						t.Errorf("event %d was accepted %d times", i, n)
					}
				}
				for id, n := range ids {
					if n != 1 {
						t.Errorf("%d requests with the id %s", n, id)
					}
				}
				if s := e.Stats(); s.Delivered != 100 || s.Dead != 0 {
					t.Errorf("stats: %+v", s)
				}
			})
		})
	}
}

func TestFault16ASingleEventThatIsTooLargeGoesToTheDeadLetters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: refusesAbove(1000)}
		e := start(t, to)
		for i := range 20 {
			emit(t, e, occupied(i))
		}
		emit(t, e, ClientEvent("my-app", "private-large", ClientMessage{Name: "client-x", Data: strings.Repeat("x", 2000), SocketID: "1.1"}))
		for i := range 20 {
			emit(t, e, occupied(20+i))
		}
		drain(t, e)
		dead := deadLetters(t, e)
		if len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "too_large") {
			t.Errorf("dead letters: %+v", dead)
		}
		if s := e.Stats(); s.Delivered != 40 || s.Dead != 1 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestTheSizeThatAReceiverAcceptsIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: refusesAbove(2000)}
		e := start(t, to, func(o *Options) { o.Workers = 1 })
		refused := func() (n int) {
			for _, a := range to.got() {
				if len(a.Body) > 2000 {
					n++
				}
			}
			return n
		}
		for i := range 100 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		first := refused()
		if first == 0 {
			t.Fatal("nothing was refused")
		}
		for i := range 1000 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if n := refused() - first; n > 1 { // the size is learned by halving
			t.Errorf("%d more requests were too large, although the receiver's limit was known", n)
		}
		learned := refused()
		for i := range 1000 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if n := refused() - learned; n != 0 {
			t.Errorf("%d more requests were too large in the end", n)
		}
		if s := e.Stats(); s.Delivered != 2100 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestOneEventThatIsTooLargeSaysNothingOfSmallBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: refusesAbove(10_000)}
		e := start(t, to)
		emit(t, e, ClientEvent("my-app", "private-large", ClientMessage{Name: "client-x", Data: strings.Repeat("x", 10_000), SocketID: "1.1"}))
		drain(t, e)
		before := len(to.got())
		for i := range 100 { // makes a body of about 6 KB
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if n := len(to.got()) - before; n != 1 {
			t.Errorf("%d requests for a batch that the receiver accepts", n)
		}
	})
}

func TestHalvesKeepWhatTheJobHad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: refusesAbove(300)}
		q := rig(t, queue.MemoryOptions{})
		e := start(t, to, with(q))
		emit(t, e, occupied(1), occupied(2), occupied(3), occupied(4))
		drain(t, e)
		got := to.got()
		whole := got[0]
		for _, a := range got[1:] {
			if !strings.HasPrefix(a.JobID, whole.JobID+"-") || a.Attempt != 1 || a.WebhookID != whole.WebhookID {
				t.Errorf("a part has id %s, attempt %d, webhook %s; the whole has %s", a.JobID, a.Attempt, a.WebhookID, whole.JobID)
			}
			if p := a.payload(t, testKey); p.TimeMS != whole.payload(t, testKey).TimeMS {
				t.Errorf("a part has time_ms %d", p.TimeMS)
			}
		}
	})
}
