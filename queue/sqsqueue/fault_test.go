package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var errInjected = errors.New("injected")

// failEntries fails one method's entries for these jobs.
func failEntries(method string, jobs ...string) func(string, string) error {
	return func(m, entry string) error {
		if m == method && slices.Contains(jobs, entry) {
			return errInjected
		}
		return nil
	}
}

// failCalls fails one method.
func failCalls(method string) func(string, string) error {
	return failEntries(method, "")
}

func numbered(n int) []queue.Job {
	var jobs []queue.Job
	for i := range n {
		jobs = append(jobs, makeJobs("a", false, fmt.Sprint("j", i))...)
	}
	return jobs
}

func TestFault33OnlyFailedEntriesOfASendAreNamed(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		f.setFail(failEntries("SendMessageBatch", "j3", "j17"))
		jobs := numbered(25)
		err := q.Enqueue(t.Context(), jobs)
		var batch *queue.BatchError
		if !errors.As(err, &batch) || len(batch.Failed) != 2 || batch.Failed[3] == nil || batch.Failed[17] == nil {
			t.Fatalf("Enqueue returned %v; want a BatchError that names 3 and 17", err)
		}
		f.setFail(nil)
		enqueue(t, q, jobs...) // those that were taken are not sent again
		if got := f.jobs(fakeURL); len(got) != 25 {
			t.Errorf("SQS has %d messages; want 25: %q", len(got), got)
		}
	})
}

func TestFault33LostAnswerOfASendMakesOneJobOnFIFO(t *testing.T) {
	virtual(t, Options{QueueURL: fakeFIFOURL}, func(t *testing.T, f *fake, q *Queue) {
		f.lose = true
		jobs := numbered(25)
		var batch *queue.BatchError
		if err := q.Enqueue(t.Context(), jobs); err == nil || errors.As(err, &batch) {
			t.Fatalf("Enqueue returned %v; want an error that leaves open what was taken", err)
		}
		f.lose = false
		enqueue(t, q, jobs...)
		if got := f.jobs(fakeFIFOURL); len(got) != 25 {
			t.Errorf("SQS has %d messages; want 25", len(got))
		}
	})
}

func TestFault33OnlyFailedEntriesOfAnAckAreNamed(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "1", "2", "3")...)
		leases := receive(t, q, all(3), time.Minute)
		f.setFail(failEntries("DeleteMessageBatch", "2"))
		err := q.Ack(t.Context(), leases)
		if queue.ErrorOf(err, 0) != nil || queue.ErrorOf(err, 1) == nil || queue.ErrorOf(err, 2) != nil {
			t.Fatalf("Ack returned %v; want an error for the second job only", err)
		}
		wantJobs(t, f, fakeURL, "2")
		f.setFail(nil)
		ack(t, q, leases[1])
		wantJobs(t, f, fakeURL)
	})
}

func TestFault33DeliveredJobWhoseAckFailedIsNotHandedOut(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "1")...)
		l := receiveID(t, q, "1")
		f.setFail(failCalls("DeleteMessageBatch"))
		if err := q.Ack(t.Context(), []queue.Lease{l}); err == nil {
			t.Fatal("Ack succeeded")
		}
		time.Sleep(time.Minute) // the visibility timeout ends
		f.setFail(nil)
		none(t, q, 10*time.Second)
		wantJobs(t, f, fakeURL)
	})
}

func TestFault33CopyOfADeliveredJobIsDeleted(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		job := makeJobs("a", false, "1")[0]
		enqueue(t, q, job)
		ack(t, q, receiveID(t, q, "1"))
		enqueue(t, openFake(t, f, Options{}), job) // another process
		none(t, q, 10*time.Second)
		wantJobs(t, f, fakeURL)
	})
}

func TestFault33CopyOfAHeldJobIsDeleted(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		job := makeJobs("a", false, "1")[0]
		enqueue(t, q, job)
		l := receiveID(t, q, "1")
		enqueue(t, openFake(t, f, Options{}), job)
		none(t, q, 10*time.Second)
		wantJobs(t, f, fakeURL, "1")
		ack(t, q, l)
		wantJobs(t, f, fakeURL)
	})
}

func TestFault33MessageThatSQSSendsTwiceIsHandedOutOnce(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "1")...)
		l := receiveID(t, q, "1")
		f.see(fakeURL, func(messages []*fakeMessage) { messages[0].visible = time.Now() })
		none(t, q, 10*time.Second)
		wantJobs(t, f, fakeURL, "1")
		ack(t, q, l) // by the newest receipt handle
		wantJobs(t, f, fakeURL)
	})
}

