package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
)

// object is one of JSON.
type object = map[string]any

// The app that the tests use, unless they need others.
const (
	appID     = "my-app"
	appKey    = "my-key"
	appSecret = "a-secret-that-stays-here"
)

var testKey = webhook.Key{Key: appKey, Secret: appSecret}

// testApp is that app in a configuration file.
func testApp(hooks ...object) object {
	return object{"id": appID, "key": appKey, "secret": appSecret, "webhooks": hooks}
}

// hookTo wants every type of event.
func hookTo(url string) object {
	return object{"url": url, "event_types": []string{
		"channel_occupied", "channel_vacated", "member_added", "member_removed", "member_updated", "client_event",
		"cache_miss", "subscription_count",
	}}
}

// oneByOne makes a job of every event.
var oneByOne = object{"batching": object{"enabled": false}}

// writeConfig writes a configuration file; nil sections are left out.
func writeConfig(t *testing.T, queue, webhooks object, apps ...object) string {
	t.Helper()
	file := object{"app_manager": object{"driver": "array", "array": object{"apps": apps}}}
	if queue != nil {
		file["queue"] = queue
	}
	if webhooks != nil {
		file["webhooks"] = webhooks
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, string(data))
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "config-*.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func diskQueue(t *testing.T) object {
	return object{"driver": "disk", "disk": object{"path": filepath.Join(t.TempDir(), "jobs.db")}}
}

// occupied is the line of one event.
func occupied(channel string) string {
	return fmt.Sprintf(`{"app_id":%q,"name":"channel_occupied","channel":%q}`+"\n", appID, channel)
}

// numbered is the name of the i-th channel. Its first letter is one of four, for webhooks that
// share the events.
func numbered(i int) string { return fmt.Sprintf("%c-%06d", "abcd"[i%4], i) }

// numberedLines reads as the events of the channels numbered from first on.
func numberedLines(first, n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		for i := range n {
			if _, err := io.WriteString(w, occupied(numbered(first+i))); err != nil {
				return
			}
		}
		_ = w.Close()
	}()
	return r
}

// result is what a run of relay has come to.
type result struct {
	totals

	t      *testing.T
	code   int
	stdout string
	stderr string
}

// relayed runs relay in this process, to its end.
func relayed(t *testing.T, stdin io.Reader, args ...string) *result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, stdin, &stdout, &stderr)
	return read(t, code, stdout.String(), stderr.String())
}

// read reads the totals, which a run that began prints as one line with exactly the fields of the
// contract.
func read(t *testing.T, code int, stdout, stderr string) *result {
	t.Helper()
	r := &result{t: t, code: code, stdout: stdout, stderr: stderr}
	if code == exitBadConfig {
		if stdout != "" {
			t.Errorf("exit code %d, and it printed %q", code, stdout)
		}
		return r
	}
	fields := json.NewDecoder(strings.NewReader(stdout))
	fields.DisallowUnknownFields()
	if err := fields.Decode(&r.totals); err != nil || strings.Count(stdout, "\n") != 1 || !strings.HasSuffix(stdout, "\n") {
		t.Fatalf("the totals are %q (%v), exit code %d\n%s", stdout, err, code, stderr)
	}
	if got := r.Delivered + r.Dead + r.Dropped + r.Pending + r.Queued; got != r.Matched {
		t.Errorf("matched is %d, the rest makes %d: %s", r.Matched, got, stdout)
	}
	return r
}

// want compares the totals and the exit code, and shows the log where they differ.
func (r *result) want(code int, want totals) {
	r.t.Helper()
	if r.totals != want || r.code != code {
		r.t.Errorf("the totals are\n%+v with exit code %d, want\n%+v with %d\n%s", r.totals, r.code, want, code, tail(r.stderr))
	}
}

// says looks for texts in the log.
func (r *result) says(texts ...string) {
	r.t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stderr, text) {
			r.t.Errorf("%q is not in the log:\n%s", text, tail(r.stderr))
		}
	}
}

// tail is the end of a long text.
func tail(s string) string {
	const most = 4000
	return s[max(0, len(s)-most):]
}

// eventually asks until ok, for d at most.
func eventually(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(d); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
