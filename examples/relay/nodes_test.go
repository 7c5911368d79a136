package main

import (
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
)

// Two relays work on one queue, and one of them does not know the app yet. What it receives waits
// for the other, for as long as the job is old.
func TestFault34JobsOfAnUnknownAppWaitForAnotherNode(t *testing.T) {
	t.Parallel()
	for name, queue := range map[string]func(t *testing.T) object{
		"redis": func(t *testing.T) object { return redisQueue(testredis.StartServer(t, testredis.Options{})) },
		"sqs": func(t *testing.T) object {
			queue, _ := sqsQueue(t)
			return queue
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			waitForAnotherNode(t, queue(t))
		})
	}
}

func waitForAnotherNode(t *testing.T, queue object) {
	const n = 40
	s := newSink(t)
	other := object{"id": "other", "key": "k", "secret": "s"}
	knows := writeConfig(t, queue, oneByOne, testApp(hookTo(s.URL)))
	lacks := writeConfig(t, queue, oneByOne, other)
	spawned(t, numberedLines(0, n), nil, "-emit-only", "-config", knows).
		want(exitOK, totals{Emitted: n, Matched: n, Queued: n})

	first := spawn(t, nil, "-work", "-config", lacks)
	<-time.After(3 * time.Second) // it has all that it wants, and nobody else is there
	began := time.Now()
	second := spawn(t, nil, "-work", "-config", knows)
	eventually(t, 60*time.Second, "half of it arrives", func() bool { return s.different() >= n/2 })
	first.terminate().want(exitOK, totals{})
	eventually(t, 70*time.Second, "everything arrives", func() bool { return s.different() == n })
	t.Logf("everything was there after %v", time.Since(began).Round(time.Millisecond))
	second.terminate().want(exitOK, totals{Matched: n, Delivered: n, Attempts: n})
	s.wantNumbered(t, n)
	s.wantOnce(t)
	if log := first.stderr.String(); strings.Contains(log, "dead-lettered") {
		t.Errorf("a job was given up:\n%s", tail(log))
	}
}
