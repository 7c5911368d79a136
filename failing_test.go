package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// infoLog has the emitter write its lines at Info and above to a buffer, as JSON.
func infoLog(to *logBuffer) func(*Options) {
	return func(o *Options) { o.Logger = slog.New(slog.NewJSONHandler(to, nil)) }
}

// linesOf returns the lines with a message.
func (b *logBuffer) linesOf(t *testing.T, message string) (list []map[string]any) {
	t.Helper()
	for _, line := range b.lines(t) {
		if line["msg"] == message {
			list = append(list, line)
		}
	}
	return list
}

// number returns a line's attribute.
func number(t *testing.T, line map[string]any, name string) float64 {
	t.Helper()
	n, ok := line[name].(float64)
	if !ok {
		t.Errorf("%q has the %s %v", line["msg"], name, line[name])
	}
	return n
}

// timeOf returns a line's attribute.
func timeOf(t *testing.T, line map[string]any, name string) time.Time {
	t.Helper()
	text, _ := line[name].(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Errorf("%q has the %s %v", line["msg"], name, line[name])
	}
	return at
}

// flakyEndpoint answers 500 while it is down.
type flakyEndpoint struct{ down atomic.Bool }

func (r *flakyEndpoint) answer(context.Context, *dispatch.Request) dispatch.Outcome {
	if r.down.Load() {
		return status(500)
	}
	return status(200)
}

// crowdApp is an app with n webhooks, each of which wants the events of a channel of its own.
func crowdApp(n int) App {
	a := testApp()
	for i := range n {
		a.Webhooks = append(a.Webhooks, Webhook{
			ID: fmt.Sprintf("w%04d", i), URL: fmt.Sprintf("http://receiver-%d.test/", i), EventTypes: knownTypes,
			Filter: Filter{ChannelPrefix: fmt.Sprintf("channel-%d.", i)},
		})
	}
	return a
}

func TestTheLogTellsOfAnOutageInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, to := &logBuffer{}, &flakyEndpoint{}
		e := start(t, &endpoint{answer: to.answer}, unbatched, infoLog(b))
		emit(t, e, occupied(0))
		time.Sleep(time.Minute)
		if text := b.String(); text != "" {
			t.Errorf("without a failure there is\n%s", text)
		}
		to.down.Store(true)
		began := time.Now()
		for i := range 600 { // ten minutes
			emit(t, e, occupied(i))
			time.Sleep(time.Second)
		}
		to.down.Store(false)
		back := time.Now()
		time.Sleep(5 * time.Minute)
		checkLines(t, b)

		if n := len(b.linesOf(t, lineAttemptFailed)); n != warnedAttempts {
			t.Errorf("%d lines about attempts, want the first %d", n, warnedAttempts)
		}
		failing, held := b.linesOf(t, lineFailing), b.linesOf(t, lineHeld)
		if len(failing) != 1 || len(held) != 1 {
			t.Fatalf("%d lines say that it begins to fail, and %d that it is held", len(failing), len(held))
		}
		if since := timeOf(t, failing[0], "since"); since.Sub(began).Abs() > 5*time.Second || !strings.Contains(failing[0]["reason"].(string), "status 500") {
			t.Errorf("it is failing: %v", failing[0])
		}
		at := timeOf(t, held[0], "time")
		if until := timeOf(t, held[0], "until"); until.Before(at.Add(5*time.Second)) || until.After(at.Add(2*time.Minute)) || number(t, held[0], "holds") < 1 {
			t.Errorf("it is held: %v", held[0])
		}
		still := b.linesOf(t, lineStill)
		if len(still) < 9 || len(still) > 11 {
			t.Errorf("%d lines in ten minutes say that it is still failing", len(still))
		}
		waits := 0.0
		for _, line := range still {
			if n := number(t, line, "waiting"); n < waits {
				t.Errorf("%v jobs wait, after %v a minute before", n, waits)
			} else {
				waits = n
			}
			if since := timeOf(t, line, "since"); since.Sub(began) > 20*time.Second || line["reason"] == "" {
				t.Errorf("it is still failing: %v", line)
			}
		}
		if waits < 200 {
			t.Errorf("at last %v jobs wait", waits)
		}
		works := b.linesOf(t, lineWorks)
		if len(works) != 1 {
			t.Fatalf("%d lines say that it works again", len(works))
		}
		if after := time.Duration(number(t, works[0], "after")); after < back.Sub(began)-20*time.Second || after > back.Sub(began)+3*time.Minute ||
			number(t, works[0], "delivered") < 1 || number(t, works[0], "failed") < 10 {
			t.Errorf("it works again: %v", works[0])
		}
		if !e.log.failing.idle() {
			time.Sleep(2 * time.Minute)
			if !e.log.failing.idle() {
				t.Error("the webhook is remembered after it works again")
			}
		}
	})
}

