package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/webhooktest"
)

// operated runs an operator's command as a process, and returns what it printed and its exit code.
func operated(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	p := spawn(t, nil, args...)
	p.send("this is not to be read\n")
	<-p.ended
	stdout, stderr = p.stdout.String(), p.stderr.String()
	if strings.Contains(stdout+stderr, stays) {
		t.Errorf("%q prints a secret:\n%s%s", args, stdout, stderr)
	}
	return stdout, stderr, p.cmd.ProcessState.ExitCode()
}

// printed runs a command that succeeds, and returns what it printed.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, code := operated(t, args...)
	if code != exitOK {
		t.Fatalf("%q ends with %d:\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}

// listed runs a command with -json, and returns its lines.
func listed[T any](t *testing.T, args ...string) []T {
	t.Helper()
	var list []T
	for text := range strings.Lines(printed(t, append(args, "-json")...)) {
		var v T
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%q prints %q: %v", args, text, err)
		}
		list = append(list, v)
	}
	return list
}

// namedHook has an ID, and secrets in all places where it can have some.
func namedHook(id, url string) object {
	h := hookTo(url + "/path-" + stays + "?token=" + stays)
	h["id"] = id
	h["headers"] = object{"Authorization": "Bearer " + headerValue}
	return h
}

// passwordQueue is a Redis with a password that is not to be seen.
func passwordQueue(t *testing.T) object {
	t.Helper()
	s := testredis.StartServer(t, testredis.Options{})
	c := s.Client()
	defer c.Close()
	must(t, c.Do(t.Context(), "ACL", "SETUSER", "op", "on", ">"+headerValue, "~*", "&*", "+@all").Err())
	return object{"driver": "redis", "redis": object{"url": "redis://op:" + headerValue + "@" + s.Addr}}
}

var durableQueues = map[string]func(*testing.T) object{
	"disk":  diskQueue,
	"redis": passwordQueue,
	"redis-cluster": func(t *testing.T) object {
		return object{"driver": "redis-cluster", "redis_cluster": object{
			"nodes": testredis.SharedCluster(t).Addrs(), "prefix": "operate:",
		}}
	},
	"sqs": func(t *testing.T) object {
		queue, _ := sqsQueue(t)
		// which the relay makes, with a dead-letter queue
		queue["sqs"].(object)["queue_name"] = "operated"
		return queue
	},
}

// The receiver of one of two webhooks is down. An operator sees which, since when, why, how many
// wait and what was given up, replays and discards some of it, and has it tried again when it is
// back.
func TestOperatorSeesAndMendsAnOutage(t *testing.T) {
	t.Parallel()
	for name, queue := range durableQueues {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seeAndMend(t, queue(t), name)
		})
	}
}

