package boltqueue

import (
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// crashed returns a copy of the queue's file as a crash at this moment would leave it.
func crashed(t *testing.T, q *Queue) string {
	t.Helper()
	must(t, q.do(t.Context(), trimOp{})) // all that was handed to the committer before is written
	b, err := os.ReadFile(q.path)
	must(t, err)
	path := file(t)
	must(t, os.WriteFile(path, b, 0o600))
	return path
}

func TestAJobThatKillsItsProcessIsCountedFromTheSecondTimeOn(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, job("poison", "a"))
	receive(t, q, 1)
	for want := range 4 {
		q = open(t, crashed(t, q), Options{})
		l := receive(t, q, 1)
		expect(t, l, "poison")
		if l[0].Attempts != want {
			t.Fatalf("after crash %d it has %d attempts, want %d", want+1, l[0].Attempts, want)
		}
	}
}

func TestAReleaseAfterACrashTakesTheCountBack(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, numbered("j", "a", 3)...)
	for range 3 {
		q = open(t, crashed(t, q), Options{})
		l := receive(t, q, 3)
		expect(t, l, "j-0 j-1 j-2")
		for i := range l {
			if l[i].Attempts != 0 || !l[i].First.IsZero() {
				t.Fatalf("it was only released, and has %d attempts since %v", l[i].Attempts, l[i].First)
			}
		}
		must(t, q.Release(t.Context(), l))
	}
}

func TestPartsKeepTheirPlaceAfterACrash(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, numbered("j", "a", 3)...)
	replace := func(id string, parts ...string) {
		for _, l := range receive(t, q, 10) {
			if l.ID == id {
				must(t, q.Replace(t.Context(), l, jobs("a", parts...)))
			} else {
				must(t, q.Release(t.Context(), []queue.Lease{l}))
			}
		}
	}
	replace("j-1", "b", "c", "d")
	q = open(t, crashed(t, q), Options{})
	replace("b", "e", "f")
	replace("e", "g")
	q = open(t, crashed(t, q), Options{})
	expect(t, receive(t, q, 10), "g f c d j-0 j-2") // parts go before what was never worked on
}

func TestSplittingWithoutEndIsRefusedAndLosesNothing(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, job("j", "a"))
	for range seqSpan {
		l := receive(t, q, 1)[0]
		must(t, q.Replace(t.Context(), l, jobs("a", l.ID+"0", l.ID+"1")))
	}
	l := receive(t, q, 1)[0]
	if err := q.Replace(t.Context(), l, jobs("a", l.ID+"0", l.ID+"1")); err == nil {
		t.Fatal("there is no room between the numbers, and no error")
	}
	must(t, q.Ack(t.Context(), []queue.Lease{l}))
}

func TestALeaseThatEndedIsWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("j", "a"))
		receive(t, q, 1)
		time.Sleep(time.Minute)
		if l := receive(t, q, 1); l[0].Attempts != 1 {
			t.Fatalf("attempts: %d", l[0].Attempts)
		}
		q = open(t, crashed(t, q), Options{})
		if l := receive(t, q, 1); l[0].Attempts != 1 || l[0].First.IsZero() {
			t.Errorf("after the crash: %+v", l[0])
		}
	})
}

func TestADelayGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("j", "a"))
		must(t, q.Nack(t.Context(), []queue.Nack{{Lease: receive(t, q, 1)[0], Delay: time.Hour}}))
		due := time.Now().Add(time.Hour)
		time.Sleep(20 * time.Minute)
		q = open(t, crashed(t, q), Options{})
		if _, err := q.Receive(t.Context(), all(1)); err != nil || time.Now().Before(due) || time.Since(due) > time.Second {
			t.Errorf("received %v after it was due, %v", time.Since(due), err)
		}
	})
}

func TestFault31AnExtendedLeaseIsKeptAndALateAckIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{Lease: 10 * time.Second})
		enqueue(t, q, job("j", "a"))
		late := receive(t, q, 1)
		for range 10 {
			time.Sleep(9 * time.Second)
			must(t, q.Extend(t.Context(), late))
			expect(t, receive(t, q, 1), "")
		}
		time.Sleep(11 * time.Second)
		now := receive(t, q, 1)
		expect(t, now, "j")
		if err := q.Ack(t.Context(), late); queue.ErrorOf(err, 0) != queue.ErrLeaseLost {
			t.Errorf("the late ack: %v", err)
		}
		must(t, q.Ack(t.Context(), now))
	})
}

func TestAFullDiskTakesNothingAndLosesNothing(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{maxFile: 4 << 20})
	big := strings.Repeat("x", 100_000)
	taken := 0
	for ; taken < 1000; taken++ {
		j := job("j-"+strings.Repeat("0", taken), "a")
		j.Data = []byte(big)
		if err := q.Enqueue(t.Context(), []queue.Job{j}); err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("the error does not name the file: %v", err)
			}
			break
		}
	}
	if taken < 10 || taken == 1000 {
		t.Fatalf("%d jobs fit into 4 MiB", taken)
	}
	s, err := q.Stats(t.Context())
	must(t, err)
	if s.Ready != taken || s.Bytes != int64(taken*len(big)) {
		t.Errorf("stats: %+v, want %d jobs", s, taken)
	}
	must(t, q.Ack(t.Context(), receive(t, q, taken-2)))
	enqueue(t, q, job("after", "a"))
	if l := receive(t, q, 10); len(l) != 3 || l[2].ID != "after" {
		t.Errorf("received %q", ids(l))
	}
}