func TestCrowdsOfFailingWebhooksHaveTenLinesAMinute(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 10, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, to := &logBuffer{}, &flakyEndpoint{}
				to.down.Store(true)
				e := start(t, &endpoint{answer: to.answer}, unbatched, infoLog(b), apps(crowdApp(n)))
				for range 10 {
					for i := range n {
						emit(t, e, ChannelOccupied("my-app", fmt.Sprintf("channel-%d.x", i)))
						emit(t, e, ChannelOccupied("my-app", fmt.Sprintf("channel-%d.y", i)))
					}
					time.Sleep(time.Minute)
				}
				to.down.Store(false)
				time.Sleep(10 * time.Minute)
				checkLines(t, b)
				perMinute := map[string]int{}
				byMessage := map[string]int{}
				for _, line := range b.lines(t) {
					message := line["msg"].(string)
					byMessage[message]++
					if message != lineLeftOut {
						perMinute[message+timeOf(t, line, "time").Format(" 15:04")]++
					}
				}
				t.Logf("%d webhooks: %v", n, byMessage)
				for message, lines := range perMinute {
					if lines > 2*maxLines { // a minute of the clock touches two of the log's
						t.Errorf("%d lines %s", lines, message)
					}
				}
				if n <= maxLines {
					for _, message := range []string{lineFailing, lineHeld, lineWorks} {
						if byMessage[message] != n {
							t.Errorf("%d lines %q of %d webhooks", byMessage[message], message, n)
						}
					}
					if lines := byMessage[lineStill]; lines < 8*n || lines > 12*n {
						t.Errorf("%d lines in ten minutes say that %d webhooks are still failing", lines, n)
					}
					return
				}
				still := 0
				for _, line := range b.linesOf(t, lineLeftOut) {
					if line["line"] != lineStill {
						continue
					}
					if left := number(t, line, "webhooks"); left < float64(n-maxLines) && still < 8 || strings.Count(line["examples"].(string), ", ") != 2 && left > 2 {
						t.Errorf("the line of the others is %v", line)
					}
					still++
				}
				if still < 8 || still > 14 {
					t.Errorf("%d lines stand for those that are still failing", still)
				}
				if all := len(b.lines(t)); all > 20*60 {
					t.Errorf("%d lines in twenty minutes", all)
				}
			})
		})
	}
}

