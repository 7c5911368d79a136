package flatqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// virtual runs a test in virtual time. The bubble also checks that every goroutine has ended.
func virtual(t *testing.T, run func(t *testing.T, f *flat)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { run(t, newFlat()) })
}

// fails has one job of a lane fail, and holds the lane for a while.
func fails(t *testing.T, q *Queue, lane string, d time.Duration) {
	t.Helper()
	enqueue(t, q, queue.Job{ID: "first of " + lane, Lane: lane})
	l := receiveOne(t, q)
	hold(t, q, l, d)
	nack(t, q, l, time.Second, true)
}

// listen receives what the queue has for d, and acks it. It returns when each job came.
func listen(t *testing.T, q *Queue, w queue.Want, d time.Duration) map[string]time.Duration {
	t.Helper()
	start := time.Now()
	got := make(map[string]time.Duration)
	for time.Since(start) < d {
		leases := receive(t, q, w, d-time.Since(start))
		for _, l := range leases {
			got[l.ID] = time.Since(start)
		}
		ack(t, q, leases...)
	}
	return got
}

func TestBacklogOfAHeldLaneDoesNotStopReceiving(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		fails(t, q, "dead", queue.MaxHold)
		enqueue(t, q, numbered("dead", 4000)...)
		enqueue(t, q, numbered("healthy", 20)...) // behind them
		got := listen(t, q, all(10), 4*time.Minute)
		if len(got) != 20 {
			t.Errorf("received %d jobs; want the 20 of the lane that is not held", len(got))
		}
		// 4,000 messages are received and given back first.
		if at := got["healthy-19"]; at > 15*time.Second {
			t.Errorf("the last healthy job came after %v; want at most 15s", at)
		}
		enqueue(t, q, queue.Job{ID: "late", Lane: "healthy"})
		if got := listen(t, q, all(10), 10*time.Second); len(got) != 1 || got["late"] > time.Second {
			t.Errorf("received %v; want the late job within a second", got)
		}
		if n := parked(q); n < testOptions.ParkedJobs/8 || n > testOptions.ParkedJobs/2 {
			t.Errorf("%d jobs are parked; want at most half of %d", n, testOptions.ParkedJobs)
		}
	})
}

func TestUntriedLanesThatAreNotWantedLeaveRoom(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		enqueue(t, q, queue.Job{ID: "h", Lane: "healthy"})
		ack(t, q, receiveOne(t, q))
		for i := range 1500 {
			enqueue(t, q, queue.Job{ID: fmt.Sprint("u", i), Lane: fmt.Sprint("untried", i)})
		}
		enqueue(t, q, numbered("healthy", 20)...)
		w := all(10)
		w.MaxUntried = 0
		if got := listen(t, q, w, time.Minute); len(got) != 20 {
			t.Errorf("received %d jobs; want the 20 of the healthy lane", len(got))
		}
	})
}

func TestJobThatIsLeftToTheStoreIsReceivedLessAndLess(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		fails(t, q, "dead", queue.MaxHold)
		enqueue(t, q, numbered("dead", 1000)...)
		for range 12 { // an hour
			listen(t, q, skipping(10, "dead"), 5*time.Minute)
			hold(t, q, queue.Lease{Job: queue.Job{Lane: "dead"}}, queue.MaxHold)
		}
		most := 0
		f.mu.Lock()
		for _, m := range f.messages {
			most = max(most, m.Receives)
		}
		f.mu.Unlock()
		if most < 10 || most > 25 {
			t.Errorf("a job was received %d times in an hour; want about 20", most)
		}
		got, late := 0, time.Now()
		for got < 1001 && time.Since(late) < 10*time.Minute {
			if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: "dead", Health: queue.Untried}); err != nil {
				t.Fatal(err)
			}
			leases := receive(t, q, all(100), time.Minute)
			for _, l := range leases {
				if want := strings.HasPrefix(l.ID, "first"); l.Attempts > 0 != want || l.First.IsZero() == want {
					t.Fatalf("job %s has %d attempts and First %v; it was only left to others", l.ID, l.Attempts, l.First)
				}
			}
			ack(t, q, leases...)
			got += len(leases)
		}
		if took := time.Since(late); got != 1001 || took > maxFailingYield+time.Minute {
			t.Errorf("%d of 1001 jobs came within %v after the hold; want all in %v", got, took, maxFailingYield)
		}
	})
}

