package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/queue"
)

// virtual runs a test on a fake SQS in virtual time. The bubble also checks that every
// goroutine has ended.
func virtual(t *testing.T, opts Options, run func(t *testing.T, f *fake, q *Queue)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		run(t, f, openFake(t, f, opts))
	})
}

func all(n int) queue.Want { return queue.Want{Max: n, MaxPerLane: n, MaxUntried: n, MaxFailing: n} }

// skipping wants n jobs of any lane but these.
func skipping(n int, lanes ...string) queue.Want {
	w := all(n)
	w.Lanes = make(map[string]int)
	for _, lane := range lanes {
		w.Lanes[lane] = 0
	}
	return w
}

func makeJobs(lane string, ordered bool, ids ...string) []queue.Job {
	jobs := make([]queue.Job, len(ids))
	for i, id := range ids {
		jobs[i] = queue.Job{ID: id, Lane: lane, Ordered: ordered, Data: []byte(`{"id":"` + id + `"}`)}
	}
	return jobs
}

func enqueue(t *testing.T, q *Queue, jobs ...queue.Job) {
	t.Helper()
	if err := q.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal("Enqueue:", err)
	}
}

// receive waits at most d.
func receive(t *testing.T, q *Queue, w queue.Want, d time.Duration) []queue.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	leases, err := q.Receive(ctx, w)
	if err != nil && ctx.Err() == nil {
		t.Fatal("Receive:", err)
	}
	return leases
}

// receiveID receives one job, which must have this id.
func receiveID(t *testing.T, q *Queue, id string) queue.Lease {
	t.Helper()
	leases := receive(t, q, all(1), time.Hour)
	if len(leases) != 1 || leases[0].ID != id {
		t.Fatalf("received %v; want %q", leases, id)
	}
	return leases[0]
}

func none(t *testing.T, q *Queue, d time.Duration) {
	t.Helper()
	if leases := receive(t, q, all(10), d); len(leases) > 0 {
		t.Fatalf("received %v; want nothing", leases)
	}
}

func ack(t *testing.T, q *Queue, leases ...queue.Lease) {
	t.Helper()
	if err := q.Ack(t.Context(), leases); err != nil {
		t.Fatal("Ack:", err)
	}
}

func nack(t *testing.T, q *Queue, l queue.Lease, delay time.Duration, counted bool) {
	t.Helper()
	if err := q.Nack(t.Context(), []queue.Nack{{Lease: l, Delay: delay, Counted: counted}}); err != nil {
		t.Fatal("Nack:", err)
	}
}

// parkedBy counts the jobs that a process holds ready.
func parkedBy(t *testing.T, q *Queue) (n int) {
	t.Helper()
	lanes, err := q.Lanes(t.Context(), "", 1000)
	if err != nil {
		t.Fatal("Lanes:", err)
	}
	for _, l := range lanes {
		n += l.Ready
	}
	return n
}

func wantJobs(t *testing.T, f *fake, url string, ids ...string) {
	t.Helper()
	if got := f.jobs(url); !slices.Equal(got, ids) {
		t.Errorf("%s has the jobs %q; want %q", url, got, ids)
	}
}

func TestParkedJobIsHeldByExtension(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("dead", false, "d")...)
		enqueue(t, q, makeJobs("healthy", false, "h")...)
		ack(t, q, receive(t, q, skipping(5, "dead"), time.Minute)...)
		receive(t, q, skipping(5, "dead"), 5*time.Minute)
		none(t, openFake(t, f, Options{}), 20*time.Second)
		if l := receiveID(t, q, "d"); l.Attempts != 0 || !l.First.IsZero() || time.Until(l.Until) < 22*time.Second {
			t.Errorf("after five minutes of parking the lease is %+v; want a fresh one", l)
		}
	})
}

func TestParkedJobIsLeftToOthersNowAndThen(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("dead", false, "d")...)
		receive(t, q, skipping(1, "dead"), time.Hour)
		f.see(fakeURL, func(messages []*fakeMessage) {
			if n := messages[0].received; n < 9 || n > 11 {
				t.Errorf("the message was received %d times in an hour; want about 10", n)
			}
		})
		if l := receiveID(t, q, "d"); l.Attempts != 0 || !l.First.IsZero() {
			t.Errorf("the lease is %+v after an hour of parking; want no attempt", l)
		}
	})
}

