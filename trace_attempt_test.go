package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// recorder keeps what a Trace is told.
type recorder struct {
	mu      sync.Mutex
	started []AttemptStartedInfo
	ended   []AttemptedInfo
	dead    []DeadLetteredInfo
	split   []SplitInfo
	order   []string
}

func (r *recorder) trace(o *Options) {
	note := func(what string, add func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.order = append(r.order, what)
		add()
	}
	o.Trace = &Trace{
		AttemptStarted: func(i AttemptStartedInfo) { note("started", func() { r.started = append(r.started, i) }) },
		Attempted:      func(i AttemptedInfo) { note("ended", func() { r.ended = append(r.ended, i) }) },
		DeadLettered:   func(i DeadLetteredInfo) { note("dead", func() { r.dead = append(r.dead, i) }) },
		Split:          func(i SplitInfo) { note("split", func() { r.split = append(r.split, i) }) },
	}
}

func TestAttemptCountsAgreeEverywhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r := &logBuffer{}, &recorder{}
		outcomes := []dispatch.Outcome{
			status(500), {Verdict: dispatch.Unsent, Reason: "no_route", Err: errors.New("no route")}, status(500), status(500),
		}
		to := &endpoint{answer: answers(outcomes...)}
		e := start(t, to, unbatched, jsonLog(b), r.trace, func(o *Options) { o.Retry.MaxAttempts = 4 })
		emit(t, e, occupied(1))
		drain(t, e)
		want := []int{1, 2, 2, 3, 4} // what was not sent was no attempt
		var sent, logged, started, ended []int
		for _, a := range to.got() {
			sent = append(sent, a.Attempt)
		}
		for _, line := range b.linesOf(t, lineAttemptFailed) {
			logged = append(logged, int(number(t, line, "attempt")))
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range r.ended {
			started, ended = append(started, r.started[i].Attempt), append(ended, r.ended[i].Attempt)
		}
		for name, got := range map[string][]int{"requests": sent, "log": logged, "AttemptStarted": started, "Attempted": ended} {
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
		if text := strings.Join(r.order, " "); text != strings.Repeat("started ended ", 5)+"dead" {
			t.Errorf("told in the order %s", text)
		}
		letters := 0
		for d, err := range e.DeadLetters(t.Context(), DeadLetterQuery{}) {
			if letters++; err != nil || d.Attempts != 4 {
				t.Errorf("the dead letter is %+v, %v", d, err)
			}
		}
		if dead := b.linesOf(t, lineDead); letters != 1 || len(dead) != 1 || number(t, dead[0], "attempts") != 4 || r.dead[0].Attempts != 4 {
			t.Errorf("dead letters: %d, %v, %+v", letters, dead, r.dead)
		}
		if a := r.started[0]; a.AppID != "my-app" || a.JobID != r.ended[0].JobID || a.Events != 1 || a.Bytes < 50 {
			t.Errorf("AttemptStarted got %+v", a)
		}
	})
}

func TestAJobGivenUpWithoutAnAttemptCountsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, r := &logBuffer{}, &recorder{}
		e := start(t, &endpoint{answer: answers(status(500))}, unbatched, jsonLog(b), r.trace)
		emit(t, e, occupied(1))
		time.Sleep(500 * time.Millisecond) // one attempt
		e.RemoveApp("my-app")
		time.Sleep(time.Minute)
		r.mu.Lock()
		defer r.mu.Unlock()
		dead := b.linesOf(t, lineDead)
		for d, err := range e.DeadLetters(t.Context(), DeadLetterQuery{}) {
			if err != nil || len(dead) != 1 || d.Attempts != 1 || r.dead[0].Attempts != 1 || number(t, dead[0], "attempts") != 1 {
				t.Errorf("one attempt was made: %+v, %v, %v, %+v", d, err, dead, r.dead)
			}
		}
	})
}

func TestTraceTellsOfRetriesAndTheirDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, to := &recorder{}, &endpoint{answer: answers(status(500), status(500), status(200))}
		e := start(t, to, unbatched, r.trace)
		emit(t, e, occupied(1))
		drain(t, e)
		got := to.got()
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, a := range r.ended {
			if a.Retry != (i < 2) || i < 2 && got[i+1].at.Sub(got[i].at)-a.After > 10*time.Millisecond {
				t.Errorf("attempt %d is repeated: %v, after %v", i+1, a.Retry, a.After)
			}
		}
	})
}

func TestTraceTellsOfSplits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		to := &endpoint{answer: func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
			if strings.Count(string(r.Body), `"name"`) > 1 {
				return dispatch.Outcome{Verdict: dispatch.TooLarge, Status: 413, Reason: "status", Err: errors.New("status 413")}
			}
			return status(200)
		}}
		e := start(t, to, r.trace)
		emit(t, e, occupied(1), occupied(2))
		drain(t, e)
		r.mu.Lock()
		if len(r.split) != 1 {
			t.Fatalf("Split got %+v", r.split)
		}
		s := r.split[0]
		r.mu.Unlock()
		if s.AppID != "my-app" || s.Events != 2 || !slices.Equal(s.Parts, []string{s.JobID + "-0", s.JobID + "-1"}) || s.Reason != "too_large" {
			t.Errorf("Split got %+v", s)
		}

		q, r := rig(t, queue.MemoryOptions{}), &recorder{}
		q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
			var failed *queue.BatchError
			for i, j := range jobs {
				if strings.Count(string(j.Data), `"name"`) > 1 {
					failed = failed.Fail(i, queue.ErrTooLarge)
				} else if err := q.Memory.Enqueue(ctx, jobs[i:i+1]); err != nil {
					return err
				}
			}
			return failed.Err()
		}
		b := &logBuffer{}
		e = start(t, &endpoint{}, with(q), r.trace, infoLog(b))
		emit(t, e, occupied(1), occupied(2))
		drain(t, e)
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.split) != 1 || r.split[0].Events != 2 || len(r.split[0].Parts) != 2 || !strings.Contains(r.split[0].Reason, "too large") {
			t.Errorf("Split got %+v", r.split)
		}
		if text := b.String(); text != "" {
			t.Errorf("nothing is lost or refused, and the log is\n%s", text)
		}
	})
}

