package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pushhooks/webhook/webhooktest"
)

// TestRunLeavesNoGoroutines is not parallel, so that it runs alone.
func TestRunLeavesNoGoroutines(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // after the sink's
	s := newSink(t)
	for _, queue := range []object{nil, diskQueue(t)} {
		relayed(t, numberedLines(0, 10), "-config", writeConfig(t, queue, nil, testApp(hookTo(s.URL))))
	}
}

func TestEveryKindOfEventIsDelivered(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	input := []string{
		`{"app_id":"my-app","name":"member_added","channel":"presence-chat","user_id":"u1"}`,
		`{"app_id":"my-app","name":"member_removed","channel":"presence-chat","user_id":"u1"}`,
		`{"app_id":"my-app","name":"member_updated","channel":"presence-chat","user_id":"u1","user_info":{"name":"Zoë"}}`,
		`{"app_id":"my-app","name":"client_event","channel":"presence-chat","event":"client-typing","data":"…","socket_id":"1.2","user_id":"u1"}`,
		`{"app_id":"my-app","name":"channel_occupied","channel":"chat"}`,
		`{"app_id":"my-app","name":"channel_vacated","channel":"chat"}`,
		`{"app_id":"my-app","name":"cache_miss","channel":"cache-chat"}`,
		`{"app_id":"my-app","name":"subscription_count","channel":"chat","subscription_count":0}`,
	}
	got := relayed(t, strings.NewReader(strings.Join(input, "\n")), "-config", writeConfig(t, nil, nil, testApp(hookTo(r.URL))))
	got.want(exitOK, totals{Emitted: 8, Matched: 8, Delivered: 8, Attempts: 1})
	body := r.Deliveries()[0].Body
	var sent struct{ Events []object }
	must(t, json.Unmarshal(body, &sent))
	for i, text := range input {
		var want object
		must(t, json.Unmarshal([]byte(text), &want))
		delete(want, "app_id")
		if !reflect.DeepEqual(sent.Events[i], want) {
			t.Errorf("sent %v, want %v", sent.Events[i], want)
		}
	}
}

// Two webhooks, one of which refuses everything for good; a disabled app; an app without webhooks;
// an event that no webhook wants.
func TestTotalsCountPairsOfEventAndWebhook(t *testing.T) {
	t.Parallel()
	takes, gone := webhooktest.NewReceiver(t, testKey), webhooktest.NewReceiver(t, testKey)
	gone.Otherwise(webhooktest.Status(http.StatusGone))
	picky := hookTo(gone.URL)
	picky["filter"] = object{"channel_prefix": "a-"}
	off := object{"id": "off", "key": "k", "secret": "s", "enabled": false, "webhooks": []object{hookTo(takes.URL)}}
	bare := object{"id": "bare", "key": "k2", "secret": "s"}
	config := writeConfig(t, nil, oneByOne, testApp(hookTo(takes.URL), picky), off, bare)
	got := relayed(t, strings.NewReader(occupied("a-1")+occupied("b-1")+occupied("a-2")+
		`{"app_id":"off","name":"channel_occupied","channel":"a-1"}`+"\n"+
		`{"app_id":"bare","name":"channel_occupied","channel":"a-1"}`+"\n"), "-config", config)
	got.want(exitOK, totals{Emitted: 5, Matched: 5, Delivered: 3, Dead: 2, Attempts: 5})
	got.says("dead-lettered", "gone", `relay: warning: 2 deliveries were given up and are dead letters; the lines "webhook job dead-lettered" say why`)
}

func TestEventsThatNobodyWantsAreEmittedAndNotMatched(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	hook := hookTo(s.URL)
	hook["filter"] = object{"channel_namespace": "chat"}
	got := relayed(t, strings.NewReader(occupied("x")), "-config", writeConfig(t, nil, nil, testApp(hook)))
	got.want(exitOK, totals{Emitted: 1})
}

func TestNothingHappensWithQueueNone(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	got := relayed(t, strings.NewReader(occupied("x")+occupied("y")+"{}\n"),
		"-config", writeConfig(t, object{"driver": "none"}, nil, testApp(hookTo(s.URL))))
	got.want(exitOK, totals{Emitted: 2, Invalid: 1})
}

