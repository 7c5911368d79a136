package sqsqueue

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/pushhooks/webhook/internal/testsqs"
	"github.com/pushhooks/webhook/queue"
)

// enqueueAgain offers jobs until they are taken, as an emitter does.
func enqueueAgain(t *testing.T, q *Queue, jobs []queue.Job) (tries int) {
	t.Helper()
	for deadline := time.Now().Add(testTimeout); ; tries++ {
		err := q.Enqueue(t.Context(), jobs)
		if err == nil {
			return tries
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// receiveOnce receives and acks jobs until each was received, and checks that none comes twice.
func receiveOnce(t *testing.T, q *Queue, n int) {
	t.Helper()
	got := make(map[string]int)
	for deadline := time.Now().Add(testTimeout); len(got) < n && time.Now().Before(deadline); {
		leases, err := q.Receive(t.Context(), all(10))
		if err != nil {
			continue
		}
		for _, l := range leases {
			got[l.ID]++
		}
		ack(t, q, leases...)
	}
	none(t, q, 2*time.Second)
	for id, times := range got {
		if times != 1 {
			t.Errorf("%s was received %d times", id, times)
		}
	}
	if len(got) != n {
		t.Errorf("%d jobs were received; want %d", len(got), n)
	}
}

// A standard queue takes a job as often as an answer is lost, but a process delivers it once.
func TestLostAnswersOfEnqueueDeliverEachJobOnceOnAStandardQueue(t *testing.T) {
	t.Parallel()
	q := openTest(t, lostAnswers(t, testsqs.Start(t), "SendMessageBatch", 7), testOptions())
	jobs := numbered(30)
	if tries := enqueueAgain(t, q, jobs); tries == 0 {
		t.Error("the first call succeeded")
	}
	receiveOnce(t, q, 30)
}

func TestExpiredCredentialsPass(t *testing.T) {
	t.Parallel()
	var expired atomic.Bool
	q := openTest(t, proxied(t, testsqs.Start(t), func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		if expired.Load() {
			answerMessage(w, http.StatusForbidden, "ExpiredToken", "The security token included in the request is expired")
		}
		return expired.Load()
	}), testOptions())
	enqueue(t, q, numbered(1)...)
	expired.Store(true)
	if err := q.Enqueue(t.Context(), makeJobs("a", false, "x")); err == nil || !strings.Contains(err.Error(), "ExpiredToken") {
		t.Errorf("Enqueue returned %v; want the server's error", err)
	}
	if _, err := q.Receive(t.Context(), all(1)); err == nil || !strings.Contains(err.Error(), "ExpiredToken") {
		t.Errorf("Receive returned %v; want the server's error", err)
	}
	expired.Store(false)
	enqueueAgain(t, q, makeJobs("a", false, "x"))
	receiveOnce(t, q, 2)
}

// SQS refuses a request that was signed at another time than its own, and tells its time.
func TestClockThatIsOffIsCorrected(t *testing.T) {
	t.Parallel()
	const offset = 2 * time.Hour
	q := openTest(t, proxied(t, testsqs.Start(t), func(w http.ResponseWriter, r *http.Request, _ string) bool {
		now := time.Now().Add(offset)
		signed, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err == nil && now.Sub(signed).Abs() < 15*time.Minute {
			return false
		}
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		answerMessage(w, http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
		return true
	}), testOptions())
	enqueue(t, q, numbered(3)...)
	receiveOnce(t, q, 3)
}

func TestWrongChecksumsPass(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"SendMessageBatch", "ReceiveMessage"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			server := testsqs.Start(t)
			var wrong atomic.Int32
			var direct http.Client
			t.Cleanup(direct.CloseIdleConnections)
			q := openTest(t, proxied(t, server, func(w http.ResponseWriter, r *http.Request, m string) bool {
				if m != method {
					return false
				}
				req, err := http.NewRequestWithContext(r.Context(), r.Method, server+"/", r.Body)
				if err != nil {
					t.Error(err)
					return false
				}
				req.Header = r.Header
				resp, err := direct.Do(req)
				if err != nil { // Close has cancelled the call
					panic(http.ErrAbortHandler)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					panic(http.ErrAbortHandler)
				}
				if bytes.Contains(body, []byte("MD5OfMessageBody")) || bytes.Contains(body, []byte("MD5OfBody")) {
					if wrong.Add(1) == 1 {
						body = withWrongChecksum(t, body)
					}
				}
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.WriteHeader(resp.StatusCode)
				_, _ = w.Write(body)
				return true
			}), testOptions())
			enqueueAgain(t, q, numbered(5))
			receiveOnce(t, q, 5)
			if wrong.Load() < 2 {
				t.Errorf("%d answers had checksums; want a wrong one and others", wrong.Load())
			}
		})
	}
}

// withWrongChecksum changes the checksums of an answer.
func withWrongChecksum(t *testing.T, body []byte) []byte {
	t.Helper()
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Error(err)
	}
	for _, list := range answer {
		entries, _ := list.([]any)
		for _, entry := range entries {
			fields, _ := entry.(map[string]any)
			for _, name := range []string{"MD5OfMessageBody", "MD5OfBody"} {
				if fields[name] != nil {
					fields[name] = strings.Repeat("0", 32)
				}
			}
		}
	}
	changed, err := json.Marshal(answer)
	if err != nil {
		t.Error(err)
	}
	return changed
}

func TestQueueThatIsPurgedGoesOn(t *testing.T) {
	t.Parallel()
	client := testsqs.Client(testsqs.Start(t))
	q := openTest(t, client, testOptions())
	enqueue(t, q, numbered(20)...)
	leases := receive(t, q, all(5), testTimeout)
	if _, err := client.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &q.store.url}); err != nil {
		t.Fatal(err)
	}
	_ = q.Extend(t.Context(), leases) // the leases may be lost
	_ = q.Ack(t.Context(), leases)
	enqueue(t, q, makeJobs("a", false, "after")...)
	receiveAmong(t, q, "after")
}

func TestQueueThatIsDeletedAndMadeAgainGoesOn(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		client := testsqs.Client(testsqs.Start(t))
		opts := testOptions()
		opts.FIFO = fifo
		q := openTest(t, client, opts)
		enqueue(t, q, numbered(3)...)
		ack(t, q, receive(t, q, all(3), testTimeout)...)
		if _, err := client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &q.store.url}); err != nil {
			t.Fatal(err)
		}
		job := makeJobs("a", false, "after")
		if err := q.Enqueue(t.Context(), job); !missing(err) {
			t.Errorf("Enqueue returned %v; want that the queue does not exist", err)
		}
		if _, err := q.Receive(t.Context(), all(1)); !missing(err) {
			t.Errorf("Receive returned %v; want that the queue does not exist", err)
		}
		openTest(t, client, opts) // makes it again
		enqueueAgain(t, q, job)
		receiveAmong(t, q, "after")
	}
}

// receiveAmong receives until a job comes, whatever becomes of others.
func receiveAmong(t *testing.T, q *Queue, id string) {
	t.Helper()
	for deadline := time.Now().Add(testTimeout); time.Now().Before(deadline); {
		// errors of the time before may be reported once more
		leases, _ := q.Receive(t.Context(), all(10))
		_ = q.Ack(t.Context(), leases) // their messages may be gone
		for _, l := range leases {
			if l.ID == id {
				return
			}
		}
	}
	t.Errorf("%s does not come", id)
}
