package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/internal/testredis"
)

// output is what the command prints.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

// after returns the rest of the line that begins so, or nothing while it is not there.
func (o *output) after(name string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(o.text.String()) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok && strings.HasSuffix(line, "\n") {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// command is a running command.
type command struct {
	*output
	end func() error // ends it as a signal does, and returns its error
}

func runCommand(t *testing.T, args ...string) command {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c, done := command{output: &output{}}, make(chan error, 1)
	args = append([]string{"-listen", "127.0.0.1:0", "-internal", "127.0.0.1:0"}, args...)
	go func() { done <- run(ctx, args, c.output, nil) }()
	c.end = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { c.end() })
	eventually(t, "the addresses are printed", func() bool { return c.after("sockets, API") != "" })
	return c
}

func get(t *testing.T, url string, set func(*http.Request)) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if set != nil {
		set(request)
	}
	answer, err := plain.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// The demo does what its page does: it lets a user in, and shows the webhooks that arrive.
func TestDemoShowsTheWebhooksOfWhoeverJoins(t *testing.T) {
	t.Parallel()
	c := runCommand(t)
	page := c.after("demo page")
	if status, body := get(t, page, nil); status != 200 || !strings.Contains(body, "chat.js") {
		t.Errorf("the page: %d %s", status, body)
	}
	for _, file := range []string{"chat.js", "pusher.js", "style.css"} {
		if status, body := get(t, page+file, nil); status != 200 || strings.Contains(body, "https://") {
			t.Errorf("%s: %d; nothing may come from elsewhere", file, status)
		}
	}
	s := &running{addr: strings.TrimPrefix(c.after("sockets, API"), "http://")}
	ann := dial(t, s, "demo-key")
	answer, err := plain.PostForm(page+"demo/auth", url.Values{"socket_id": {ann.id}, "channel_name": {"presence-chat"}, "user": {"ann"}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	sub := object{"channel": "presence-chat"}
	if err := json.NewDecoder(answer.Body).Decode(&sub); err != nil {
		t.Fatal(err)
	}
	ann.write(string(encode(object{"event": "pusher:subscribe", "data": sub})))
	ann.next("pusher_internal:subscription_succeeded")

	arrivals := arrivals(t, page)
	for _, want := range []string{`"name":"channel_occupied"`, `"name":"member_added"`} {
		eventually(t, want, func() bool { return strings.Contains(arrivals.text(), want) })
	}
	if status, body := get(t, c.after("status page"), nil); status != 200 || !strings.Contains(body, "Webhooks") {
		t.Errorf("the status page: %d %s", status, body)
	}
	for host, want := range map[string]int{"localhost:6002": 200, "[::1]:6002": 200, "attacker.example:6002": 403, "": 200} {
		if status, _ := get(t, c.after("status page"), func(r *http.Request) { r.Host = host }); status != want {
			t.Errorf("the status page, asked for at %q: %d, want %d", host, status, want)
		}
	}
	status, body := get(t, c.after("metrics"), nil)
	if status != 200 || !strings.Contains(body, "webhook_") {
		t.Errorf("the metrics: %d %s", status, body)
	}
	if err := c.end(); err != nil { // the page hears of the end
		t.Error(err)
	}
	for _, want := range []string{`"name":"member_removed"`, `"name":"channel_vacated"`} {
		eventually(t, want, func() bool { return strings.Contains(arrivals.text(), want) })
	}
}

// stream collects server-sent events until they end.
type stream struct {
	mu  sync.Mutex
	got strings.Builder
}

func (s *stream) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

func arrivals(t *testing.T, page string) *stream {
	t.Helper()
	answer, err := plain.Get(page + "demo/arrived")
	if err != nil {
		t.Fatal(err)
	}
	s, done := &stream{}, make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			s.mu.Lock()
			s.got.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() { answer.Body.Close(); <-done })
	return s
}

func TestDemosReceiverFailsWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	c := runCommand(t, "-shutdown", "1ms")
	page := c.after("demo page")
	answer, err := plain.PostForm(page+"demo/down", url.Values{"down": {"true"}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	dial(t, &running{addr: strings.TrimPrefix(c.after("sockets, API"), "http://")}, "demo-key").subscribe("news", "")
	eventually(t, "the metrics and the status page tell", func() bool {
		_, metrics := get(t, c.after("metrics"), nil)
		_, page := get(t, c.after("status page"), nil)
		return strings.Contains(metrics, `"503"`) && strings.Contains(page, "503 Service Unavailable")
	})
	if err := c.end(); err == nil || !strings.Contains(err.Error(), "webhook") {
		t.Errorf("what was not delivered is no error: %v", err)
	}
}

// The queue on Redis and on disk holds what a server that ends could not deliver, and the next one does.
func TestQueueOutlivesTheServer(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"disk":  {"-disk", filepath.Join(t.TempDir(), "queue")},
		"redis": {"-redis", testredis.StartServer(t, testredis.Options{}).Addr},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBackend(t)
			config := configure(t, b)[4:6] // -config and its file
			args := append(config, args...)
			b.down.Store(true)
			c := runCommand(t, args...)
			dial(t, &running{addr: strings.TrimPrefix(c.after("sockets, API"), "http://")}, "my-key").subscribe("news", "")
			if err := c.end(); err != nil {
				t.Error(err)
			}
			b.down.Store(false)
			runCommand(t, args...)
			occupied := eventText(webhook.ChannelOccupied("", "news"))
			eventually(t, "the event has arrived", func() bool { return b.missing(map[string]int{occupied: 1}, nil) == 0 })
		})
	}
}

func TestCommandSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"exclude each other": {"-disk", "x", "-redis", "y"},
		"flag provided":      {"-nonsense"},
		"no-such-file":       {"-config", "no-such-file"},
		"missing port":       {"-listen", "nonsense"},
		"STATUS_PASSWORD":    {"-internal", "0.0.0.0:0"},
		"invalid port":       {"-internal", "127.0.0.1:99999"},
	} {
		args = append([]string{"-listen", "127.0.0.1:0", "-internal", "127.0.0.1:0"}, args...)
		if err := run(t.Context(), args, io.Discard, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %s", args, err, want)
		}
	}
}

// It is not parallel, because it sets the environment.
func TestStatusPageAsksForThePassword(t *testing.T) {
	t.Setenv("STATUS_PASSWORD", "open sesame")
	c := runCommand(t)
	for password, want := range map[string]int{"": 401, "guessed": 401, "open sesame": 200} {
		status, _ := get(t, c.after("status page"), func(r *http.Request) { r.SetBasicAuth("admin", password) })
		if status != want {
			t.Errorf("%q: got %d, want %d", password, status, want)
		}
	}
}

// The README's configuration is one, and what it says is printed is.
func TestReadmeIsRight(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```json\n")
	file, _, _ := strings.Cut(rest, "```")
	cfg, err := config.Parse([]byte(file), nil)
	if err != nil || len(cfg.Apps) != 1 || len(cfg.Apps[0].Webhooks) != 1 {
		t.Errorf("the configuration: %v, %v", cfg, err)
	}
	c := runCommand(t)
	for _, name := range []string{"demo page", "status page", "metrics", "sockets, API"} {
		if c.after(name) == "" || !strings.Contains(string(text), "\n"+name+":") {
			t.Errorf("the README or the command does not show %s", name)
		}
	}
}