func TestFault33LostVisibilityTimeoutLosesTheLease(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "1")...)
		old := receiveID(t, q, "1")
		f.see(fakeURL, func(messages []*fakeMessage) { messages[0].visible = time.Now() })
		other := openFake(t, f, Options{})
		l := receiveID(t, other, "1")
		if err := q.Extend(t.Context(), []queue.Lease{old}); !errors.Is(err, queue.ErrLeaseLost) {
			t.Errorf("Extend returned %v; want ErrLeaseLost", err)
		}
		if err := q.Ack(t.Context(), []queue.Lease{old}); !errors.Is(err, queue.ErrLeaseLost) {
			t.Errorf("Ack returned %v; want ErrLeaseLost", err)
		}
		ack(t, other, l)
	})
}

func TestFault33JobTooLarge(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		jobs := numbered(3)
		jobs[1].Data = []byte(strings.Repeat("x", maxBytes))
		err := q.Enqueue(t.Context(), jobs)
		if !errors.Is(queue.ErrorOf(err, 1), queue.ErrTooLarge) || queue.ErrorOf(err, 0) != nil || queue.ErrorOf(err, 2) != nil {
			t.Fatalf("Enqueue returned %v; want ErrTooLarge for the second job only", err)
		}
		wantJobs(t, f, fakeURL, "j0", "j2")
	})
}

func TestFault33NothingFollowsARefusedJobOfAnOrderedLane(t *testing.T) {
	virtual(t, Options{QueueURL: fakeFIFOURL}, func(t *testing.T, f *fake, q *Queue) {
		f.setFail(failEntries("SendMessageBatch", "2"))
		err := q.Enqueue(t.Context(), append(makeJobs("a", true, "1", "2", "3", "4"), makeJobs("b", true, "5")...))
		for i, fails := range []bool{false, true, true, true, false} {
			if (queue.ErrorOf(err, i) != nil) != fails {
				t.Errorf("job %d: %v; want an error: %v", i, queue.ErrorOf(err, i), fails)
			}
		}
	})
}

func TestFault31LeaseIsRenewedAndALateAckRefused(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "1")...)
		l := receiveID(t, q, "1")
		other := openFake(t, f, Options{})
		for range 10 {
			time.Sleep(20 * time.Second)
			if err := q.Extend(t.Context(), []queue.Lease{l}); err != nil {
				t.Fatal(err)
			}
		}
		none(t, other, 25*time.Second)
		f.setFail(failCalls("ChangeMessageVisibilityBatch"))
		if err := q.Extend(t.Context(), []queue.Lease{l}); !errors.Is(err, errInjected) {
			t.Errorf("Extend returned %v; want the server's error", err)
		}
		receiveID(t, other, "1")
		if err := q.Ack(t.Context(), []queue.Lease{l}); !errors.Is(err, queue.ErrLeaseLost) {
			t.Errorf("a late Ack returned %v; want ErrLeaseLost", err)
		}
		wantJobs(t, f, fakeURL, "1")
	})
}

func TestParkedJobsSurviveAnOutageShorterThanTheirTimeout(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("dead", false, "d")...)
		receive(t, q, skipping(1, "dead"), time.Second)
		for range 100 { // out of phase with the extensions
			f.setFail(failCalls("ChangeMessageVisibilityBatch"))
			receive(t, q, skipping(1, "dead"), 11*time.Second)
			f.setFail(nil)
			receive(t, q, skipping(1, "dead"), 2*time.Second)
		}
		if l := receiveID(t, q, "d"); l.Attempts != 0 {
			t.Errorf("Attempts is %d; want 0", l.Attempts)
		}
	})
}

func TestReceiveReturnsErrorsAndPacesItself(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		f.setFail(failCalls("ReceiveMessage"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for ctx.Err() == nil { // a caller without any backoff
			if _, err := q.Receive(ctx, all(10)); !errors.Is(err, errInjected) && ctx.Err() == nil {
				t.Fatalf("Receive returned %v; want the server's error", err)
			}
		}
		if n := f.called("ReceiveMessage"); n > 50 {
			t.Errorf("%d calls in a minute of failures; want backoff", n)
		}
		f.setFail(nil)
		enqueue(t, q, makeJobs("a", false, "1")...)
		start := time.Now()
		receiveID(t, q, "1")
		if took := time.Since(start); took > 7*time.Second {
			t.Errorf("received %v after the outage; want at most %v", took, 7*time.Second)
		}
	})
}