// TestATraceFunctionThatEndsItsGoroutineCostsNoAttempt has each function of attempts panic or end
// its goroutine, every time.
func TestATraceFunctionThatEndsItsGoroutineCostsNoAttempt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){"panic": func() { panic("trace") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := &endpoint{answer: answers(status(500), status(200))}
				e := start(t, to, func(o *Options) {
					o.Workers = 1
					o.Trace = &Trace{
						AttemptStarted: func(AttemptStartedInfo) { end() }, Attempted: func(AttemptedInfo) { end() },
						Split: func(SplitInfo) { end() }, LaneChanged: func(LaneChangedInfo) { end() },
					}
				})
				for i := range 20 {
					emit(t, e, occupied(i))
					time.Sleep(time.Second)
				}
				drain(t, e)
				if s := e.Stats(); s.Delivered != 20 || s.Attempts != 21 || s.Panics < 42 {
					t.Errorf("stats: %+v", s)
				}
				if n := len(to.got()); n != 21 {
					t.Errorf("%d attempts, want 21", n)
				}
			})
		})
	}
}

// TestNoSecretOfAnOwnSenderIsToldOrLogged has a host's sender return what the standard library's
// client says, and what a receiver echoes.
func TestNoSecretOfAnOwnSenderIsToldOrLogged(t *testing.T) {
	t.Parallel()
	const target = "https://hidden-user:hidden-pass%2Fword@receiver.test/hidden/path?token=hidden%20token&x=hidden-x"
	for name, fails := range map[string]func(r *dispatch.Request) dispatch.Outcome{
		"url.Error": func(r *dispatch.Request) dispatch.Outcome {
			u, _ := url.Parse(r.URL)
			return dispatch.Outcome{Reason: "own", Err: &url.Error{Op: "Post", URL: u.Redacted(), Err: io.ErrUnexpectedEOF}}
		},
		"URL": func(r *dispatch.Request) dispatch.Outcome {
			return dispatch.Outcome{Reason: "failed at " + r.URL, Err: fmt.Errorf("%q: %w", r.URL, io.ErrUnexpectedEOF)}
		},
		"echo": func(r *dispatch.Request) dispatch.Outcome {
			basic := base64.StdEncoding.EncodeToString([]byte("hidden-user:hidden-pass/word"))
			return dispatch.Outcome{
				Status: 500, Reason: "status", Err: fmt.Errorf("500: POST /hidden/path, token=hidden token: %w", io.ErrUnexpectedEOF),
				Response: "you sent Authorization: Basic " + basic + ", X-Own: " + r.Header.Get("X-Own") + " to /hidden/path?token=hidden%20token&x=hidden-x",
			}
		},
		"panic": func(r *dispatch.Request) dispatch.Outcome {
			panic(fmt.Sprintf("no answer of %s (%s)", r.URL, r.Header.Get("X-Own")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b, r := &logBuffer{}, &recorder{}
				a := testApp(target)
				a.Webhooks[0].Headers = Headers{"X-Own": "hidden-header"}
				to := &endpoint{answer: func(_ context.Context, r *dispatch.Request) dispatch.Outcome { return fails(r) }}
				q := memory(t, queue.MemoryOptions{})
				var changes []LaneChangedInfo
				e := start(t, to, with(q), apps(a), unbatched, jsonLog(b), r.trace, func(o *Options) {
					o.Retry.MaxAttempts = 3
					o.Trace.LaneChanged = func(i LaneChangedInfo) {
						r.mu.Lock()
						defer r.mu.Unlock()
						changes = append(changes, i)
					}
				})
				for i := range 5 {
					emit(t, e, occupied(i))
				}
				time.Sleep(20 * time.Minute)
				r.mu.Lock()
				defer r.mu.Unlock()
				if len(r.ended) == 0 || len(r.dead) == 0 || len(changes) == 0 {
					t.Fatal("nothing was told")
				}
				lanes, err := q.Lanes(t.Context(), "", 10)
				if err != nil {
					t.Fatal(err)
				}
				told := fmt.Sprintf("%+v\n%+v\n%+v\n%+v\n%+v", r.started, r.ended, r.dead, changes, lanes)
				for _, d := range deadLetters(t, e) {
					told += d.Reason
				}
				for what, text := range map[string]string{"log": b.String(), "trace, dead letter or lane": told} {
					for line := range strings.Lines(text) {
						basic := base64.StdEncoding.EncodeToString([]byte("hidden-user"))[:12]
						if i := strings.Index(line, "hidden"); i >= 0 || strings.Contains(line, basic) {
							t.Errorf("in a %s: %.800s", what, line[max(0, i-100):])
						}
					}
				}
				var found *url.Error
				if out := r.ended[0].Outcome; name != "panic" && !errors.Is(out.Err, io.ErrUnexpectedEOF) || errors.As(out.Err, &found) {
					t.Errorf("the error is %#v", out.Err)
				}
			})
		})
	}
}