func TestFailedDeliveriesAreRetried(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	r.Script(webhooktest.Times(2, webhooktest.Status(http.StatusInternalServerError))...)
	retry := object{"retry": object{"initial_backoff_ms": 10, "max_backoff_ms": 20}}
	got := relayed(t, strings.NewReader(occupied("x")), "-config", writeConfig(t, nil, retry, testApp(hookTo(r.URL))))
	got.want(exitOK, totals{Emitted: 1, Matched: 1, Delivered: 1, Attempts: 3})
	got.says("webhook attempt failed")
}

func TestSuccessIsLoggedOnDemand(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	hook := hookTo(s.URL)
	hook["headers"] = object{"X-Token": "a-token-that-stays-here"}
	for _, args := range [][]string{nil, {"-v"}} {
		got := relayed(t, strings.NewReader(occupied("x")), append(args, "-config", writeConfig(t, nil, nil, testApp(hook)))...)
		if logged := strings.Contains(got.stderr, "webhook delivered"); logged != (args != nil) {
			t.Errorf("%v: logged is %t:\n%s", args, logged, got.stderr)
		}
		if strings.Contains(got.stderr, "that-stays-here") {
			t.Errorf("a secret is in the log:\n%s", got.stderr)
		}
	}
}

func TestDrainRunsOut(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	r.Script(webhooktest.Status(http.StatusOK))
	r.Otherwise(webhooktest.Hang(nil))
	began := time.Now()
	got := relayed(t, numberedLines(0, 5), "-drain", "500ms", "-config", writeConfig(t, nil, oneByOne, testApp(hookTo(r.URL))))
	if took := time.Since(began); took < 500*time.Millisecond || took > 5*time.Second {
		t.Errorf("it took %v, want a little more than 500 ms", took)
	}
	got.want(exitLeft, totals{Emitted: 5, Matched: 5, Delivered: 1, Pending: 4, Attempts: got.Attempts})
	got.says("relay:", "drain", "4 deliveries are left undone; they are lost when this process ends")
}

// What is left stays in the file, which the next relay delivers.
func TestDrainRunsOutWithADurableQueue(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	r.Otherwise(webhooktest.Hang(nil))
	config := writeConfig(t, diskQueue(t), oneByOne, testApp(hookTo(r.URL)))
	got := relayed(t, numberedLines(0, 5), "-drain", "300ms", "-config", config)
	got.want(exitOK, totals{Emitted: 5, Matched: 5, Queued: 5, Attempts: got.Attempts})
	got.says("relay: not all deliveries are settled within the time of -drain, 300ms: 5 are left to the queue")

	r.Otherwise(webhooktest.Status(http.StatusOK))
	relayed(t, strings.NewReader(occupied("z")), "-config", config)
	for i, e := range r.WaitEvents(6, 10*time.Second) {
		if i >= 6 {
			t.Errorf("event %d: %v", i, e)
		}
	}
}

func TestEmitOnlyLeavesEverythingToTheQueue(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	config := writeConfig(t, diskQueue(t), nil, testApp(hookTo(s.URL)))
	relayed(t, numberedLines(0, 1000), "-emit-only", "-config", config).
		want(exitOK, totals{Emitted: 1000, Matched: 1000, Queued: 1000})
	if n := s.different(); n > 0 {
		t.Fatalf("%d events were delivered", n)
	}
	worker := spawn(t, nil, "-work", "-config", config)
	worker.send(occupied("not read"))
	eventually(t, 30*time.Second, "everything arrives", func() bool { return s.different() == 1000 })
	got := worker.terminate()
	got.want(exitOK, totals{Matched: 1000, Delivered: 1000, Attempts: got.Attempts})
	s.wantNumbered(t, 1000)
	s.wantOnce(t)
}