func TestANodeThatDoesNotProbeLogsTheOutage(t *testing.T) {
	t.Parallel()
	for name, emitOnly := range map[string]bool{"worker": false, "emit only": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := rig(t, queue.MemoryOptions{})
				to := &flakyEndpoint{}
				first, second := &logBuffer{}, &logBuffer{}
				var mu sync.Mutex
				var changes []string
				working := start(t, &endpoint{answer: to.answer}, with(q), unbatched, infoLog(first))
				emit(t, working, occupied(0))
				time.Sleep(time.Second)
				to.down.Store(true)
				for i := range 20 {
					emit(t, working, occupied(i))
				}
				time.Sleep(time.Minute) // it is held
				other := start(t, &endpoint{answer: to.answer}, with(q), unbatched, infoLog(second), func(o *Options) {
					o.EmitOnly = emitOnly
					o.Workers = 1
					o.Trace = &Trace{LaneChanged: func(i LaneChangedInfo) {
						mu.Lock()
						defer mu.Unlock()
						changes = append(changes, i.To.String())
					}}
				})
				for range 60 {
					emit(t, other, occupied(1))
					time.Sleep(time.Minute)
				}
				to.down.Store(false)
				time.Sleep(10 * time.Minute)
				a, b := first.linesOf(t, lineStill), second.linesOf(t, lineStill)
				if len(b) < 55 || len(b) > 62 {
					t.Errorf("%d lines in an hour say that it is still failing", len(b))
				}
				if len(second.linesOf(t, lineFailing)) != 1 || len(second.linesOf(t, lineHeld)) != 1 || len(second.linesOf(t, lineWorks)) != 1 {
					t.Errorf("the other node's log is\n%s", second)
				}
				if len(a) == 0 || len(b) == 0 {
					t.Fatalf("%d and %d lines", len(a), len(b))
				}
				if a[len(a)-1]["since"] != b[len(b)-1]["since"] {
					t.Errorf("the nodes disagree:\n%v\n%v", a[len(a)-1], b[len(b)-1])
				}
				checkLines(t, second)
				mu.Lock()
				defer mu.Unlock()
				if text := strings.Join(changes, " "); emitOnly && text != "held healthy" {
					t.Errorf("the states were %s", text)
				}
				if !emitOnly && (!strings.HasPrefix(strings.Join(changes, " "), "held") || changes[len(changes)-1] != "healthy") {
					t.Errorf("the states were %s", changes)
				}
			})
		})
	}
}

// The log and the status say the same of a webhook that fails, on queues that count jobs and on
// those that can't.
func TestTheLogAgreesWithTheStatus(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) queue.Queue{
		"counts": func(t *testing.T) queue.Queue { return rig(t, queue.MemoryOptions{}) },
		"counts nothing": func(t *testing.T) queue.Queue {
			q := rig(t, queue.MemoryOptions{})
			q.traits.SharedLanes = false
			return unsharedQueue{q}
		},
		"counts no delayed jobs": func(t *testing.T) queue.Queue { return halfCounting{rig(t, queue.MemoryOptions{})} },
		"has no list":            func(t *testing.T) queue.Queue { return bareQueue{memory(t, queue.MemoryOptions{})} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := &logBuffer{}
				e := start(t, &endpoint{answer: down("down")}, with(open(t)), unbatched, infoLog(b), apps(named("down")))
				for i := range 30 { // it begins to fail slowly
					emit(t, e, occupied(i))
					time.Sleep(5 * time.Second)
				}
				lines := b.linesOf(t, lineStill)
				if len(lines) == 0 || len(b.linesOf(t, lineFailing)) != 1 {
					t.Fatalf("the log is\n%s", b)
				}
				for len(b.linesOf(t, lineStill)) == len(lines) {
					time.Sleep(time.Second / 10)
				}
				last, s := b.linesOf(t, lineStill)[len(lines)], statusOf(t, e, "down")
				waiting := any("unknown")
				if s.Waiting >= 0 {
					waiting = float64(s.Waiting)
				}
				if (s.Waiting < 0) != (name != "counts") || last["waiting"] != waiting {
					t.Errorf("%v jobs wait, and the log says %v", s.Waiting, last["waiting"])
				}
				began := timeOf(t, b.linesOf(t, lineFailing)[0], "since")
				if name != "has no list" && (!s.FailingSince.Equal(began) && name != "counts nothing" || !timeOf(t, last, "since").Equal(began)) {
					t.Errorf("it fails since %v, and the log says since %v, and later since %v", s.FailingSince, began, last["since"])
				}
			})
		})
	}
}

// halfCounting is a queue that does not count delayed and leased jobs of a lane.
type halfCounting struct{ *riggedQueue }

func (q halfCounting) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	infos, err := q.riggedQueue.Lanes(ctx, after, limit)
	for i := range infos {
		infos[i].Delayed, infos[i].Leased = -1, -1
	}
	return infos, err
}

