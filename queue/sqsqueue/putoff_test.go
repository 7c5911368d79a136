package sqsqueue

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

func TestDelayLetsOtherProcessesHaveTheJob(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("unknown", false, "j")...)
		other := openFake(t, f, Options{})
		nack(t, q, receiveID(t, q, "j"), 5*time.Second, false)
		none(t, other, 4*time.Second)
		ack(t, other, receiveID(t, other, "j"))
	})
}

func TestDelayLetsOtherProcessesHaveTheOrderedLane(t *testing.T) {
	virtual(t, Options{QueueURL: fakeFIFOURL}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("unknown", true, "1", "2", "3")...)
		nack(t, q, receiveID(t, q, "1"), 5*time.Second, false)
		other := openFake(t, f, Options{QueueURL: fakeFIFOURL})
		none(t, other, 4*time.Second)
		for _, id := range []string{"1", "2", "3"} {
			ack(t, other, receiveID(t, other, id))
		}
	})
}

// putOff delays the first of n jobs, parks the others, and then wants nothing of their lane for a while.
func putOff(t *testing.T, q *Queue, n int, d time.Duration) {
	t.Helper()
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprint(i))
	}
	enqueue(t, q, makeJobs("unknown", q.opts.FIFO, ids...)...)
	nack(t, q, receiveID(t, q, "0"), time.Second, false)
	receive(t, q, skipping(10, "unknown"), d)
}

// lacking works as one that can't attempt the lane's jobs: it delays one, and wants none for a while. It ends when
// stop is called.
func lacking(t *testing.T, q *Queue, lane string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			leases, _ := q.Receive(ctx, all(1))
			for _, l := range leases {
				_ = q.Nack(ctx, []queue.Nack{{Lease: l, Delay: time.Second}})
			}
			pause, end := context.WithTimeout(ctx, 5*time.Second)
			if leases, _ := q.Receive(pause, skipping(10, lane)); len(leases) > 0 {
				t.Errorf("received %v; want nothing", leases)
			}
			end()
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func TestUnwantedLaneWithADelayedJobIsForOtherProcesses(t *testing.T) {
	for name, url := range map[string]string{"Standard": fakeURL, "FIFO": fakeFIFOURL} {
		t.Run(name, func(t *testing.T) {
			virtual(t, Options{QueueURL: url}, func(t *testing.T, f *fake, q *Queue) {
				putOff(t, q, 9, 100*time.Millisecond)
				if n := parkedBy(q); n != 0 {
					t.Errorf("%d jobs are parked; want none", n)
				}
				stop, other := lacking(t, q, "unknown"), openFake(t, f, Options{QueueURL: url})
				defer stop()
				start := time.Now()
				for got := 0; got < 9; {
					leases := receive(t, other, all(10), time.Minute)
					ack(t, other, leases...)
					got += len(leases)
				}
				if took := time.Since(start); took > time.Minute {
					t.Errorf("another process had the jobs after %v; want them within a minute", took)
				}
			})
		})
	}
}

func TestWantedLaneWithADelayedJobStays(t *testing.T) {
	virtual(t, Options{QueueURL: fakeFIFOURL}, func(t *testing.T, _ *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", true, "1", "2", "3")...)
		nack(t, q, receiveID(t, q, "1"), 8*time.Second, false)
		time.Sleep(6 * time.Second) // receive calls for one message end
		if got := receive(t, q, all(10), 2500*time.Millisecond); len(got) != 1 || parkedBy(q) != 2 {
			t.Fatalf("received %v and parked %d; want one job and the other two", got, parkedBy(q))
		}
		none(t, q, 3*time.Second) // wants the lane, and has to wait for its head
		if n := parkedBy(q); n != 2 {
			t.Errorf("%d jobs are parked; want the other two still", n)
		}
	})
}

func TestJobsThatWereForOthersAreAsBefore(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, _ *fake, q *Queue) {
		putOff(t, q, 3, 10*time.Second)
		for range 3 {
			l := receive(t, q, all(1), time.Minute)[0]
			if l.Attempts != 0 || l.First.IsZero() == (l.ID == "0") {
				t.Errorf("job %s has %d attempts and First %v; want 0, and First of job 0 alone", l.ID, l.Attempts, l.First)
			}
		}
	})
}

func TestJobForOthersIsReceivedLessAndLess(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("unknown", false, "j", "k")...)
		for start := time.Now(); time.Since(start) < 5*time.Minute; {
			for _, l := range receive(t, q, all(2), time.Second) {
				nack(t, q, l, time.Second, false)
			}
			receive(t, q, skipping(10, "unknown"), 5*time.Second)
		}
		f.see(fakeURL, func(messages []*fakeMessage) {
			for _, m := range messages {
				if m.received > 40 {
					t.Errorf("job %s was received %d times in 5 minutes; want at most 40", m.job(), m.received)
				}
			}
		})
	})
}