func TestExtendEndsAtTheLimitOfSQS(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, _ *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "j")...)
		l := receiveID(t, q, "j")
		start, err := time.Now(), error(nil)
		for err == nil {
			time.Sleep(20 * time.Second)
			err = q.Extend(t.Context(), []queue.Lease{l})
		}
		if !errors.Is(err, queue.ErrLeaseLost) || time.Since(start) < maxVisibility-10*time.Second {
			t.Errorf("Extend returned %v after %v; want ErrLeaseLost after about %v", err, time.Since(start), maxVisibility)
		}
	})
}

func TestCancelledReceiveLosesNothing(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		none(t, q, time.Second) // leaves receive calls running for 4 s
		enqueue(t, q, makeJobs("a", false, "j")...)
		time.Sleep(time.Second)
		none(t, openFake(t, f, Options{}), 20*time.Second)
		if l := receiveID(t, q, "j"); l.Attempts != 0 {
			t.Errorf("Attempts is %d; want 0", l.Attempts)
		}
	})
}

func TestProcessThatStopsReceivingParksNothing(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "j")...)
		receive(t, q, skipping(1, "a"), time.Second)
		start := time.Now()
		receiveID(t, openFake(t, f, Options{}), "j")
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("another process had the job after %v; want it about a visibility timeout later", took)
		}
	})
}

func TestNobodyWaitsNobodyPolls(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		none(t, q, time.Second)
		time.Sleep(10 * time.Second)
		calls := f.called("ReceiveMessage")
		time.Sleep(time.Hour)
		if now := f.called("ReceiveMessage"); now != calls {
			t.Errorf("%d receive calls while nobody waited", now-calls)
		}
	})
}

func TestCloseGivesParkedJobsBack(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("dead", false, "d1", "d2")...)
		receive(t, q, skipping(5, "dead"), time.Second)
		start := time.Now()
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		other := openFake(t, f, Options{})
		if got := receive(t, other, all(5), time.Minute); len(got) != 2 || time.Since(start) > 2*time.Second {
			t.Errorf("received %v after %v; want both jobs at once", got, time.Since(start))
		}
	})
}

// On a FIFO queue SQS returns several messages of a group at once, and then nothing of the
// group until all of them are settled.
func TestOrderedLaneWaitsForItsFailedHead(t *testing.T) {
	for _, backoff := range []bool{false, true} {
		t.Run(fmt.Sprint("RetryBackoff=", backoff), func(t *testing.T) {
			virtual(t, Options{QueueURL: fakeFIFOURL, RetryBackoff: backoff}, func(t *testing.T, _ *fake, q *Queue) {
				enqueue(t, q, makeJobs("a", true, "1", "2", "3")...)
				for n := range 3 {
					l := receive(t, q, all(10), time.Minute)
					if len(l) != 1 || l[0].ID != "1" || l[0].Attempts != n {
						t.Fatalf("try %d: received %v; want job 1 alone, with as many attempts", n, l)
					}
					nack(t, q, l[0], 5*time.Second, true)
				}
				ack(t, q, receiveID(t, q, "1"))
				for _, id := range []string{"2", "3"} {
					l := receiveID(t, q, id)
					if l.Attempts != 0 {
						t.Errorf("job %s has %d attempts; want 0, since it only waited", id, l.Attempts)
					}
					ack(t, q, l)
				}
			})
		})
	}
}

func TestOrderedLaneWaitsForItsLostHead(t *testing.T) {
	virtual(t, Options{QueueURL: fakeFIFOURL}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", true, "1", "2", "3")...)
		if got := receive(t, q, all(10), time.Minute); len(got) != 1 || parkedBy(t, q) != 2 {
			t.Fatalf("received %v and parked %d; want one job and the other two", got, parkedBy(t, q))
		}
		time.Sleep(31 * time.Second) // nobody extends the lease
		other := openFake(t, f, Options{QueueURL: fakeFIFOURL})
		for _, id := range []string{"1", "2", "3"} {
			ack(t, other, receiveID(t, other, id))
		}
	})
}

func TestSplitJobIsReceivedWholeWhenItsProcessIsGone(t *testing.T) {
	virtual(t, Options{QueueURL: fakeFIFOURL}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", true, "1", "2")...)
		if err := q.Replace(t.Context(), receiveID(t, q, "1"), makeJobs("a", true, "1-0", "1-1")); err != nil {
			t.Fatal(err)
		}
		receive(t, q, skipping(1, "a"), 10*time.Minute) // parked parts keep the message in flight
		ack(t, q, receiveID(t, q, "1-0"))
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		other := openFake(t, f, Options{QueueURL: fakeFIFOURL})
		ack(t, other, receiveID(t, other, "1"))
		ack(t, other, receiveID(t, other, "2"))
	})
}

