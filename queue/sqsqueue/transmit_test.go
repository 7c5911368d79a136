package sqsqueue

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/testsqs"
	"github.com/pushhooks/webhook/queue"
)

func TestOnlyWhatSQSRefusesIsEscaped(t *testing.T) {
	t.Parallel()
	for data, body := range map[string]string{
		"💥 100% Zoë\t\n\r\u0085\u2028":      "💥 100% Zoë\t\n\r\u0085\u2028",
		"\uD7FF\uE000\uFFFD\U00010000":      "\uD7FF\uE000\uFFFD\U00010000",
		"\U0001FFFE\U0001FFFF\U0010FFFF":    "\U0001FFFE\U0001FFFF\U0010FFFF",
		"\uFFFE💥%":                          "%EF%BF%BE💥%25",
		"\uFFFF":                            "%EF%BF%BF",
		"\x00\x08\x0b\x0c\x0e\x1f \x7f\xff": "%00%08%0B%0C%0E%1F \x7f%FF",
	} {
		if e := encode(queue.Job{ID: "1", Lane: "a", Data: []byte(data)}, full); e.body != body {
			t.Errorf("%q travels as %q; want %q", data, e.body, body)
		}
	}
}

// A batch of 100 chat events with emoji and 1 KB each fits a queue whose limit is 256 KiB.
func TestEmojiDoNotMakeAJobTooLarge(t *testing.T) {
	virtual(t, Options{}, func(t *testing.T, f *fake, _ *Queue) {
		f.queues[fakeURL].attrs["MaximumMessageSize"] = "262144"
		q := openFake(t, f, Options{})
		job := makeJobs("a", false, "1")[0]
		job.Data = []byte(strings.Repeat(strings.Repeat("🎉", 256)+"\n", 100))
		enqueue(t, q, job)
		if l := receiveID(t, q, "1"); string(l.Data) != string(job.Data) {
			t.Error("the data has changed")
		}
	})
}

// The test server is an emulator that refuses characters beyond U+FFFF.
func TestEmulatorThatRefusesEmojiGetsThemEscaped(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	q := openTest(t, proxied(t, testsqs.Start(t), func(_ http.ResponseWriter, _ *http.Request, method string) bool {
		if method == "SendMessageBatch" {
			calls.Add(1)
		}
		return false
	}), testOptions())
	jobs := numbered(3)
	jobs[1].Data = []byte("🎉%")
	enqueue(t, q, jobs...)
	if n := calls.Load(); n != 2 {
		t.Errorf("%d calls; want 2, the second with the refused message alone", n)
	}
	jobs[1].ID = "emoji"
	enqueue(t, q, jobs[1])
	if n := calls.Load(); n != 3 {
		t.Errorf("%d calls; want 3, since the server is known", n)
	}
	got := make(map[string]string)
	for len(got) < 4 {
		for _, l := range receive(t, q, all(10), testTimeout) {
			got[l.ID] = string(l.Data)
			if l.ID == "emoji" {
				if err := q.DeadLetter(t.Context(), l, "gone: 🎉"); err != nil {
					t.Fatal(err)
				}
				continue
			}
			ack(t, q, l)
		}
	}
	if got["j1"] != "🎉%" || got["emoji"] != "🎉%" {
		t.Errorf("received %q", got)
	}
	if letters, err := q.DeadLetters(t.Context(), "", 9); err != nil || len(letters) != 1 || letters[0].Reason != "gone: 🎉" || string(letters[0].Data) != "🎉%" {
		t.Errorf("dead letters are %+v, %v", letters, err)
	}
}

func TestLimitThatWasLoweredRefusesOnlyWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprint("FIFO=", fifo), func(t *testing.T) {
			t.Parallel()
			client := testsqs.Client(testsqs.Start(t))
			opts := testOptions()
			opts.FIFO = fifo
			q := openTest(t, client, opts)
			if _, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
				QueueUrl: &q.store.url, Attributes: map[string]string{"MaximumMessageSize": "10000"},
			}); err != nil {
				t.Fatal(err)
			}
			jobs := numbered(3)
			jobs[1].Data = []byte(strings.Repeat("x", 20_000))
			err := q.Enqueue(t.Context(), jobs)
			wantOneTooLarge(t, err, 1, "20", "10000")
			if queue.ErrorOf(err, 0) != nil || queue.ErrorOf(err, 2) != nil {
				t.Errorf("Enqueue returned %v; want an error for the second job only", err)
			}
		})
	}
}

// wantOneTooLarge checks that a job's error is ErrTooLarge and names sizes.
func wantOneTooLarge(t *testing.T, err error, i int, sizes ...string) {
	t.Helper()
	var batch *queue.BatchError
	if !errors.As(err, &batch) || len(batch.Failed) != 1 || !errors.Is(batch.Failed[i], queue.ErrTooLarge) {
		t.Fatalf("Enqueue returned %v; want ErrTooLarge for job %d alone", err, i)
	}
	for _, size := range sizes {
		if !strings.Contains(batch.Failed[i].Error(), size) {
			t.Errorf("the error is %q; want it to name %s", batch.Failed[i], size)
		}
	}
}