func seeAndMend(t *testing.T, queue object, driver string) {
	const n = 40
	orders, audit := webhooktest.NewReceiver(t, testKey), newSink(t)
	orders.Otherwise(webhooktest.Status(http.StatusServiceUnavailable))
	once := object{"batching": object{"enabled": false}, "retry": object{"max_attempts": 1}, "concurrency": 4}
	config := writeConfig(t, queue, once, testApp(namedHook("orders", orders.URL), namedHook("audit", audit.URL)))
	command := func(args ...string) []string { return append(args, "-config", config) }
	began := time.Now()
	spawned(t, numberedLines(0, n), nil, command("-emit-only")...)
	worker := spawn(t, nil, command("-work")...)
	eventually(t, 60*time.Second, "the webhook is held", func() bool {
		return strings.Contains(worker.stderr.String(), "webhook is held") && audit.different() == n
	})
	worker.terminate()

	// What is there?
	statuses := listed[statusLine](t, command("-status")...)
	if len(statuses) != 3 || statuses[0].Webhook != "audit" || statuses[1].Webhook != "orders" {
		t.Fatalf("the status is %+v", statuses)
	}
	down, up := statuses[1], statuses[0]
	dead := listed[deadLine](t, command("-dead")...)
	if len(dead) < 10 || len(dead) >= n {
		t.Fatalf("%d dead letters of %d jobs", len(dead), n)
	}
	if driver == "sqs" {
		if down.State != nil || down.Waiting != nil || down.OldestMS != nil {
			t.Errorf("SQS knows %+v", down)
		}
	} else {
		if *down.State != "held" || !down.HeldUntil.After(began) || down.FailingSince.Before(began.Add(-time.Second)) || down.Holds == 0 ||
			!strings.Contains(down.Reason, "503") {
			t.Errorf("the webhook that is down is %+v", down)
		}
		if *down.Waiting != n-len(dead) || *down.DeadLetters != len(dead) || *down.OldestMS <= 0 {
			t.Errorf("%d wait, %d are dead, want %d and %d", *down.Waiting, *down.DeadLetters, n-len(dead), len(dead))
		}
		if *up.State != "healthy" || *up.Waiting != 0 || *up.DeadLetters != 0 || !up.FailingSince.IsZero() {
			t.Errorf("the webhook that is up is %+v", up)
		}
	}
	if down.Target != orders.URL || !down.Configured {
		t.Errorf("the target is %q", down.Target)
	}
	summary := listed[summaryLine](t, command("-status")...)[2]
	if q := summary.Queue; string(q.Driver) != driver || q.DeadLetters == nil || *q.DeadLetters != len(dead) {
		t.Errorf("the summary is %+v", summary)
	}
	for _, d := range dead {
		if d.App != appID || d.Webhook != "orders" || !strings.HasPrefix(d.Reason, "status: ") || d.Events != 1 || d.Attempts != 1 ||
			d.At.Before(began.Add(-time.Second)) || !strings.Contains(d.Body, "channel_occupied") || d.Job == "" {
			t.Errorf("a dead letter is %+v", d)
		}
	}
	if text := printed(t, command("-status", "-failing")...); driver != "sqs" &&
		(!strings.Contains(text, "held") || strings.Contains(text, "audit ") || !strings.Contains(text, orders.URL+": ")) {
		t.Errorf("the table is\n%s", text)
	}

	// A choice of them.
	for _, choice := range []struct {
		want int
		args []string
	}{
		{len(dead), []string{"-app", appID}},
		{0, []string{"-webhook", "audit"}},
		{0, []string{"-app", "other"}},
		{len(dead), []string{"-webhook", "orders", "-since", "1h"}},
		{len(dead), []string{"-since", "7d"}},
		{0, []string{"-since", "1ns"}},
		{0, []string{"-since", time.Now().Add(time.Hour).Format(time.RFC3339)}},
		{2, []string{"-id", dead[0].ID + "," + dead[1].ID}},
		{2, []string{"-id", dead[0].ID, "-id", dead[1].ID}},
	} {
		if got := listed[deadLine](t, append(command("-dead"), choice.args...)...); len(got) != choice.want {
			t.Errorf("%q lists %d dead letters, want %d", choice.args, len(got), choice.want)
		}
	}
	if _, log, code := operated(t, command("-replay", "-id", "nothing,"+dead[0].ID)...); code != exitLeft || !strings.Contains(log, "1 of the 2 dead letters") {
		t.Errorf("an unknown ID ends with %d: %s", code, log)
	}
	if text := printed(t, command("-discard", "-id", dead[1].ID)...); text != "discarded 1 dead letter\n" {
		t.Errorf("it printed %q", text)
	}
	if got := listed[map[string]int](t, command("-replay", "-webhook", "audit")...)[0]; got["replayed"] != 0 || len(got) != 1 {
		t.Errorf("it printed %v", got)
	}

	// It is back.
	orders.Otherwise(webhooktest.Status(http.StatusOK))
	stdout, log, code := operated(t, command("-resume", "-app", appID, "-webhook", "orders")...)
	if driver == "sqs" != (code == exitLeft) {
		t.Errorf("-resume ends with %d: %s%s", code, stdout, log)
	}
	if got := listed[map[string]int](t, command("-replay", "-all")...)[0]; got["replayed"] != len(dead)-2 {
		t.Errorf("it printed %v", got)
	}
	worker = spawn(t, nil, command("-work")...)
	orders.WaitEvents(len(orders.Events())+n-1, 60*time.Second)
	worker.terminate()
	if text := printed(t, command("-dead")...); text != "0 dead letters, with 0 events\n" {
		t.Errorf("it printed %q", text)
	}
}

func TestBadUseExitsWith2(t *testing.T) {
	t.Parallel()
	disk := diskQueue(t)
	config := writeConfig(t, disk, nil, testApp(hookTo("http://127.0.0.1:1")))
	for _, c := range []struct{ args, says string }{
		{"-replay", "-replay needs -app, -webhook, -id or -since to choose dead letters, or -all"},
		{"-discard", "or -all"},
		{"-discard -all -app x", "exclude each other"},
		{"-resume", "-resume needs -app and -webhook"},
		{"-resume -app my-app", "-resume needs -app and -webhook"},
		{"-status -dead", "exclude each other"},
		{"-work -status", "exclude each other"},
		{"-app x", "-app goes with -status"},
		{"-json", "-json goes with"},
		{"-emit-only -all", "-all goes with -replay, -discard"},
		{"-status -since 2h", "-since goes with -dead"},
		{"-dead -failing", "-failing goes with -status"},
		{"-dead -id a,,b", "an id is empty"},
		{"-dead -since -2h", "must be longer than 0"},
		{"-dead -since yesterday", "must be a duration such as 2h or 3d, or a time such as"},
		{"-dead -since 0d", "must be longer than 0"},
		{"-dead -since 99999999d", "must be a duration"},
		{"-dead -limit 3", "not defined: -limit; relay -help lists the flags"},
		{"-dead x", `unexpected argument "x"`},
		{"-status", "there is no queue at " + disk["disk"].(object)["path"].(string)},
	} {
		if stdout, log, code := operated(t, append([]string{"-config", config}, strings.Fields(c.args)...)...); code != exitBadConfig || !strings.Contains(log, c.says) || strings.Count(log, "\n") != 1 || stdout != "" {
			t.Errorf("%s ends with %d and says\n%s%s", c.args, code, stdout, log)
		}
	}
	if _, err := os.Stat(disk["disk"].(object)["path"].(string)); !os.IsNotExist(err) {
		t.Errorf("a queue was made: %v", err)
	}
}

