package webhook

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var newKey = Key{Key: "new-key", Secret: "new-secret"}

// rotated is the app of the tests with a new key, and those before it.
func rotated(previous ...Key) App {
	a := testApp("http://receiver.test/hook")
	a.Key, a.Secret, a.PreviousKeys = newKey.Key, newKey.Secret, previous
	return a
}

// onQueues runs a test with the queue in memory, which is trusted, and with one that isn't.
func onQueues(t *testing.T, f func(t *testing.T, q queue.Queue)) {
	t.Helper()
	for _, trusted := range []bool{true, false} {
		t.Run(fmt.Sprint("trusted ", trusted), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if trusted {
					f(t, memory(t, queue.MemoryOptions{}))
				} else {
					f(t, rig(t, queue.MemoryOptions{}))
				}
			})
		})
	}
}

func set(t *testing.T, e *Emitter, a App) {
	t.Helper()
	if err := e.SetApp(a); err != nil {
		t.Fatal(err)
	}
}

func TestFault36AJobIsSignedWithTheKeyOfToday(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		to := &endpoint{answer: answers(status(500), status(200))}
		e := start(t, to, with(q))
		emit(t, e, occupied(1))
		time.Sleep(500 * time.Millisecond)
		set(t, e, rotated(testKey))
		drain(t, e)
		got := to.got()
		if len(got) != 2 {
			t.Fatalf("%d attempts; dead letters: %v", len(got), deadLetters(t, e))
		}
		got[0].payload(t, testKey)
		if p := got[1].payload(t, newKey); p.Key != "new-key" || p.Events[0].Channel != "channel-1" {
			t.Errorf("payload: %+v", p)
		}
		if !bytes.Equal(got[0].Body, got[1].Body) || got[0].JobID != got[1].JobID {
			t.Error("body or id changed with the key")
		}
	})
}

func TestAJobInABatchIsSignedWithTheKeyOfToday(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		to := &endpoint{}
		e := start(t, to, with(q))
		emit(t, e, occupied(1))
		set(t, e, rotated())
		drain(t, e)
		if got := to.got(); len(got) != 1 || got[0].payload(t, newKey).Key != "new-key" {
			t.Errorf("attempts: %v", got)
		}
	})
}

func TestAJobOfAKeyThatWasRemovedIsDead(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		to := &endpoint{answer: answers(status(500), status(200))}
		e := start(t, to, with(q))
		emit(t, e, occupied(1))
		time.Sleep(500 * time.Millisecond)
		set(t, e, rotated())
		drain(t, e)
		// nobody can have altered the job, so it needs no key to verify with
		if q.Traits().InProcess {
			if got := to.got(); len(got) != 2 || got[1].payload(t, newKey).Key != "new-key" {
				t.Errorf("attempts: %v", got)
			}
			return
		}
		dead := deadLetters(t, e)
		if len(to.got()) != 1 || len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "key_removed") {
			t.Errorf("%d attempts, dead letters: %v", len(to.got()), dead)
		}
	})
}

func TestSecretThatChangesUnderItsKeySignsQueuedJobsAnew(t *testing.T) {
	t.Parallel()
	onQueues(t, func(t *testing.T, q queue.Queue) {
		to := &endpoint{answer: answers(status(500), status(200))}
		e := start(t, to, with(q))
		emit(t, e, occupied(1))
		time.Sleep(500 * time.Millisecond)
		set(t, e, resecreted())
		drain(t, e)
		got := to.got()
		if len(got) != 2 {
			t.Fatalf("%d attempts; dead letters: %v", len(got), deadLetters(t, e))
		}
		got[1].payload(t, resecretedKey)
	})
}

var resecretedKey = Key{Key: testKey.Key, Secret: "changed"}

// resecreted is the app of the tests with another secret under the same key.
func resecreted() App {
	a := testApp("http://receiver.test/hook")
	a.Secret, a.PreviousKeys = resecretedKey.Secret, []Key{testKey}
	return a
}

// A process that was started with the new secret finds jobs of the old one in the queue, and the
// dead letters of a process that did not know the old one.
func TestSecretThatChangedBetweenProcessesKeepsQueuedJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		first := start(t, nil, with(q), unbatched, func(o *Options) { o.EmitOnly = true })
		emit(t, first, occupied(1))
		flush(t, first)

		a := resecreted()
		a.PreviousKeys = nil
		to := &endpoint{}
		forgetful := start(t, to, with(q), apps(a))
		time.Sleep(time.Second)
		dead := deadLetters(t, forgetful)
		if len(dead) != 1 || !strings.HasPrefix(dead[0].Reason, "bad_signature") {
			t.Fatalf("dead letters: %v", dead)
		}
		if err := forgetful.Close(); err != nil {
			t.Fatal(err)
		}

		emit(t, first, occupied(2))
		flush(t, first)
		e := start(t, to, with(q), apps(resecreted()))
		replayAll(t, e)
		time.Sleep(time.Second)
		if got := to.got(); len(got) != 2 {
			t.Fatalf("%d attempts of 2; dead letters: %v", len(got), deadLetters(t, e))
		}
		for _, a := range to.got() {
			a.payload(t, resecretedKey)
		}
	})
}

func flush(t *testing.T, e *Emitter) {
	t.Helper()
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAnOldJobGetsAFreshTimeAndSignature(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprint("KeepTime ", keep), func(t *testing.T) {
			t.Parallel()
			onQueues(t, func(t *testing.T, q queue.Queue) {
				to := &endpoint{answer: answers(status(503))}
				e := start(t, to, with(q), func(o *Options) { o.KeepTime = keep })
				began := time.Now()
				emit(t, e, occupied(1), occupied(2))
				drain(t, e)
				fresh := 0
				for _, a := range to.got() {
					p := a.payload(t, testKey)
					if len(p.Events) != 2 {
						t.Errorf("events: %+v", p.Events)
					}
					want := began
					if !keep && a.at.Sub(began) > 4*time.Minute {
						want = a.at
						fresh++
					}
					if p.TimeMS != want.UnixMilli() {
						t.Errorf("after %v: time_ms is %d, want %d", a.at.Sub(began), p.TimeMS, want.UnixMilli())
					}
				}
				if !keep && fresh == 0 {
					t.Error("no attempt after 4 minutes")
				}
			})
		})
	}
}
