package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/internal/testsqs"
	"github.com/pushhooks/webhook/queue"
)

func TestServerCarriesEveryText(t *testing.T) {
	t.Parallel()
	q := openTest(t, testsqs.Client(testsqs.Start(t)), testOptions())
	for i, text := range []string{
		"", " ", "100%", "%41", "💥 Zoë \u2028", "\uFFFE\uFFFF\uFFFD", "a\nb\tc\rd", "\x7f\u0085", `{"a":"\\u0000"}`,
	} {
		job := queue.Job{ID: fmt.Sprintf("~!%%'\"%d", i), Lane: "x" + text, Data: []byte(text)}
		enqueue(t, q, job)
		l := receiveID(t, q, job.ID)
		if l.Lane != job.Lane || string(l.Data) != text {
			t.Errorf("received %q of lane %q; want %q of %q", l.Data, l.Lane, text, job.Lane)
		}
		ack(t, q, l)
	}
}

func TestCreatedQueueHasADeadLetterQueue(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprint("FIFO=", fifo), func(t *testing.T) {
			t.Parallel()
			client := testsqs.Client(testsqs.Start(t))
			opts := testOptions()
			opts.FIFO = fifo
			first := openTest(t, client, opts)
			again := openTest(t, client, opts)
			opts.Create = false
			found := openTest(t, client, opts)
			if first.store.deadURL == "" || again.store.deadURL != first.store.deadURL || found.store.deadURL != first.store.deadURL {
				t.Errorf("the dead-letter queues are %q, %q and %q; want the same", first.store.deadURL, again.store.deadURL, found.store.deadURL)
			}
			if !strings.Contains(first.store.deadURL, opts.Name+"-dead") || strings.HasSuffix(first.store.deadURL, ".fifo") != fifo {
				t.Errorf("the dead-letter queue is %q", first.store.deadURL)
			}
		})
	}
}

func TestQueueURLPrefixNamesTheQueue(t *testing.T) {
	t.Parallel()
	client := testsqs.Client(testsqs.Start(t))
	for _, fifo := range []bool{false, true} {
		opts := testOptions()
		opts.FIFO = fifo
		created := openTest(t, client, opts)
		prefix := created.store.url[:strings.LastIndex(created.store.url, "/")]
		for _, slash := range []string{"", "/"} {
			byPrefix := opts
			byPrefix.Create, byPrefix.QueueURLPrefix = false, prefix+slash
			if got := openTest(t, client, byPrefix).store.url; got != created.store.url {
				t.Errorf("opened %q; want %q", got, created.store.url)
			}
		}
	}
}

func TestMissingQueueIsNamed(t *testing.T) {
	t.Parallel()
	client := testsqs.Client(testsqs.Start(t))
	_, err := New(t.Context(), client, Options{Name: "nowhere", FIFO: true})
	var missing *types.QueueDoesNotExist
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), `"nowhere.fifo"`) {
		t.Errorf("New returned %v; want that the queue \"nowhere.fifo\" does not exist", err)
	}
}

func TestRedrivePolicyOfSQSMovesAJob(t *testing.T) {
	t.Parallel()
	client := testsqs.Client(testsqs.Start(t))
	opts := testOptions()
	opts.RetryBackoff = true
	q := openTest(t, client, opts)
	_, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: &q.store.url,
		Attributes: map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:` + opts.Name + `-dead","maxReceiveCount":2}`,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	enqueue(t, q, makeJobs("a", false, "1")...)
	nack(t, q, receiveID(t, q, "1"), 0, true)
	nack(t, q, receiveID(t, q, "1"), 0, true)
	none(t, q, 2*time.Second)
	letters, err := q.DeadLetters(t.Context(), "", 9)
	if err != nil || len(letters) != 1 || letters[0].ID != "1" || letters[0].Reason != redriven {
		t.Errorf("dead letters are %+v, %v; want the job, moved by SQS", letters, err)
	}
}