func TestSettledPartsOfASplitJobAreNotSplitOffAgain(t *testing.T) {
	virtual(t, Options{QueueURL: fakeFIFOURL}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", true, "1")...)
		parts := makeJobs("a", true, "1-0", "1-1", "1-2")
		if err := q.Replace(t.Context(), receiveID(t, q, "1"), parts); err != nil {
			t.Fatal(err)
		}
		if err := q.DeadLetter(t.Context(), receiveID(t, q, "1-0"), "gone"); err != nil {
			t.Fatal(err)
		}
		ack(t, q, receiveID(t, q, "1-1"))
		receiveID(t, q, "1-2")
		time.Sleep(time.Minute) // nobody extends the lease, and the message comes back
		if err := q.Replace(t.Context(), receiveID(t, q, "1"), parts); err != nil {
			t.Fatal(err)
		}
		ack(t, q, receiveID(t, q, "1-2"))
		wantJobs(t, f, fakeFIFOURL)
	})
}

func TestSplitJobIsDeletedWithItsLastPart(t *testing.T) {
	virtual(t, Options{QueueURL: fakeFIFOURL}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", true, "1", "2")...)
		if err := q.Replace(t.Context(), receiveID(t, q, "1"), makeJobs("a", true, "1-0", "1-1")); err != nil {
			t.Fatal(err)
		}
		part := receiveID(t, q, "1-0")
		nack(t, q, part, time.Second, true)
		part = receiveID(t, q, "1-0")
		if part.Attempts != 1 {
			t.Errorf("the part has %d attempts; want 1", part.Attempts)
		}
		if err := q.Replace(t.Context(), part, makeJobs("a", true, "1-0-0", "1-0-1")); err != nil {
			t.Fatal(err)
		}
		ack(t, q, receiveID(t, q, "1-0-0"))
		if err := q.DeadLetter(t.Context(), receiveID(t, q, "1-0-1"), "gone"); err != nil {
			t.Fatal(err)
		}
		wantJobs(t, f, fakeFIFOURL, "1", "2")
		ack(t, q, receiveID(t, q, "1-1"))
		wantJobs(t, f, fakeFIFOURL, "2")
		ack(t, q, receiveID(t, q, "2"))
	})
}

func TestDelaysThatDoNotCountAreNoAttempts(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, _ *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "j")...)
		for range 6 {
			nack(t, q, receiveID(t, q, "j"), 5*time.Second, false)
		}
		l := receiveID(t, q, "j")
		if l.Attempts != 0 || !l.First.IsZero() {
			t.Errorf("Attempts is %d and First %v; want 0 and none", l.Attempts, l.First)
		}
		began := time.Now()
		nack(t, q, l, 45*time.Second, true)
		if l := receiveID(t, q, "j"); l.Attempts != 1 || l.First.Sub(began).Abs() > time.Second {
			t.Errorf("Attempts is %d and First %v; want 1 and %v", l.Attempts, l.First, began)
		}
	})
}

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

func TestFailedJobIsLeftToTheVisibilityTimeout(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		if !q.Traits().OwnRetry {
			t.Error("Traits.OwnRetry is false")
		}
		enqueue(t, q, makeJobs("a", false, "j")...)
		l := receiveID(t, q, "j")
		start := time.Now()
		nack(t, q, l, time.Second, true)
		if n := f.called("ChangeMessageVisibilityBatch"); n > 0 {
			t.Errorf("%d visibility changes; want the timeout to be left alone", n)
		}
		l = receiveID(t, q, "j")
		if took := time.Since(start); l.Attempts != 1 || took < 29*time.Second || took > 31*time.Second {
			t.Errorf("received after %v with %d attempts; want 30 s and 1", took, l.Attempts)
		}
		start = time.Now()
		nack(t, q, l, 90*time.Second, true)
		receiveID(t, q, "j")
		if took := time.Since(start); took < 90*time.Second || took > 91*time.Second {
			t.Errorf("received after %v; want the longer delay of 90 s", took)
		}
	})
}