// After a Resume the log says that the next attempts decide, and not that the webhook still fails.
func TestTheLogTellsThatAWebhookIsResumed(t *testing.T) {
	t.Parallel()
	for _, node := range []int{0, 1} {
		t.Run(fmt.Sprint("by node ", node), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q, b := rig(t, queue.MemoryOptions{}), &logBuffer{}
				to := &endpoint{answer: down("down")}
				a := named("down")
				a.Webhooks[0].Retry.MaxElapsed = time.Hour
				nodes := []*Emitter{
					start(t, to, with(q), unbatched, infoLog(b), apps(a)),
					start(t, to, with(q), unbatched, apps(a), func(o *Options) { o.EmitOnly = true }),
				}
				for i := range 5 { // less than make it held again
					emit(t, nodes[0], occupied(i))
				}
				time.Sleep(5 * time.Minute)
				if len(b.linesOf(t, lineHeld)) != 1 || len(b.linesOf(t, lineStill)) < 4 {
					t.Fatalf("the log is\n%s", b)
				}
				for s := statusOf(t, nodes[0], "down"); s.State != LaneHeld || time.Until(s.HeldUntil) < 20*time.Second; s = statusOf(t, nodes[0], "down") {
					time.Sleep(time.Second)
				}
				resumed, hang := time.Now(), make(chan struct{})
				defer close(hang)
				to.mu.Lock()
				to.answer = func(context.Context, *dispatch.Request) dispatch.Outcome { <-hang; return status(200) }
				to.mu.Unlock()
				if err := nodes[node].Resume(t.Context(), "my-app", "down"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(3 * time.Minute)
				if s := statusOf(t, nodes[0], "down"); s.State != LaneUntried {
					t.Errorf("the status is %+v", s)
				}
				if n := len(b.linesOf(t, lineUndecided)); n != 1 {
					t.Errorf("%d lines say that the next attempts decide", n)
				}
				for _, line := range b.linesOf(t, lineStill) {
					if timeOf(t, line, "time").After(resumed) {
						t.Errorf("%v after it was resumed: %v", timeOf(t, line, "time").Sub(resumed), line)
					}
				}
			})
		})
	}
}

func TestARestartLogsWhatFailsStill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		to := &flakyEndpoint{}
		to.down.Store(true)
		e := start(t, &endpoint{answer: to.answer}, with(q), unbatched)
		for i := range 20 {
			emit(t, e, occupied(i))
		}
		time.Sleep(10 * time.Minute)
		if err := e.Close(); err != nil {
			t.Log(err)
		}
		info, err := q.Lanes(t.Context(), "", 1)
		if err != nil || len(info) != 1 {
			t.Fatal(info, err)
		}
		b := &logBuffer{}
		start(t, &endpoint{answer: to.answer}, with(q), unbatched, infoLog(b), apps(testApp("http://receiver.test/hook", "http://other.test/hook")))
		time.Sleep(70 * time.Second)
		held := append(b.linesOf(t, lineHeld), b.linesOf(t, lineFailing)...)
		if len(held) != 2 {
			t.Fatalf("after a restart the log is\n%s", b)
		}
		for _, line := range held {
			if since := timeOf(t, line, "since"); !since.Equal(info[0].Since) {
				t.Errorf("it fails since %v, and the queue says %v", since, info[0].Since)
			}
			if at := timeOf(t, line, "time"); time.Since(at) < time.Second {
				t.Errorf("the line came late: %v", line)
			}
		}
	})
}

func TestAFlappingWebhookIsToldOfOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &logBuffer{}
		var n atomic.Int64
		to := &endpoint{answer: func(context.Context, *dispatch.Request) dispatch.Outcome {
			if n.Add(1)%8 < 4 { // four failures, four successes
				return status(500)
			}
			return status(200)
		}}
		e := start(t, to, unbatched, infoLog(b))
		for i := range 6000 {
			emit(t, e, occupied(i))
			time.Sleep(100 * time.Millisecond)
		}
		for _, message := range []string{lineFailing, lineWorks} {
			if lines := len(b.linesOf(t, message)); lines < 5 || lines > 22 {
				t.Errorf("%d lines in ten minutes: %s", lines, message)
			}
		}
		if all := len(b.lines(t)); all > 250 {
			t.Errorf("%d lines in ten minutes", all)
		}
	})
}

func TestOneFailureAmongSuccessesIsNoOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &logBuffer{}
		e := start(t, &endpoint{answer: answers(status(500), status(500), status(200))}, unbatched, infoLog(b))
		emit(t, e, occupied(1))
		drain(t, e)
		time.Sleep(5 * time.Minute)
		if lines := b.lines(t); len(lines) != 2 || lines[0]["msg"] != lineAttemptFailed || lines[1]["msg"] != lineAttemptFailed {
			t.Errorf("the log is\n%s", b)
		}
		if !e.log.failing.idle() {
			t.Error("the webhook is remembered")
		}
	})
}

func TestDropsHaveALineAMinuteWithTheirNumber(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &logBuffer{}
		q := rig(t, queue.MemoryOptions{})
		refusal := queue.ErrFull
		q.onEnqueue = func(_ context.Context, jobs []queue.Job) error {
			var failed *queue.BatchError
			for i := range jobs {
				failed = failed.Fail(i, refusal)
			}
			return failed.Err()
		}
		var dropped int
		e := start(t, &endpoint{}, with(q), unbatched, infoLog(b), func(o *Options) {
			o.OutboxBytes = 100_000
			o.Trace = &Trace{Dropped: func(i DroppedInfo) { dropped += i.Events }}
		})
		for range 10 {
			for i := range 1000 {
				if err := e.Emit(occupied(i)); err != nil && !errors.Is(err, ErrOverflow) {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(2 * time.Minute)
		lines, sum := b.linesOf(t, lineDropped), 0.0
		for _, line := range lines {
			if line["reason"] != "no_room" || line["error"] == nil {
				t.Errorf("the line is %v", line)
			}
			sum += number(t, line, "events")
		}
		if len(lines) < 9 || len(lines) > 13 || int(sum) != dropped || dropped < 9000 {
			t.Errorf("%d lines say that %v events were dropped; it was %d", len(lines), sum, dropped)
		}
		if n := len(b.linesOf(t, lineRefused)); n < 10 || n > 13 {
			t.Errorf("%d lines in twelve minutes say that the queue refuses jobs", n)
		}
		checkLines(t, b)
	})
}

func TestEventsThatAreTooLargeForTheQueueHaveALineAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &logBuffer{}
		q := &foulQueue{Memory: memory(t, queue.MemoryOptions{})}
		e := start(t, &endpoint{}, with(q), unbatched, infoLog(b))
		for i := range 600 {
			emit(t, e, occupied(i))
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Minute)
		lines, sum := b.linesOf(t, lineDropped), 0.0
		for _, line := range lines {
			if line["reason"] != "too_large" || line["job"] == nil {
				t.Errorf("the line is %v", line)
			}
			sum += number(t, line, "events")
		}
		if len(lines) < 10 || len(lines) > 12 || sum != 600 {
			t.Errorf("%d lines say that %v events were dropped", len(lines), sum)
		}
	})
}

func TestWhatTheLogKnowsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &logBuffer{}
		e := start(t, &endpoint{}, infoLog(b), apps(crowdApp(maxKnown+500)))
		for _, h := range e.apps.get("my-app").hooks {
			for range 4 {
				e.log.failing.attempted(h, 2, 500, "status")
			}
			e.log.drops.addEvent(h)
		}
		e.log.failing.mu.Lock()
		known := len(e.log.failing.byLane)
		e.log.failing.mu.Unlock()
		if known != maxKnown {
			t.Errorf("%d webhooks are known", known)
		}
		e.log.drops.mu.Lock()
		counted := len(e.log.drops.byHook)
		e.log.drops.mu.Unlock()
		if counted > maxKnown {
			t.Errorf("drops of %d webhooks are counted", counted)
		}
		time.Sleep(2 * time.Minute)
		if lines := b.lines(t); len(lines) > 50 {
			t.Errorf("%d lines", len(lines))
		}
		sum := 0.0
		for _, line := range b.lines(t) {
			if line["msg"] == lineDropped || line["line"] == lineDropped {
				sum += number(t, line, "events")
			}
		}
		if sum != maxKnown+500 {
			t.Errorf("%v events are told of", sum)
		}
		time.Sleep(3 * time.Hour)
		if !e.log.failing.idle() || !e.log.drops.idle() || !e.log.limit.idle() {
			t.Error("they are remembered when nothing more is heard of them")
		}
	})
}