func TestLaneThatBeginsToFailGivesRoomBack(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		enqueue(t, q, numbered("a", 801)...)
		ack(t, q, receiveOne(t, q)) // healthy
		l := receiveOne(t, q)
		receive(t, q, skipping(2000, "a"), time.Minute)
		before := parked(q)
		hold(t, q, l, queue.MaxHold)
		receive(t, q, all(1), 10*time.Second)
		if after := parked(q); before < 300 || after > before*2/3 || after < 200 {
			t.Errorf("%d jobs were parked, and %d when the lane failed; want fewer", before, after)
		}
	})
}

func TestEveryFailingLaneHasAJobHere(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		fails(t, q, "big", queue.MaxHold)
		enqueue(t, q, numbered("big", 3000)...)
		listen(t, q, all(10), 20*time.Second)
		var want []string
		for i := range 20 {
			lane := fmt.Sprint("small", i)
			want = append(want, lane)
			enqueue(t, q, queue.Job{ID: lane, Lane: lane})
			hold(t, q, queue.Lease{Job: queue.Job{Lane: lane}}, time.Minute)
		}
		listen(t, q, all(10), 50*time.Second)
		probes := make(map[string]bool)
		for start := time.Now(); time.Since(start) < 30*time.Second; {
			for _, l := range receive(t, q, all(10), time.Second) {
				probes[l.Lane] = probes[l.Lane] || l.Probe
				ack(t, q, l)
			}
		}
		for _, lane := range want {
			if !probes[lane] {
				t.Errorf("lane %s had no probe within 20 s of its hold's end", lane)
			}
		}
	})
}

func TestSmallLanesKeepTheirJobWhenALargeOneFails(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		var lanes []string
		for i := range 20 {
			lane := fmt.Sprint("small", i)
			lanes = append(lanes, lane)
			hold(t, q, queue.Lease{Job: queue.Job{Lane: lane}}, queue.MaxHold)
			enqueue(t, q, queue.Job{ID: lane, Lane: lane})
		}
		enqueue(t, q, numbered("large", 1)...)
		ack(t, q, receiveOne(t, q)) // healthy
		for i := range 3 {
			enqueue(t, q, numbered(fmt.Sprint("large", i), 250)...)
		}
		receive(t, q, skipping(1000, "large0", "large1", "large2"), 10*time.Second)
		before := parked(q)
		for i := range 3 {
			hold(t, q, queue.Lease{Job: queue.Job{Lane: fmt.Sprint("large", i)}}, queue.MaxHold)
		}
		receive(t, q, all(1), time.Second) // before what was given back comes again
		if after := parked(q); before < 600 || after > 500 {
			t.Errorf("%d jobs were parked and then %d; want at most half of 1,000", before, after)
		}
		infos, err := q.Lanes(t.Context(), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for _, l := range infos {
			if slices.Contains(lanes, l.Lane) {
				kept += l.Ready
			}
		}
		if kept != len(lanes) {
			t.Errorf("%d of the %d small lanes have their job here; want all", kept, len(lanes))
		}
	})
}