// A queue that ends with the process can't keep what nobody delivers.
func TestEmitOnlyIntoMemoryIsPending(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	relayed(t, numberedLines(0, 3), "-emit-only", "-drain", "200ms", "-config", writeConfig(t, nil, nil, testApp(hookTo(s.URL)))).
		want(exitLeft, totals{Emitted: 3, Matched: 3, Pending: 3})
}

func TestSIGTERMEndsTheInput(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	p := spawn(t, nil, "-config", writeConfig(t, nil, nil, testApp(hookTo(s.URL))))
	p.send(occupied("a") + occupied("b") + "nonsense\n" + occupied("c") + `{"app_id":"half a line`)
	eventually(t, 20*time.Second, "three events arrive", func() bool { return s.different() == 3 })
	got := p.terminate()
	got.want(exitOK, totals{Emitted: 3, Invalid: 1, Matched: 3, Delivered: 3, Attempts: got.Attempts})
}

// A webhook that is held does not keep a relay that is told to stop: its jobs are in the queue.
func TestSIGTERMLeavesHeldWebhooksToTheQueue(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	r.Otherwise(webhooktest.Status(http.StatusServiceUnavailable))
	p := spawn(t, nil, "-drain", "10m", "-config", writeConfig(t, diskQueue(t), oneByOne, testApp(hookTo(r.URL))))
	const n = 20
	for i := range n {
		p.send(occupied(numbered(i)))
	}
	eventually(t, 30*time.Second, "the webhook is held", func() bool { return strings.Contains(p.stderr.String(), "webhook is held") })
	must(t, p.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, time.Minute, "it ends", func() bool {
		select {
		case <-p.ended:
			return true
		default:
			return false
		}
	})
	got := p.wait()
	got.want(exitOK, totals{Emitted: n, Matched: n, Queued: n, Attempts: got.Attempts})
}

func TestWorkEndsWithSIGTERMWhenThereIsNothingToDo(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	path := diskQueue(t)
	p := spawn(t, nil, "-work", "-config", writeConfig(t, path, nil, testApp(hookTo(s.URL))))
	file := path["disk"].(object)["path"].(string)
	eventually(t, 20*time.Second, "the queue is open", func() bool {
		_, err := os.Stat(file)
		return err == nil
	})
	p.terminateWhenReady(t)
}

// terminateWhenReady sends SIGTERM to a relay that began just now: it may get it before it listens.
func (p *process) terminateWhenReady(t *testing.T) {
	t.Helper()
	got := p.terminate()
	if !p.cmd.ProcessState.Exited() {
		t.Fatal("it was ended by the signal")
	}
	got.want(exitOK, totals{})
}

func TestEveryMistakeOfTheConfigurationIsTold(t *testing.T) {
	t.Parallel()
	config := writeFile(t, `{
		"app_manager": {"array": {"apps": [
			{"id": "my-app", "key": "k", "secret": "hush-hush", "webhooks": [
				{"url": "ftp://x", "event_types": ["chanel_occupied"], "fliter": {}},
				{"url": "http://x", "event_types": ["member_added"], "filter": {"channel_pattern": "("}, "headers": {"Host": "hush-hush"}}
			]},
			{"key": "k2"}
		]}},
		"webhooks": {"batching": {"duration": "soon"}},
		"queue": {"driver": "rediss"}
	}`)
	got := relayed(t, strings.NewReader(occupied("x")), "-config", config)
	if got.code != exitBadConfig {
		t.Errorf("the exit code is %d", got.code)
	}
	got.says(config, "apps[0].webhooks[0].url", "apps[0].webhooks[0].event_types[0]", "channel_occupied", "fliter",
		"apps[0].webhooks[1].filter.channel_pattern", "apps[0].webhooks[1].headers", "apps[1].id", "apps[1].secret",
		"webhooks.batching.duration", "queue.driver")
	if strings.Contains(got.stderr, "hush-hush") {
		t.Errorf("a secret is printed:\n%s", got.stderr)
	}
}

