package sqsqueue

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// putForeign sends a message without our attributes, and with others.
func (f *fake) putForeign(url, body string, attrs ...string) {
	e := types.SendMessageBatchRequestEntry{MessageBody: &body, MessageDeduplicationId: &body, MessageGroupId: aws.String("theirs")}
	e.MessageAttributes = make(map[string]types.MessageAttributeValue)
	for _, name := range attrs {
		e.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("theirs")}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(f.queues[url], e)
}

// receiveFor receives for a while, acks what it gets, and returns the errors of Receive.
func receiveFor(t *testing.T, q *Queue, d time.Duration) (errs []error, jobs int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	for ctx.Err() == nil {
		leases, err := q.Receive(ctx, all(10))
		ack(t, q, leases...)
		jobs += len(leases)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			errs = append(errs, err)
		}
	}
	return errs, jobs
}

func TestMessagesOfAnotherApplicationAreLeftAlone(t *testing.T) {
	for _, url := range []string{fakeURL, fakeFIFOURL} {
		for name, opts := range map[string]Options{"DeadLetterQueue": {DeadLetterQueueURL: fakeDeadURL}, "None": {}} {
			opts.QueueURL = url
			t.Run(url+"/"+name, func(t *testing.T) {
				virtual(t, opts, func(t *testing.T, f *fake, q *Queue) {
					for _, body := range []string{"one", "two", "three"} {
						f.putForeign(url, body, "traceparent", attrLane)
					}
					enqueue(t, q, numbered(5)...)
					errs, jobs := receiveFor(t, q, 2*time.Hour)
					if jobs != 5 {
						t.Errorf("%d jobs were received; want 5", jobs)
					}
					if len(errs) != 3 {
						t.Errorf("Receive returned %d errors; want one for each message: %v", len(errs), errs)
					}
					for _, err := range errs {
						if !strings.Contains(err.Error(), "another application") {
							t.Errorf("Receive returned %v", err)
						}
					}
					wantJobs(t, f, url, "", "", "")
					wantJobs(t, f, fakeDeadURL)
				})
			})
		}
	}
}

// Without a dead-letter queue what cannot be read would be deleted, and nobody would have seen it.
func TestUnreadableMessageIsLeftAloneWithoutADeadLetterQueue(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, q *Queue) {
		f.putForeign(fakeURL, "theirs", attrID)
		errs, jobs := receiveFor(t, q, time.Hour)
		if jobs > 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "cannot be read") {
			t.Errorf("received %d jobs and %v; want none, and one error", jobs, errs)
		}
		wantJobs(t, f, fakeURL, "theirs")
	})
}

func TestUnreadableMessageIsADeadLetterOnce(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		f.putForeign(fakeURL, "theirs", attrID)
		l := receive(t, q, all(1), time.Minute)
		if len(l) != 1 || l[0].Lane != foreignLane {
			t.Fatalf("received %v; want a job of the lane %q", l, foreignLane)
		}
		if err := q.DeadLetter(t.Context(), l[0], "unreadable"); err != nil {
			t.Fatal(err)
		}
		if errs, jobs := receiveFor(t, q, time.Hour); jobs > 0 || len(errs) > 0 {
			t.Errorf("received %d jobs more, %v", jobs, errs)
		}
		letters, err := q.DeadLetters(t.Context(), "", 9)
		if err != nil || len(letters) != 1 || string(letters[0].Data) != "theirs" {
			t.Errorf("dead letters are %v, %v; want the message", letters, err)
		}
		wantJobs(t, f, fakeURL)
	})
}
