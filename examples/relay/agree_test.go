package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/webhooktest"
)

// runNode is a host's process: it does what the lines of its input say, and answers each with a line of JSON.
func runNode(config string) {
	em, closeQueue, err := start(context.Background(), &flags{config: config}, newScreen(os.Stderr))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitBadConfig)
	}
	ctx := context.Background()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var answer any = "done"
		switch in.Text() {
		case "emit":
			err = em.EmitSync(ctx, webhook.ChannelOccupied(appID, "chat"))
		case "resume":
			err = em.Resume(ctx, appID, "orders")
		case "status":
			for s, failed := range em.Webhooks(ctx) {
				answer, err = s, failed
			}
		}
		if err != nil {
			answer = err.Error()
		}
		_ = json.NewEncoder(os.Stdout).Encode(answer)
	}
	closing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, _ = em.Shutdown(closing), closeQueue()
	os.Exit(exitOK)
}

// node is such a process.
type node struct {
	*process
	asked int
}

// ask has a node do something, and returns its answer.
func ask[T any](t *testing.T, n *node, line string) (v T) {
	t.Helper()
	n.send(line + "\n")
	n.asked++
	var lines []string
	eventually(t, 30*time.Second, "the node answers "+line, func() bool {
		lines = strings.SplitAfter(n.stdout.String(), "\n")
		return len(lines) > n.asked
	})
	if err := json.Unmarshal([]byte(lines[n.asked-1]), &v); err != nil {
		t.Fatalf("the node answers %q to %s: %v", lines[n.asked-1], line, err)
	}
	return v
}

// nodeStatus is what the test reads of a webhook.WebhookStatus.
type nodeStatus struct {
	State                   string
	FailingSince, HeldUntil time.Time
	Reason                  string
	Waiting                 int
	Here                    struct{ LastAttempt time.Time }
}

// logged returns the last line of a node's log with this message, and its attributes.
func (n *node) logged(message string) (line string, attrs map[string]string) {
	for text := range strings.Lines(n.stderr.String()) {
		if strings.Contains(text, `msg="`+message) {
			line = text
		}
	}
	attrs = map[string]string{}
	for _, m := range logAttr.FindAllStringSubmatch(line, -1) {
		attrs[m[1]] = strings.Trim(m[2], `"`)
	}
	return line, attrs
}

var logAttr = regexp.MustCompile(`(\w+)=("(?:[^"\\\\]|\\\\.)*"|\S+)`)

// outageTime is how long the receiver is down; OUTAGE_TEST_TIME=2m is for a longer one.
func outageTime(t *testing.T) time.Duration {
	d, err := time.ParseDuration(os.Getenv("OUTAGE_TEST_TIME"))
	if os.Getenv("OUTAGE_TEST_TIME") == "" {
		return 5 * time.Second
	}
	must(t, err)
	return d
}

// A receiver is down and comes back. What em.Webhooks says in each process, what each one logs, and what the
// command prints agree on what fails, since when, and how many jobs wait. Resume in a process that made no
// attempt lately has them delivered at once.
func TestNodesLogAndCommandAgreeOnAnOutage(t *testing.T) {
	t.Parallel()
	for name, queue := range map[string]func() object{
		"redis": func() object { return redisQueue(testredis.StartServer(t, testredis.Options{AppendOnly: true})) },
		"disk":  func() object { return diskQueue(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agree(t, queue(), map[string]int{"redis": 2, "disk": 1}[name])
		})
	}
}

