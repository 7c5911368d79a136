package sqsqueue

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestWrongOptionsAreNamed(t *testing.T) {
	t.Parallel()
	for want, opts := range map[string]Options{
		"VisibilityTimeout is 10s: give whole seconds from 15s to 12h0m0s": {VisibilityTimeout: 10 * time.Second},
		"VisibilityTimeout is 13h0m0s":                                     {VisibilityTimeout: 13 * time.Hour},
		"VisibilityTimeout is 30.5s":                                       {VisibilityTimeout: 30500 * time.Millisecond},
		"WaitTime is 21s: give whole seconds from 1s to 20s":               {WaitTime: 21 * time.Second},
		"WaitTime is -1s":                                                  {WaitTime: -time.Second},
		"MaxMessages is 11":                                                {MaxMessages: 11},
		"Pollers is -1":                                                    {Pollers: -1},
		"ParkedJobs is -1":                                                 {ParkedJobs: -1},
		"ParkedBytes is -1":                                                {ParkedBytes: -1},
		"ParkedJobs is 9223372036854775807":                                {ParkedJobs: math.MaxInt},
		"ParkedBytes is 9223372036854775807":                               {ParkedBytes: math.MaxInt64},
		"FIFO is true":                                                     {FIFO: true, QueueURL: "https://sqs/1/jobs"},
		"FIFO is false":                                                    {QueueURL: "https://sqs/1/jobs.fifo"},
		"FIFO is false, but Name is":                                       {Name: "jobs.fifo"},
		`Name is "web.hooks"`:                                              {Name: "web.hooks"},
		"and SQS allows 80":                                                {Name: strings.Repeat("n", 76), Create: true},
		"NoMessageGroups is true":                                          {FIFO: true, NoMessageGroups: true},
		"Create: a queue is create":                                        {QueueURL: "https://sqs/1/jobs", Create: true},
	} {
		if _, err := New(t.Context(), newFake(), opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v) returned %v; want an error with %q", opts, err, want)
		}
	}
}

func TestAllWrongOptionsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), newFake(), Options{MaxMessages: 11, Pollers: 101})
	if err == nil || !strings.Contains(err.Error(), "MaxMessages") || !strings.Contains(err.Error(), "Pollers") {
		t.Errorf("New returned %v; want both fields named", err)
	}
}

func TestSuffixOfTheNameIsNotDoubled(t *testing.T) {
	t.Parallel()
	opts := Options{Name: "hooks.fifo", FIFO: true}.withDefaults()
	if got := opts.queueName(""); got != "hooks.fifo" {
		t.Errorf("the name is %q; want %q", got, "hooks.fifo")
	}
}

func TestQueueWithTooSmallMessagesIsRefused(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.queues[fakeDeadURL].attrs["MaximumMessageSize"] = "1024"
	_, err := New(t.Context(), f, Options{QueueURL: fakeURL, DeadLetterQueueURL: fakeDeadURL})
	if err == nil || !strings.Contains(err.Error(), "is 1024: it must be at least 8192") {
		t.Errorf("New returned %v; want an error that names the limit", err)
	}
}