func TestWhatCannotBeginExitsWith2(t *testing.T) {
	t.Parallel()
	good := writeConfig(t, nil, nil, testApp(hookTo("http://127.0.0.1:1")))
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no configuration":  {nil, "-config is missing"},
		"no such file":      {[]string{"-config", filepath.Join(t.TempDir(), "none.json")}, "none.json"},
		"no JSON":           {[]string{"-config", writeFile(t, "{")}, "unexpected end of JSON"},
		"two modes":         {[]string{"-config", good, "-work", "-emit-only"}, "exclude each other"},
		"an argument":       {[]string{"-config", good, "events.jsonl"}, `unexpected argument "events.jsonl"`},
		"an unknown flag":   {[]string{"-config", good, "-worker"}, "-worker"},
		"a bad duration":    {[]string{"-config", good, "-drain", "30"}, "-drain"},
		"no such directory": {[]string{"-config", writeConfig(t, object{"driver": "disk", "disk": object{"path": "/no/such/file"}}, nil)}, "disk"},
		"a URL that is none": {[]string{"-config", writeConfig(t, object{"driver": "redis", "redis": object{
			"url": "redis://:/hush@127.0.0.1:1",
		}}, nil)}, "percent-encoded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := relayed(t, strings.NewReader(""), c.args...)
			if got.code != exitBadConfig {
				t.Errorf("the exit code is %d", got.code)
			}
			got.says(c.says)
			if strings.Contains(got.stderr, "hush") {
				t.Errorf("a password is printed:\n%s", got.stderr)
			}
		})
	}
}

func TestRelayWaitsForRedisUntilItIsStopped(t *testing.T) {
	t.Parallel()
	config := writeConfig(t, object{"driver": "redis", "redis": object{"url": "redis://:hush@127.0.0.1:1"}}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var out, log strings.Builder
	if code := run(ctx, []string{"-config", config}, strings.NewReader(""), &out, &log); code != exitLeft {
		t.Errorf("the exit code is %d", code)
	}
	if text := log.String(); !strings.Contains(text, "waited") || !strings.Contains(text, "127.0.0.1:1") || strings.Contains(text, "hush") {
		t.Errorf("the log is %s", text)
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	t.Parallel()
	var out, log strings.Builder
	if code := run(t.Context(), []string{"-h"}, strings.NewReader(""), &out, &log); code != exitOK || !strings.Contains(log.String(), "-emit-only") {
		t.Errorf("exit code %d:\n%s", code, &log)
	}
}

func TestEnvironmentGoesOverTheFile(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	config := writeConfig(t, nil, nil, testApp(hookTo(s.URL)))
	path := filepath.Join(t.TempDir(), "jobs.db")
	for i, c := range []struct {
		env  []string
		args []string
		want totals
	}{
		{nil, nil, totals{Emitted: 100, Matched: 100, Delivered: 100, Attempts: 1}},
		{[]string{"QUEUE_DRIVER=none"}, nil, totals{Emitted: 100}},
		{[]string{"WEBHOOK_BATCHING_ENABLED=false"}, nil, totals{Emitted: 100, Matched: 100, Delivered: 100, Attempts: 100}},
		{[]string{"WEBHOOK_BATCHING_SIZE=10", "WEBHOOK_BATCHING_DURATION=60000"}, nil, totals{Emitted: 100, Matched: 100, Delivered: 100, Attempts: 10}},
		{[]string{"QUEUE_DRIVER=disk", "QUEUE_DISK_PATH=" + path}, []string{"-emit-only"}, totals{Emitted: 100, Matched: 100, Queued: 100}},
	} {
		t.Run(fmt.Sprint(c.env), func(t *testing.T) {
			t.Parallel()
			got := spawned(t, numberedLines(i*100, 100), append(c.env, "WEBHOOK_BATCHING_DURATION=60000"), append(c.args, "-config", config)...)
			got.want(exitOK, c.want)
		})
	}
	got := spawned(t, strings.NewReader(""), []string{"QUEUE_DRIVER=redis", "REDIS_URL=nonsense", "WEBHOOK_BATCHING_SIZE=many"}, "-config", config)
	if got.code != exitBadConfig {
		t.Errorf("the exit code is %d", got.code)
	}
	got.says("REDIS_URL", "WEBHOOK_BATCHING_SIZE")
}