func TestThereIsNothingToSeeOfMemoryAndNone(t *testing.T) {
	t.Parallel()
	for driver, says := range map[string]string{"": "in the process that emits them", "memory": "Emitter.Webhooks", "none": "turned off"} {
		var queue object
		if driver != "" {
			queue = object{"driver": driver}
		}
		config := writeConfig(t, queue, nil, testApp(hookTo("http://127.0.0.1:1")))
		for _, command := range [][]string{{"-status"}, {"-dead"}, {"-replay", "-all"}, {"-discard", "-all"}, {"-resume", "-app", appID, "-webhook", "x"}} {
			if stdout, log, code := operated(t, append(command, "-config", config)...); code != exitBadConfig || !strings.Contains(log, says) || stdout != "" {
				t.Errorf("%q of %q ends with %d and says\n%s%s", command, driver, code, stdout, log)
			}
		}
	}
}

func TestOperatorIsToldWhoseFileItIs(t *testing.T) {
	t.Parallel()
	queue := diskQueue(t)
	s := newSink(t)
	config := writeConfig(t, queue, nil, testApp(hookTo(s.URL)))
	worker := spawn(t, nil, "-config", config)
	worker.send(occupied("a"))
	eventually(t, 30*time.Second, "it works", func() bool { return s.different() == 1 })
	stdout, log, code := operated(t, "-status", "-config", config)
	path := queue["disk"].(object)["path"].(string)
	if code != exitLeft || stdout != "" || !strings.Contains(log, "Stop the process that has "+path+" open") || !strings.Contains(log, "Emitter.Webhooks") {
		t.Errorf("it ends with %d and says\n%s%s", code, stdout, log)
	}
	worker.terminate()
	if text := printed(t, "-status", "-config", config); !strings.Contains(text, "1 webhook: 1 healthy") {
		t.Errorf("it prints\n%s", text)
	}
}

// A queue that does not answer is an error soon.
func TestOperatorDoesNotWaitLongForRedis(t *testing.T) {
	t.Parallel()
	config := writeConfig(t, object{"driver": "redis", "redis": object{"url": "redis://:" + headerValue + "@127.0.0.1:1"}}, nil, testApp())
	_, log, code := operated(t, "-dead", "-config", config)
	if code != exitLeft || !strings.Contains(log, "waited") || !strings.Contains(log, "127.0.0.1:1") {
		t.Errorf("it ends with %d and says\n%s", code, log)
	}
}

func TestOperatorIsWarnedOfUnknownNames(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	hook := hookTo(s.URL)
	hook["id"] = "orders"
	config := writeConfig(t, diskQueue(t), nil, testApp(hook))
	relayed(t, strings.NewReader(occupied("a")), "-config", config)
	for _, c := range []struct{ args, says string }{
		{"-dead -app my-ap", `the configuration has no app "my-ap"`},
		{"-dead -webhook order", `the configuration has no webhook "order"`},
		{"-status -app my-app -webhook order", `the configuration has no webhook "order"`},
		{"-status -app my-app -webhook orders", ""},
		{"-dead -webhook wh_123", ""},
	} {
		_, log, code := operated(t, append(strings.Fields(c.args), "-config", config)...)
		if code != exitOK || !strings.Contains(log, c.says) || c.says == "" && log != "" {
			t.Errorf("%s ends with %d and says\n%s", c.args, code, log)
		}
	}
	_, log, code := operated(t, "-resume", "-app", appID, "-webhook", "order", "-config", config)
	if code != exitLeft || !strings.Contains(log, "order") {
		t.Errorf("-resume ends with %d and says\n%s", code, log)
	}
}

// Dead letters of another key are left where they are.
func TestReplayInPartExitsWith1(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	r.Otherwise(webhooktest.Status(http.StatusGone))
	queue := diskQueue(t)
	relayed(t, numberedLines(0, 3), "-config", writeConfig(t, queue, oneByOne, testApp(namedHook("orders", r.URL))))
	app := testApp(namedHook("orders", r.URL))
	app["secret"] = "another-one"
	config := writeConfig(t, queue, oneByOne, app)
	stdout, log, code := operated(t, "-replay", "-all", "-config", config)
	if code != exitLeft || stdout != "replayed 0 dead letters\n" || !strings.Contains(log, "3 left") {
		t.Errorf("it ends with %d and says\n%s%s", code, stdout, log)
	}
	if text := printed(t, "-dead", "-config", config); !strings.HasSuffix(text, "\n3 dead letters, with 3 events\n") {
		t.Errorf("it prints\n%s", text)
	}
}