// Two processes do not share their lanes' state, so one that cannot reach an endpoint must not keep
// its jobs from one that can.
func TestJobOfALaneThatIsHeldHereReachesAnotherProcess(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		fails(t, q, "a", queue.MaxHold)
		enqueue(t, q, numbered("a", 50)...)
		receive(t, q, skipping(50, "a"), 20*time.Second)
		if n := parked(q); n < 50 {
			t.Fatalf("%d jobs are parked; want 50", n)
		}
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() { // goes on receiving, and fails
			defer close(done)
			for {
				select {
				case <-stop:
					return
				default:
					receive(t, q, skipping(50, "a"), time.Minute)
				}
			}
		}()
		other := open(t, f, nil)
		got, start := 0, time.Now()
		for got < 51 && time.Since(start) < time.Hour {
			leases := receive(t, other, all(50), time.Minute)
			for _, l := range leases {
				if l.Attempts > 12 {
					t.Errorf("job %s was received %d times in an hour; want at most 12", l.ID, l.Attempts)
				}
			}
			ack(t, other, leases...)
			got += len(leases)
		}
		close(stop)
		<-done
		if got < 45 { // each has an even chance ten times
			t.Errorf("another process had %d of 51 jobs within an hour; want nearly all", got)
		}
	})
}

func TestBytesAreShared(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, func(o *Options) { o.ParkedBytes = 100_000 })
		fails(t, q, "dead", queue.MaxHold)
		jobs := numbered("dead", 200)
		for i := range jobs {
			jobs[i].Data = make([]byte, 10_000)
		}
		enqueue(t, q, jobs...)
		enqueue(t, q, numbered("healthy", 1)...)
		if got := listen(t, q, all(10), time.Minute); len(got) != 1 {
			t.Errorf("received %v; want the healthy job", got)
		}
		if n := parked(q); n < 1 || n > 5 {
			t.Errorf("%d jobs of 10,000 bytes are parked; want at most half of 100,000", n)
		}
	})
}

// What is given back of an ordered lane is received in its order later.
func TestOrderedLaneThatIsTooLargeKeepsItsOrder(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		f.groups = true
		q := open(t, f, func(o *Options) { o.ParkedJobs = 16 })
		var jobs []queue.Job
		for i := range 4 {
			for _, j := range numbered(fmt.Sprint("lane", i), 8) {
				j.Ordered = true
				jobs = append(jobs, j)
			}
		}
		enqueue(t, q, jobs...)
		w := all(10)
		w.MaxUntried = 0
		receive(t, q, w, 30*time.Second)
		next := make(map[string]int)
		for got := 0; got < len(jobs); got++ {
			l := receiveOne(t, q)
			if want := fmt.Sprint(l.Lane, "-", next[l.Lane]); l.ID != want {
				t.Fatalf("received %s; want %s", l.ID, want)
			}
			next[l.Lane]++
			ack(t, q, l)
		}
	})
}

func TestHeldLaneYieldsItsProbeWhenTheHoldIsDue(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		enqueue(t, q, numbered("a", 3)...)
		l := receiveOne(t, q)
		start := time.Now()
		hold(t, q, l, time.Minute)
		nack(t, q, l, 0, true)
		probe := receiveOne(t, q)
		if at := time.Since(start); !probe.Probe || probe.Health != queue.Failing || probe.Holds != 1 || at != time.Minute {
			t.Errorf("received %+v after %v; want the probe after a minute", probe, at)
		}
		// Its process dies, as far as the lane is concerned: the next probe comes a lease later.
		if again := receiveOne(t, q); !again.Probe || time.Since(start) < 89*time.Second || time.Since(start) > 92*time.Second {
			t.Errorf("received %+v after %v; want the next probe after 90 s", again, time.Since(start))
		}
	})
}

func TestProbeThatIsLeftToOthersMakesTheHoldDueAgain(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		enqueue(t, q, numbered("a", 2)...)
		l := receiveOne(t, q)
		hold(t, q, l, time.Minute)
		nack(t, q, l, 0, true)
		probe := receiveOne(t, q)
		start := time.Now()
		nack(t, q, probe, 20*time.Second, false)
		next := receiveOne(t, q)
		if at := time.Since(start); !next.Probe || at != 20*time.Second {
			t.Errorf("received %+v after %v; want the next probe when the delay has passed", next, at)
		}
	})
}