func agree(t *testing.T, queue object, processes int) {
	r := webhooktest.NewReceiver(t, testKey)
	config := writeConfig(t, queue, oneByOne, testApp(namedHook("orders", r.URL)))
	nodes := make([]*node, processes)
	for i := range nodes {
		nodes[i] = &node{process: spawnAs(t, "node", nil, config)}
	}
	ask[string](t, nodes[0], "emit")
	r.WaitEvents(1, 30*time.Second)
	r.Otherwise(webhooktest.Status(http.StatusServiceUnavailable))
	emitted, began := 0, time.Now()
	for time.Since(began) < outageTime(t) || emitted < 20 {
		ask[string](t, nodes[emitted%processes], "emit")
		emitted++
		time.Sleep(100 * time.Millisecond)
	}

	// Each node says it again within a minute. By then nothing moves any more.
	statuses, since := make([]nodeStatus, processes), time.Time{}
	before := make([]string, processes)
	for i, n := range nodes {
		before[i], _ = n.logged("webhook is still failing")
	}
	for i, n := range nodes {
		eventually(t, 2*time.Minute, "the log says that it is still failing", func() bool {
			line, attrs := n.logged("webhook is still failing")
			return line != before[i] && attrs["waiting"] == fmt.Sprint(emitted)
		})
		eventually(t, 3*time.Minute, "it is held for a while", func() bool {
			statuses[i] = ask[nodeStatus](t, n, "status")
			return statuses[i].State == "held" && time.Until(statuses[i].HeldUntil) > 8*time.Second
		})
		line, attrs := n.logged("webhook is still failing")
		t.Logf("node %d: em.Webhooks: %+v", i, statuses[i])
		t.Logf("node %d: log:         %s", i, strings.TrimSpace(line))
		if i == 0 {
			since = statuses[0].FailingSince
		}
		at, err := time.Parse(time.RFC3339Nano, attrs["since"])
		if off := at.Sub(since).Abs(); err != nil || off > time.Second || statuses[i].FailingSince.Sub(since).Abs() > time.Second || since.Sub(began).Abs() > 5*time.Second {
			t.Errorf("node %d: failing since %v, in the log since %v; want %v, and it began at %v", i, statuses[i].FailingSince, attrs["since"], since, began)
		}
		if statuses[i].Waiting != emitted || attrs["webhook"] != "orders" || !strings.Contains(attrs["reason"], "503") || !strings.Contains(statuses[i].Reason, "503") {
			t.Errorf("node %d: %d wait, want %d", i, statuses[i].Waiting, emitted)
		}
		for _, message := range []string{"webhook is failing", "webhook is held"} {
			line, attrs := n.logged(message)
			t.Logf("node %d: log:         %s", i, strings.TrimSpace(line))
			if at, err := time.Parse(time.RFC3339Nano, attrs["since"]); err != nil || at.Sub(since).Abs() > time.Second {
				t.Errorf("node %d: %s since %q, want %v", i, message, attrs["since"], since)
			}
		}
	}

	// The command.
	last := nodes[processes-1]
	if processes == 1 {
		if stdout, stderr, code := operated(t, "-status", "-json", "-config", config); code != exitLeft || !strings.Contains(stderr, "in use") {
			t.Errorf("beside the process that has the file, the command ends with %d: %s%s", code, stdout, stderr)
		}
		must(t, last.stdin.Close())
		<-last.ended
	} else if statuses[0].Here.LastAttempt.Before(statuses[1].Here.LastAttempt) {
		last = nodes[0]
	}
	for {
		s := listed[statusLine](t, "-status", "-json", "-config", config)[0]
		if *s.State != "held" || time.Until(s.HeldUntil) < 4*time.Second {
			continue // a probe is due
		}
		t.Logf("relay -status: %s", printed(t, "-status", "-json", "-config", config))
		if s.FailingSince.Sub(since).Abs() > time.Second || *s.Waiting != emitted || !strings.Contains(s.Reason, "503") {
			t.Errorf("the command says since %v, %d wait; want %v, %d", s.FailingSince, *s.Waiting, since, emitted)
		}
		break
	}
	if processes == 1 {
		last = &node{process: spawnAs(t, "node", nil, config)}
	}
	for s := ask[nodeStatus](t, last, "status"); s.State != "held" || time.Until(s.HeldUntil) < 3*time.Second; {
		time.Sleep(100 * time.Millisecond)
		s = ask[nodeStatus](t, last, "status")
	}

	// It is back.
	r.Otherwise(webhooktest.Status(http.StatusOK))
	events, until := len(r.Events()), ask[nodeStatus](t, last, "status").HeldUntil
	resumed := time.Now()
	ask[string](t, last, "resume")
	r.WaitEvents(events+1, 30*time.Second)
	first := time.Since(resumed)
	r.WaitEvents(1+emitted, 2*time.Minute)
	t.Logf("resumed %v before the end of the hold: first delivery after %v, all %d after %v",
		until.Sub(resumed).Round(time.Millisecond), first.Round(time.Millisecond), emitted, time.Since(resumed).Round(time.Millisecond))
	if early := until.Sub(resumed) - first; early < 0 {
		t.Errorf("the first delivery was %v after the end of the hold", -early)
	}
	eventually(t, 30*time.Second, "it is healthy, and nothing waits", func() bool {
		s := ask[nodeStatus](t, last, "status")
		return s.State == "healthy" && s.Waiting == 0 && s.FailingSince.IsZero()
	})
	if processes == 1 {
		must(t, last.stdin.Close())
		<-last.ended
	}
	if s := listed[statusLine](t, "-status", "-json", "-config", config)[0]; *s.State != "healthy" || *s.Waiting != 0 {
		t.Errorf("afterwards the command says %+v", s)
	}
}
