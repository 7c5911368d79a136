package sqsqueue

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testsqs"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/queuetest"
)

// testLease is shorter than Options allow, so that tests needn't wait.
const testLease = 3 * time.Second

// testTimeout is how long a test waits for a real server.
const testTimeout = 30 * time.Second

// testOptions are options for a queue of its own.
func testOptions() Options {
	return Options{
		Name:              "test-" + rand.Text(),
		Create:            true,
		VisibilityTimeout: testLease,
		WaitTime:          time.Second,
	}.withDefaults()
}

// openTest opens a queue, past the limits of Options.
func openTest(t *testing.T, client Client, opts Options) *Queue {
	t.Helper()
	q, err := open(t.Context(), client, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return q
}

func TestConformance(t *testing.T) {
	t.Parallel()
	client := testsqs.Client(testsqs.Start(t))
	for name, set := range map[string]func(*Options){
		"Standard":     func(*Options) {},
		"RetryBackoff": func(o *Options) { o.RetryBackoff = true },
		"FIFO":         func(o *Options) { o.FIFO, o.RetryBackoff = true, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queuetest.Run(t, harness(client, set))
		})
	}
}

// The fake returns several messages of a FIFO group at once, as SQS does and the server does not.
func TestConformanceWithWholeGroups(t *testing.T) {
	t.Parallel()
	h := harness(nil, nil)
	h.Open = func(t *testing.T) queue.Queue {
		f, opts := newFake(), testOptions()
		f.queues[fakeFIFOURL].attrs["RedrivePolicy"] = `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:dead","maxReceiveCount":1000}`
		opts.Name, opts.FIFO, opts.RetryBackoff = "jobs", true, true
		return openTest(t, f, opts)
	}
	h.Another = func(t *testing.T, q queue.Queue) queue.Queue {
		return openTest(t, q.(*Queue).store.client, q.(*Queue).store.opts)
	}
	h.Reopen = h.Another
	queuetest.Run(t, h)
}

// harness says what SQS lacks: it gives ten messages a call, in an order of its own, knows no
// lanes, and counts approximately. Orders and turns of ordered lanes on FIFO queues are checked.
func harness(client Client, set func(*Options)) queuetest.Harness {
	another := func(t *testing.T, q queue.Queue) queue.Queue {
		return openTest(t, client, q.(*Queue).store.opts)
	}
	return queuetest.Harness{
		Open: func(t *testing.T) queue.Queue {
			opts := testOptions()
			set(&opts)
			return openTest(t, client, opts)
		},
		Another:  another,
		Reopen:   another,
		TooLarge: maxBytes,
		Lacks:    queuetest.Lacks{Order: true, Partial: true, Turns: true, Stats: true},
	}
}