func TestUnreadableMessageIsLeftToOthers(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		newer := errors.New("format 9")
		f.messages = append(f.messages, &flatMessage{Message: Message{MessageID: "new", Unreadable: newer, Sent: time.Now()}})
		q := open(t, f, nil)
		reports := 0
		for start := time.Now(); time.Since(start) < 10*time.Minute; {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			leases, err := q.Receive(ctx, all(1))
			cancel()
			if len(leases) > 0 {
				t.Fatalf("received %v", leases)
			}
			if errors.Is(err, newer) {
				reports++
			}
		}
		if reports != 1 {
			t.Errorf("the message was reported %d times in 10 minutes; want once", reports)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if m := f.messages[0]; len(f.messages) != 1 || m.Receives > 20 {
			t.Errorf("the message was received %d times; want it there still, and left alone more and more", m.Receives)
		}
	})
}

func TestMessageThatIsLeftToOthersIsTheirsSoon(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		f.messages = append(f.messages, &flatMessage{Message: Message{
			Job: Job{Job: queue.Job{ID: "new", Lane: "a"}}, MessageID: "new", Unreadable: errors.New("format 9"), Sent: time.Now(),
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		q := open(t, f, nil)
		if leases, err := q.Receive(ctx, all(1)); err == nil {
			t.Fatalf("received %v", leases)
		}
		if err := q.Close(); err != nil { // it may be receiving still
			t.Fatal(err)
		}
		f.messages[0].Unreadable = nil // to the next process
		start := time.Now()
		receiveOne(t, open(t, f, nil))
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it came after %v", took)
		}
	})
}

func TestTimesAreByThisProcesssClock(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		ahead := -6 * time.Minute // the store's clock, by which everything was sent and received
		enqueue(t, open(t, f, nil), numbered("a", 2)...)
		for _, m := range f.messages {
			m.Sent = m.Sent.Add(ahead)
		}
		f.messages[0].FirstReceived, f.messages[0].Receives = time.Now().Add(ahead), 2
		f.messages[1].FirstReceived = time.Now().Add(ahead)
		start := time.Now()
		time.Sleep(time.Second)
		f.messages[1].FirstReceived = time.Now().Add(ahead)
		q := open(t, f, nil)
		for _, l := range receive(t, q, all(2), time.Minute) {
			if l.Attempts > 0 && l.First.Sub(start).Abs() > time.Second || l.Age > 2*time.Second && l.Attempts == 0 {
				t.Errorf("the lease is %+v; want First at %v and an age of a second", l, start)
			}
		}
	})
}

func TestMessageOfAnotherProcessHasSQSsAttempts(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		start := time.Now()
		enqueue(t, q, numbered("a", 1)...)
		nack(t, q, receiveOne(t, q), time.Second, true)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		if l := receiveOne(t, open(t, f, nil)); l.Attempts != 1 || !l.First.Equal(start) {
			t.Errorf("the lease is %+v; want one attempt, at %v", l, start)
		}
	})
}

// Parts live in this process only, so they are not given back for their number.
func TestPartsStayHere(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		f.groups = true
		q := open(t, f, func(o *Options) { o.ParkedJobs = 8 })
		enqueue(t, q, ordered("a", 1)...)
		parts := ordered("a", 31)[1:]
		if err := q.Replace(t.Context(), receiveOne(t, q), parts); err != nil {
			t.Fatal(err)
		}
		receive(t, q, skipping(1, "a"), 5*time.Minute)
		for i := range parts {
			l := receiveOne(t, q)
			if l.ID != parts[i].ID {
				t.Fatalf("received %s; want %s", l.ID, parts[i].ID)
			}
			ack(t, q, l)
		}
	})
}