func TestBatchesKeepTheLimitsOfSQS(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		jobs := numbered(100)
		for i := range jobs {
			jobs[i].Data = []byte(strings.Repeat("x", i*3000))
		}
		enqueue(t, q, jobs...)
		sent := 0
		for _, in := range f.sent {
			size := 0
			for _, e := range in.Entries {
				size += len(*e.MessageBody)
				for name, a := range e.MessageAttributes {
					size += len(name) + len(*a.DataType) + len(*a.StringValue)
				}
				if *e.MessageGroupId != "a" {
					t.Errorf("the group is %q; want the lane", *e.MessageGroupId)
				}
			}
			sent += len(in.Entries)
			if len(in.Entries) > maxEntries || size > maxBytes {
				t.Errorf("a batch has %d entries of %d bytes", len(in.Entries), size)
			}
		}
		if sent != 100 || len(f.sent) > 25 {
			t.Errorf("%d messages in %d batches; want 100 in few", sent, len(f.sent))
		}
	})
}

func TestDeadLetterIsSentOnce(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "1")...)
		l := receiveID(t, q, "1")
		for _, method := range []string{"SendMessageBatch", "DeleteMessageBatch"} {
			f.setFail(failCalls(method))
			if err := q.DeadLetter(t.Context(), l, "gone"); !errors.Is(err, errInjected) {
				t.Fatalf("DeadLetter returned %v; want the server's error", err)
			}
			wantJobs(t, f, fakeURL, "1")
		}
		f.setFail(nil)
		if err := q.DeadLetter(t.Context(), l, "gone"); err != nil {
			t.Fatal(err)
		}
		wantJobs(t, f, fakeURL)
		wantJobs(t, f, fakeDeadURL, "1")
	})
}

func TestDeadLetterWithoutAQueueForThemIsCounted(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "1")...)
		if err := q.DeadLetter(t.Context(), receiveID(t, q, "1"), "gone"); err != nil {
			t.Fatal(err)
		}
		wantJobs(t, f, fakeURL)
		if stats, err := q.Stats(t.Context()); err != nil || stats.DeadDropped != 1 {
			t.Errorf("Stats are %+v, %v; want one dropped", stats, err)
		}
		if _, err := q.DeadLetters(t.Context(), "", 1); !errors.Is(err, ErrNoDeadLetters) {
			t.Errorf("DeadLetters returned %v; want ErrNoDeadLetters", err)
		}
	})
}

func TestDeadLettersOfTheRedrivePolicyAreListed(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, _ *Queue) {
		f.queues[fakeURL].attrs["RedrivePolicy"] = `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:dead","maxReceiveCount":"3"}`
		q := openFake(t, f, Options{})
		e := encode(makeJobs("a", false, "1")[0], full)
		f.mu.Lock()
		f.put(f.queues[fakeDeadURL], e.entry()) // as SQS moves it
		f.mu.Unlock()
		enqueue(t, q, makeJobs("a", false, "2")...)
		if err := q.DeadLetter(t.Context(), receiveID(t, q, "2"), "gone: 410"); err != nil {
			t.Fatal(err)
		}
		letters, err := q.DeadLetters(t.Context(), "", 9)
		if err != nil || len(letters) != 2 || letters[0].Reason != redriven || letters[1].Reason != "gone: 410" || letters[1].Attempts != 1 {
			t.Errorf("dead letters are %+v, %v; want one moved by SQS and one that is gone", letters, err)
		}
	})
}

func TestDeadLettersAreGivenBackWhenALookFails(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, numbered(12)...)
		for range 12 {
			l := receive(t, q, all(1), time.Minute)[0]
			if err := q.DeadLetter(t.Context(), l, "gone"); err != nil {
				t.Fatal(err)
			}
		}
		looks := 0
		f.setFail(func(method, _ string) error {
			if method != "ReceiveMessage" {
				return nil
			}
			if looks++; looks == 2 {
				return errInjected
			}
			return nil
		})
		if _, err := q.DeadLetters(t.Context(), "", 99); !errors.Is(err, errInjected) {
			t.Fatalf("DeadLetters returned %v; want the server's error", err)
		}
		f.setFail(nil)
		if letters, err := q.DeadLetters(t.Context(), "", 99); len(letters) != 12 {
			t.Errorf("%d dead letters, %v; want all 12 at once", len(letters), err)
		}
	})
}

func TestReplayKeepsWhatTheQueueRefuses(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, makeJobs("a", false, "1", "2")...)
		for _, l := range receive(t, q, all(2), time.Minute) {
			if err := q.DeadLetter(t.Context(), l, "gone"); err != nil {
				t.Fatal(err)
			}
		}
		f.setFail(failEntries("SendMessageBatch", "2~1"))
		if n, err := q.Replay(t.Context(), []queue.Replayed{
			{ID: "1", Job: makeJobs("a", false, "1~1")[0]}, {ID: "2", Job: makeJobs("a", false, "2~1")[0]},
		}); n != 1 || err == nil {
			t.Errorf("Replay returned %d, %v; want 1 and the error of the other", n, err)
		}
		wantJobs(t, f, fakeURL, "1~1")
		wantJobs(t, f, fakeDeadURL, "2")
	})
}