func TestFault34ForeignMessageIsDeadLettered(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		f.mu.Lock()
		for _, lane := range []string{"%zz", strings.Repeat("x", maxLane+1), ""} {
			f.put(f.queues[fakeURL], types.SendMessageBatchRequestEntry{
				MessageBody: aws.String("hello"),
				MessageAttributes: map[string]types.MessageAttributeValue{
					attrID: {StringValue: aws.String("x")}, attrLane: {StringValue: &lane},
				},
			})
		}
		f.mu.Unlock()
		got := receive(t, q, all(3), time.Minute)
		if len(got) != 3 {
			t.Fatalf("received %+v; want three jobs", got)
		}
		for _, l := range got {
			if l.Lane != foreignLane || string(l.Data) != "hello" {
				t.Errorf("received %+v; want a job of the lane %q", l, foreignLane)
			}
			if err := q.DeadLetter(t.Context(), l, "unreadable"); err != nil {
				t.Fatal(err)
			}
		}
		wantJobs(t, f, fakeURL)
		if letters, err := q.DeadLetters(t.Context(), "", 9); len(letters) != 3 || letters[0].Reason != "unreadable" {
			t.Errorf("dead letters are %v, %v; want three, unreadable", letters, err)
		}
	})
}

func TestNewerMessageIsLeftToNewerProcesses(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		newer := encode(makeJobs("a", false, "newer")[0], full)
		newer.set(attrVersion, "2")
		older := encode(makeJobs("a", false, "older")[0], full)
		delete(older.attrs, attrVersion)
		f.mu.Lock()
		f.put(f.queues[fakeURL], newer.entry())
		f.put(f.queues[fakeURL], older.entry())
		f.put(f.queues[fakeURL], types.SendMessageBatchRequestEntry{MessageBody: aws.String("of another application")})
		f.mu.Unlock()
		reports := make(map[string]int)
		for start := time.Now(); time.Since(start) < 10*time.Minute; {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			leases, err := q.Receive(ctx, all(3))
			cancel()
			for _, l := range leases {
				if l.ID != "older" {
					t.Fatalf("received %q", l.ID)
				}
				ack(t, q, l)
			}
			for _, word := range []string{`format "2"`, "reads up to 1", "another application"} {
				if err != nil && strings.Contains(err.Error(), word) {
					reports[word]++
				}
			}
		}
		wantJobs(t, f, fakeURL, "newer", "")
		wantJobs(t, f, fakeDeadURL)
		if reports[`format "2"`] != 1 || reports["reads up to 1"] != 1 || reports["another application"] != 1 {
			t.Errorf("reports are %v; want each message named once, the newer one with both versions", reports)
		}
	})
}

func TestJobOfMaxJobBytesFits(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, _ *fake, q *Queue) {
		job := queue.Job{ID: strings.Repeat("i", maxToken), Lane: strings.Repeat("%", maxLane), Ordered: true}
		job.Data = []byte(strings.Repeat("x", q.Traits().MaxJobBytes))
		enqueue(t, q, job)
		l := receive(t, q, all(1), time.Minute)[0]
		if err := q.Replace(t.Context(), l, []queue.Job{{ID: "part", Lane: l.Lane, Ordered: true, Data: l.Data}}); err != nil {
			t.Error("Replace by a part of the same size:", err)
		}
	})
}

func TestBacklogOfAHeldLaneDoesNotStopReceiving(t *testing.T) {
	for name, url := range map[string]string{"Standard": fakeURL, "FIFO": fakeFIFOURL} {
		t.Run(name, func(t *testing.T) {
			virtual(t, Options{QueueURL: url, ParkedJobs: 100}, func(t *testing.T, f *fake, q *Queue) {
				enqueue(t, q, makeJobs("healthy", false, "first")...)
				ack(t, q, receiveID(t, q, "first"))
				for i := range 100 {
					lane := fmt.Sprint("dead", i)
					if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: lane, Health: queue.Failing, Hold: queue.MaxHold}); err != nil {
						t.Fatal(err)
					}
					ids := make([]string, 10)
					for k := range ids {
						ids[k] = fmt.Sprint(lane, "-", k)
					}
					enqueue(t, q, makeJobs(lane, url == fakeFIFOURL, ids...)...)
				}
				enqueue(t, q, makeJobs("healthy", false, "h")...)
				start := time.Now()
				ack(t, q, receive(t, q, all(10), time.Minute)...)
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("the healthy job came after %v", took)
				}
				if got := f.jobs(url); len(got) != 1000 {
					t.Errorf("SQS has %d jobs; want the 1,000 of held lanes", len(got))
				}
				none(t, q, 2*time.Minute)
				if n := parkedBy(t, q); n < 10 || n > 50 {
					t.Errorf("%d jobs are parked; want at most half of 100", n)
				}
			})
		})
	}
}
