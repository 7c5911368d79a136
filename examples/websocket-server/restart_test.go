package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/subprocess"
)

const childVariable = "WEBSOCKET_SERVER_TEST_CHILD"

// child is the command in a process of its own, which also prints what it emits and what its queue has taken.
func child() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, func(o *webhook.Options) {
		o.Trace = &webhook.Trace{
			Emitted:  func(i webhook.EmittedInfo) { fmt.Printf("emitted %s\n", eventText(i.Event)) },
			Enqueued: func(i webhook.EnqueuedInfo) { fmt.Printf("enqueued %s\n", i.JobID) },
		}
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// eventText returns an event as receivers know it: without its app.
func eventText(ev webhook.Event) string {
	ev.AppID = ""
	return string(encode(ev))
}

// process is a child.
type process struct {
	cmd  *exec.Cmd
	addr string
	done chan struct{} // closed when all of its output was read

	emitted  map[string]int // events
	enqueued []string       // IDs of jobs
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0], args...), done: make(chan struct{}), emitted: map[string]int{}}
	p.cmd.Env = append(os.Environ(), childVariable+"=1")
	p.cmd.Stderr = t.Output()
	subprocess.EndWithParent(p.cmd)
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var found bool
		if _, p.addr, found = strings.Cut(lines.Text(), "sockets, API: http://"); found {
			break
		}
	}
	if p.addr == "" {
		t.Fatal("the server printed no address")
	}
	go func() {
		defer close(p.done)
		for lines.Scan() {
			switch kind, what, _ := strings.Cut(lines.Text(), " "); kind {
			case "emitted":
				p.emitted[what]++
			case "enqueued":
				p.enqueued = append(p.enqueued, what)
			}
		}
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		p.cmd.Wait() // an error if end has waited
	})
	return p
}

// end sends the signal, and waits until the process has ended.
func (p *process) end(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if err := p.cmd.Wait(); (err != nil) != (s == syscall.SIGKILL) {
		t.Errorf("it ended with %v", err)
	}
}

// backend counts what webhooks deliver.
type backend struct {
	*httptest.Server
	down atomic.Bool

	mu     sync.Mutex
	events map[string]int
	jobs   map[string]bool
}

func startBackend(t *testing.T) *backend {
	b := &backend{events: map[string]int{}, jobs: map[string]bool{}}
	receiver := webhook.Receiver{Keys: []webhook.Key{testKey}}
	b.Server = httptest.NewServer(receiver.Handler(func(w http.ResponseWriter, r *http.Request, p *webhook.Payload) {
		if b.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.jobs[r.Header.Get("Webhook-Id")] = true
		for _, ev := range p.Events {
			b.events[eventText(ev)]++
		}
	}))
	t.Cleanup(b.Close)
	return b
}

// missing returns how many of the events, and of the jobs, have not arrived.
func (b *backend) missing(events map[string]int, jobs []string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for text, count := range events {
		n += max(0, count-b.events[text])
	}
	for _, id := range jobs {
		if !b.jobs[id] {
			n++
		}
	}
	return n
}

// configure writes a configuration with the queue on disk, and returns the arguments of the command.
func configure(t *testing.T, b *backend) []string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.json")
	text := encode(object{"app_manager": object{"array": object{"apps": []object{{
		"id": "my-app", "key": testKey.Key, "secret": string(testKey.Secret),
		"webhooks": []object{{"id": "backend", "url": b.URL, "event_types": everything}},
	}}}}})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"-listen", "127.0.0.1:0", "-internal", "127.0.0.1:0", "-config", path, "-disk", filepath.Join(dir, "queue")}
}

// crowd are clients that come and go, until the test ends.
type crowd struct {
	addr  atomic.Value // string
	joins atomic.Int64
}

func gather(t *testing.T, addr string) *crowd {
	c := &crowd{}
	c.addr.Store(addr)
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if c.visit(ctx, fmt.Sprintf("presence-%d", n%3), fmt.Sprintf("user-%d-%d", i, n)) != nil {
					time.Sleep(10 * time.Millisecond) // the server is away
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); clients.Wait() })
	return c
}

// visit connects, joins a presence channel and a public one, and leaves.
func (c *crowd) visit(ctx context.Context, room, user string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, "ws://"+c.addr.Load().(string)+"/app/my-key?protocol=7", nil)
	if err != nil {
		return err
	}
	defer ws.CloseNow()
	cl := &conn{ws: ws}
	var hello message
	var data string
	var socket struct {
		ID string `json:"socket_id"`
	}
	_, text, err := ws.Read(ctx)
	if err != nil || json.Unmarshal(text, &hello) != nil || json.Unmarshal(hello.Data, &data) != nil || json.Unmarshal([]byte(data), &socket) != nil {
		return fmt.Errorf("no hello: %s, %w", text, err)
	}
	cl.id = socket.ID
	for _, channel := range []string{room, "news"} {
		if err := ws.Write(ctx, websocket.MessageText, []byte(cl.subscription(channel, user))); err != nil {
			return err
		}
		if _, _, err := ws.Read(ctx); err != nil {
			return err
		}
	}
	c.joins.Add(1)
	return nil
}

// wait returns when clients have joined n more times.
func (c *crowd) wait(t *testing.T, n int64) {
	t.Helper()
	before := c.joins.Load()
	eventually(t, "clients join", func() bool { return c.joins.Load() >= before+n })
}

// Whatever was emitted arrives, also what was emitted while the server ended, and what the backend refused then.
func TestRestartUnderLoadLosesNoWebhook(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	args := configure(t, b)
	p := startProcess(t, args...)
	c := gather(t, p.addr)
	emitted, refused := map[string]int{}, 0
	for range 3 {
		c.wait(t, 50)
		b.down.Store(true)
		c.wait(t, 50)
		p.end(t, syscall.SIGTERM)
		for text, n := range p.emitted {
			emitted[text] += n
		}
		refused += b.missing(emitted, nil)
		b.down.Store(false)
		p = startProcess(t, args...)
		c.addr.Store(p.addr)
	}
	c.wait(t, 50)
	p.end(t, syscall.SIGTERM)
	for text, n := range p.emitted {
		emitted[text] += n
	}
	p = startProcess(t, args...) // delivers the rest
	eventually(t, "all events have arrived", func() bool { return b.missing(emitted, nil) == 0 })
	p.end(t, syscall.SIGTERM)
	if refused == 0 {
		t.Error("nothing was left at the restarts, so that this shows nothing")
	}
	t.Logf("%d different events, %d left at restarts", len(emitted), refused)
}

// Whatever the queue had taken arrives, also if the server was killed.
func TestKillLosesNothingThatTheQueueHasTaken(t *testing.T) {
	t.Parallel()
	b := startBackend(t)
	args := configure(t, b)
	p := startProcess(t, args...)
	c := gather(t, p.addr)
	var jobs []string
	left := 0
	for range 3 {
		c.wait(t, 50)
		b.down.Store(true)
		c.wait(t, 50)
		p.end(t, syscall.SIGKILL)
		jobs = append(jobs, p.enqueued...)
		left += b.missing(nil, jobs)
		b.down.Store(false)
		p = startProcess(t, args...)
		c.addr.Store(p.addr)
	}
	eventually(t, "all jobs have arrived", func() bool { return b.missing(nil, jobs) == 0 })
	p.end(t, syscall.SIGTERM)
	if left == 0 {
		t.Error("nothing was left at the kills, so that this shows nothing")
	}
	t.Logf("%d jobs, %d left at kills", len(jobs), left)
}