// breakDisk has every read and write of a queue fail until mend is called. The committer is idle.
func breakDisk(t *testing.T, q *Queue) (mend func()) {
	t.Helper()
	broken := open(t, file(t), Options{}).store
	must(t, broken.close())
	whole := q.store
	set := func(s *store) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.store = s
	}
	set(broken)
	mend = func() { set(whole) }
	t.Cleanup(mend) // before the queue is closed
	return mend
}

func TestDeadLettersThatCouldNotBeEvictedAreKept(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{MaxDead: 1})
	enqueue(t, q, numbered("j", "a", 2)...)
	l := receive(t, q, 2)
	must(t, q.DeadLetter(t.Context(), l[0], "gone"))
	mend := breakDisk(t, q)
	if err := q.DeadLetter(t.Context(), l[1], "gone"); err == nil {
		t.Error("DeadLetter succeeded without a disk")
	}
	mend()
	equalDead(t, q, "j-0", 0)
	must(t, q.DeadLetter(t.Context(), l[1], "gone"))
	equalDead(t, q, "j-1", 1)
}

func TestADeadLetterAndItsReplayInOneGroupAreUndoneTogether(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, job("j", "a"))
	l := receive(t, q, 1)
	again := job("j~1", "a")
	ops := func() []op {
		return []op{
			&deadOp{lease: l[0], reason: "gone"},
			&removeOp{opts: &q.opts, removals: []removal{{id: "j", job: &again}}},
		}
	}
	mend := breakDisk(t, q)
	for _, err := range group(q, ops()...) {
		if err == nil {
			t.Error("it was written without a disk")
		}
	}
	mend()
	equalDead(t, q, "", 0)
	must(t, q.Extend(t.Context(), l))
	for _, err := range group(q, ops()...) {
		must(t, err)
	}
	equalDead(t, q, "", 0)
	expect(t, receive(t, q, 10), "j~1")
	q = open(t, crashed(t, q), Options{})
	enqueue(t, q, job("j", "a"))
	expect(t, receive(t, q, 10), "j~1") // j is remembered
}

func TestASuspectWhoseLeaseHasEndedIsCountedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("j", "a"))
		q = open(t, crashed(t, q), Options{})
		taken, _, err := q.takeOrWait(lanes.Want(all(1)))
		must(t, err)
		time.Sleep(time.Minute) // the lease ends before Receive has written it
		must(t, q.noteSuspects(taken))
		q = open(t, crashed(t, q), Options{})
		if l := receive(t, q, 1)[0]; l.Attempts != 1 || l.First.IsZero() {
			t.Errorf("it has %d attempts since %v, want 1", l.Attempts, l.First)
		}
	})
}

func TestErrorsOfTheDiskUndoWhatWasAdmitted(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{})
	enqueue(t, q, numbered("j", "a", 5)...)
	must(t, q.Close())
	q = open(t, path, Options{}) // it has nothing in memory
	l := receive(t, q, 4)
	must(t, q.DeadLetter(t.Context(), l[3], "gone"))
	breakDisk(t, q)

	calls := map[string]error{
		"Enqueue":    q.Enqueue(t.Context(), numbered("k", "b", 2)),
		"Ack":        q.Ack(t.Context(), l[:1]),
		"Nack":       q.Nack(t.Context(), []queue.Nack{{Lease: l[1], Counted: true}}),
		"Replace":    q.Replace(t.Context(), l[2], numbered("p", "a", 2)),
		"DeadLetter": q.DeadLetter(t.Context(), l[0], "gone"),
	}
	for name, err := range calls {
		if err == nil {
			t.Errorf("%s succeeded without a disk", name)
		}
	}
	if n, err := q.Replay(t.Context(), []queue.Replayed{replayed("j-3", "a")}); n != 0 || err == nil {
		t.Errorf("a replay without a disk: %d, %v", n, err)
	}
	if _, err := q.Receive(t.Context(), all(1)); err == nil {
		t.Error("Receive succeeded without a disk")
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Ready != 1 || s.Leased != 3 || s.Dead != 1 || s.Delayed != 0 {
		t.Errorf("stats: %+v, %v", s, err)
	}
	must(t, q.Extend(t.Context(), l[:3]))
}

func TestAnEnqueueThatIsRepeatedMakesOneJob(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{})
	j := job("j", "a")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { must(t, q.Enqueue(t.Context(), []queue.Job{j, j})) })
	}
	wg.Wait()
	q = open(t, crashed(t, q), Options{})
	enqueue(t, q, j)
	l := receive(t, q, 10)
	expect(t, l, "j")
	must(t, q.Ack(t.Context(), l))
	q = open(t, crashed(t, q), Options{})
	enqueue(t, q, j)
	expect(t, receive(t, q, 10), "")
}