// Some servers refuse a whole call for one message.
func TestCallThatIsRefusedForOneMessageTakesTheOthers(t *testing.T) {
	t.Parallel()
	const limit = 30_000 // of a request
	for name, answer := range map[string]func(w http.ResponseWriter){
		"BatchRequestTooLong": func(w http.ResponseWriter) { answerError(w, 400, "BatchRequestTooLong") },
		"Legacy":              func(w http.ResponseWriter) { answerError(w, 400, "AWS.SimpleQueueService.BatchRequestTooLong") },
		"Proxy":               func(w http.ResponseWriter) { http.Error(w, "too large", http.StatusRequestEntityTooLarge) },
		"InvalidParameterValue": func(w http.ResponseWriter) {
			answerMessage(w, 400, "InvalidParameterValue", "Message must be shorter than 30000 bytes.")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := openTest(t, proxied(t, testsqs.Start(t), func(w http.ResponseWriter, r *http.Request, _ string) bool {
				if r.ContentLength > limit {
					answer(w)
				}
				return r.ContentLength > limit
			}), testOptions())
			jobs := numbered(10)
			jobs[7].Data = []byte(strings.Repeat("x", 2*limit))
			for _, i := range []int{1, 2, 5} {
				jobs[i].Data = []byte(strings.Repeat("x", limit/2))
			}
			err := q.Enqueue(t.Context(), jobs)
			wantOneTooLarge(t, err, 7, "60")
			var got []string
			for len(got) < 9 {
				for _, l := range receive(t, q, all(10), testTimeout) {
					got = append(got, l.ID)
					ack(t, q, l)
				}
			}
			if slices.Sort(got); slices.Contains(got, "j7") || len(slices.Compact(got)) != 9 {
				t.Errorf("received %q; want all but j7, once", got)
			}
		})
	}
}

func TestQueueIsCreatedWhateverTheServerCallsItsAbsence(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(w http.ResponseWriter){
		"JSON":   func(w http.ResponseWriter) { answerError(w, 400, "QueueDoesNotExist") },
		"Legacy": func(w http.ResponseWriter) { answerError(w, 400, "AWS.SimpleQueueService.NonExistentQueue") },
		"Short":  func(w http.ResponseWriter) { answerError(w, 404, "NonExistentQueue") },
		"XML": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/xml")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprint(w, `<ErrorResponse><Error><Code>AWS.SimpleQueueService.NonExistentQueue</Code></Error></ErrorResponse>`)
		},
	} {
		for _, fifo := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/FIFO=", fifo), func(t *testing.T) {
				t.Parallel()
				opts := testOptions()
				opts.FIFO = fifo
				var asked atomic.Bool
				q := openTest(t, proxied(t, testsqs.Start(t), func(w http.ResponseWriter, _ *http.Request, method string) bool {
					first := method == "GetQueueUrl" && !asked.Swap(true)
					if first {
						answer(w)
					}
					return first
				}), opts)
				enqueue(t, q, numbered(1)...)
			})
		}
	}
}

func TestMessageGroupsAreLeftOut(t *testing.T) {
	virtual(t, Options{NoMessageGroups: true, DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		enqueue(t, q, numbered(25)...)
		for _, in := range f.sent {
			for _, e := range in.Entries {
				if e.MessageGroupId != nil {
					t.Fatalf("a message has the group %q", *e.MessageGroupId)
				}
			}
		}
		ack(t, q, receive(t, q, all(25), time.Minute)...)
	})
}

// The limit of a queue that was lowered after New is learned by halving.
func TestEmitterHalvesWhatTheQueueRefuses(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprint("FIFO=", fifo), func(t *testing.T) {
			t.Parallel()
			client := testsqs.Client(testsqs.Start(t))
			opts := testOptions()
			opts.FIFO, opts.VisibilityTimeout = fifo, 30*time.Second
			q := openTest(t, client, opts)
			if _, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{
				QueueUrl: &q.store.url, Attributes: map[string]string{"MaximumMessageSize": "20000"},
			}); err != nil {
				t.Fatal(err)
			}
			var reason atomic.Value
			em, err := webhook.New(webhook.Options{
				Queue: q, EmitOnly: true, Logger: slog.New(slog.DiscardHandler),
				Apps: []webhook.App{{ID: "a", Key: "k", Secret: "s", Webhooks: []webhook.Webhook{{
					URL: "https://receiver.test", EventTypes: []webhook.EventType{webhook.TypeClientEvent}, Ordered: fifo,
				}}}},
				Trace: &webhook.Trace{Dropped: func(i webhook.DroppedInfo) { reason.Store(i.Err) }},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer em.Close()
			for i := range 100 {
				size := 1000
				if i == 50 {
					size = 30_000
				}
				if err := em.Emit(webhook.ClientEvent("a", fmt.Sprint("private-", i), webhook.ClientMessage{
					Name: "client-x", Data: strings.Repeat("🎉", size/4), SocketID: "1.1",
				})); err != nil {
					t.Fatal(err)
				}
			}
			if err := em.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s := em.Stats(); s.Dropped != 1 || s.Queued != 99 {
				t.Errorf("stats are %+v; want 99 events in the queue and one dropped", s)
			}
			if err, _ := reason.Load().(error); !errors.Is(err, queue.ErrTooLarge) || !strings.Contains(err.Error(), "20000") {
				t.Errorf("the reason is %v; want ErrTooLarge and the limit", err)
			}
		})
	}
}