// proxied is a client whose calls pass through a proxy, which may answer in the server's place.
// hook reports whether it did; it is given the name of the method.
func proxied(t *testing.T, server string, hook func(w http.ResponseWriter, r *http.Request, method string) bool) *sqs.Client {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.ErrorLog = log.New(io.Discard, "", 0) // of calls that Close cancels
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, method, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if !hook(w, r, method) {
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	return testsqs.Client(front.URL, func(o *sqs.Options) { o.Retryer = newRetryer() })
}

// answerError answers as SQS does.
func answerError(w http.ResponseWriter, status int, code string) {
	answerMessage(w, status, code, "injected")
}

func answerMessage(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"__type":"com.amazonaws.sqs#%s","message":%q}`, code, message)
}

func TestThrottlingAndServerErrorsPass(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{"RequestThrottled": 400, "ThrottlingException": 429, "InternalFailure": 500, "ServiceUnavailable": 503} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			var down atomic.Bool
			var calls atomic.Int32
			client := proxied(t, testsqs.Start(t), func(w http.ResponseWriter, _ *http.Request, _ string) bool {
				calls.Add(1)
				if down.Load() {
					answerError(w, status, code)
				}
				return down.Load()
			})
			q := openTest(t, client, testOptions())
			down.Store(true)
			start := time.Now()
			calls.Store(0)
			if err := q.Enqueue(t.Context(), numbered(1)); err == nil || time.Since(start) > 5*time.Second {
				t.Errorf("Enqueue returned %v after %v; want an error soon", err, time.Since(start))
			}
			if n := calls.Load(); n > clientAttempts {
				t.Errorf("%d attempts; want at most %d", n, clientAttempts)
			}
			if _, err := q.Receive(t.Context(), all(1)); err == nil {
				t.Error("Receive succeeded")
			}
			down.Store(false)
			enqueue(t, q, numbered(1)...)
			ack(t, q, receiveID(t, q, "j0"))
		})
	}
}

// lostAnswers carries calls of a method out and drops the connection in place of the answer.
func lostAnswers(t *testing.T, server, lost string, times int32) *sqs.Client {
	var left atomic.Int32
	left.Store(times)
	var direct http.Client
	t.Cleanup(direct.CloseIdleConnections)
	return proxied(t, server, func(_ http.ResponseWriter, r *http.Request, method string) bool {
		if method != lost || left.Add(-1) < 0 {
			return false
		}
		req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, server+"/", r.Body)
		if err != nil {
			t.Error(err)
			return false
		}
		req.Header = r.Header
		resp, err := direct.Do(req)
		if err != nil {
			t.Error(err)
			return false
		}
		_ = resp.Body.Close()
		panic(http.ErrAbortHandler)
	})
}

func TestLostAnswersOfEnqueueMakeOneJobOnFIFO(t *testing.T) {
	t.Parallel()
	opts := testOptions()
	opts.FIFO = true
	q := openTest(t, lostAnswers(t, testsqs.Start(t), "SendMessageBatch", 5), opts)
	jobs := numbered(30)
	err := q.Enqueue(t.Context(), jobs)
	for tries := 0; err != nil && tries < 20; tries++ {
		err = q.Enqueue(t.Context(), jobs)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int)
	for len(got) < len(jobs) {
		for _, l := range receive(t, q, all(10), 10*time.Second) {
			got[l.ID]++
			ack(t, q, l)
		}
	}
	none(t, q, 2*time.Second)
	for id, n := range got {
		if n != 1 {
			t.Errorf("%s was received %d times", id, n)
		}
	}
}

func TestLostAnswersOfReceiveAndAck(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"ReceiveMessage", "DeleteMessageBatch"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			q := openTest(t, lostAnswers(t, testsqs.Start(t), method, 1), testOptions())
			enqueue(t, q, numbered(1)...)
			var leases []queue.Lease
			for deadline := time.Now().Add(20 * time.Second); len(leases) == 0 && time.Now().Before(deadline); {
				ctx, cancel := context.WithDeadline(t.Context(), deadline)
				leases, _ = q.Receive(ctx, all(1))
				cancel()
			}
			if len(leases) != 1 || leases[0].ID != "j0" {
				t.Fatalf("received %v; want the job", leases)
			}
			ack(t, q, leases...)
			none(t, q, 2*testLease)
		})
	}
}

func TestNewClientNeedsARegion(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	if _, err := NewClient(t.Context(), "", ""); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("NewClient returned %v; want an error that names AWS_REGION", err)
	}
}

func TestNewClientUsesRegionAndEndpoint(t *testing.T) {
	server := testsqs.Start(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	client, err := NewClient(t.Context(), testsqs.Region, server)
	if err != nil {
		t.Fatal(err)
	}
	q := openTest(t, client, testOptions())
	enqueue(t, q, numbered(1)...)
	ack(t, q, receiveID(t, q, "j0"))
}
