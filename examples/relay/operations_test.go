package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/subprocess"
	"github.com/pushhooks/webhook/internal/testredis"
)

// operationsPage is the page whose commands TestTheOperationsPageIsTrue runs.
const operationsPage = "../../docs/operations.md"

// block is a fenced block of a Markdown page.
type block struct {
	heading, language, text string
	line                    int
}

// pageBlocks reads a page's fenced blocks.
func pageBlocks(t *testing.T, path string) []block {
	t.Helper()
	page, err := os.ReadFile(path)
	must(t, err)
	var list []block
	var heading string
	inside := false
	for i, line := range strings.Split(string(page), "\n") {
		switch fence, isFence := strings.CutPrefix(line, "```"); {
		case isFence && !inside:
			list = append(list, block{heading: heading, language: fence, line: i + 1})
			inside = true
		case isFence:
			inside = false
		case inside:
			list[len(list)-1].text += line + "\n"
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimLeft(line, "# ")
		}
	}
	return list
}

// story is an operator's shell, beside a Redis and two receivers, one of which can be down.
type story struct {
	t      *testing.T
	dir    string
	shell  *shell
	redis  *testredis.Server
	names  *strings.Replacer // from the page's names to those of this test
	back   *strings.Replacer // and back
	orders atomic.Int32      // the status that this receiver answers with
}

// Names on the page.
const (
	pageOrders = "https://orders.example"
	pageAudit  = "https://audit.example"
	pageRedis  = "127.0.0.1:6379"
)

func newStory(t *testing.T) *story {
	s := &story{t: t, dir: t.TempDir(), redis: testredis.StartServer(t, testredis.Options{AppendOnly: true})}
	s.orders.Store(http.StatusOK)
	orders := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(int(s.orders.Load()))
	}))
	audit := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(orders.Close)
	t.Cleanup(audit.Close)
	_, port, _ := strings.Cut(s.redis.Addr, ":")
	_, pagePort, _ := strings.Cut(pageRedis, ":")
	s.names = strings.NewReplacer(
		pageOrders, orders.URL, pageAudit, audit.URL, pageRedis, s.redis.Addr, "-p "+pagePort, "-p "+port)
	s.back = strings.NewReplacer(orders.URL, pageOrders, audit.URL, pageAudit, s.redis.Addr, pageRedis)
	s.shell = newShell(t, s.dir)
	return s
}

// saveConfig writes the page's configuration, with one attempt a job, so that jobs become dead letters soon.
func (s *story) saveConfig(text string) {
	s.t.Helper()
	var file object
	must(s.t, json.Unmarshal([]byte(s.names.Replace(text)), &file))
	file["webhooks"] = object{"batching": object{"enabled": false}, "retry": object{"max_attempts": 1}}
	data, err := json.Marshal(file)
	must(s.t, err)
	must(s.t, os.WriteFile(filepath.Join(s.dir, "config.json"), data, 0o600))
}

// emit has events emitted that both webhooks want.
func (s *story) emit(n int) {
	s.t.Helper()
	var events strings.Builder
	for i := range n {
		events.WriteString(occupied(numbered(i)))
	}
	spawned(s.t, strings.NewReader(events.String()), nil, "-emit-only", "-config", filepath.Join(s.dir, "config.json"))
}

// shell is a bash that keeps its variables and background jobs from one script to the next.
type shell struct {
	t     *testing.T
	stdin io.WriteCloser
	lines chan string
}

const shellDone = "the script is done: "

func newShell(t *testing.T, dir string) *shell {
	t.Helper()
	cmd := exec.Command("bash", "--norc", "--noprofile")
	cmd.Dir = dir
	cmd.Env = append(childEnv[:len(childEnv):len(childEnv)], "PATH="+dir+":"+os.Getenv("PATH"))
	for _, name := range []string{"GOPATH", "GOMODCACHE", "GOCACHE", "GOPROXY", "GOFLAGS"} {
		if v := os.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	subprocess.EndWithParent(cmd)
	stdin, err := cmd.StdinPipe()
	must(t, err)
	r, w, err := os.Pipe()
	must(t, err)
	cmd.Stdout, cmd.Stderr = w, w
	must(t, cmd.Start())
	w.Close()
	s := &shell{t: t, stdin: stdin, lines: make(chan string)}
	go func() {
		defer close(s.lines)
		for in := bufio.NewScanner(r); in.Scan(); {
			s.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		_, _ = io.WriteString(stdin, "\nkill -TERM $(jobs -p) 2>/dev/null; wait; exit\n")
		_ = stdin.Close()
		for range s.lines { // until the background jobs are gone, too
		}
		_ = cmd.Wait()
		_ = r.Close()
	})
	return s
}

// run runs a script and returns what it printed, and its exit code.
func (s *shell) run(script string) (output, code string) {
	s.t.Helper()
	_, err := fmt.Fprintf(s.stdin, "{\n%s\n} </dev/null\nended=$?\necho \"\"\necho \"%s$ended\"\n", script, shellDone)
	must(s.t, err)
	var out strings.Builder
	timeout := time.After(3 * time.Minute)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				s.t.Fatalf("the shell ended in\n%s", script)
			}
			if code, done := strings.CutPrefix(line, shellDone); done {
				return strings.TrimRight(out.String(), "\n"), code
			}
			out.WriteString(line + "\n")
		case <-timeout:
			s.t.Fatalf("not done in time:\n%s\nIt printed\n%s", script, &out)
		}
	}
}

// A command of the page that fails is noticed.
func TestTheShellTellsExitCodes(t *testing.T) {
	t.Parallel()
	s := newShell(t, t.TempDir())
	for script, want := range map[string]string{"true": "0", "false": "1", "echo out; (exit 3)": "3"} {
		if _, code := s.run(script); code != want {
			t.Errorf("%q ends with %s, want %s", script, code, want)
		}
	}
}

// alike are what may differ between the page's outputs and those of this run.
var alike = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(~\d+)?`), "ID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`\b(\d+(\.\d+)?(ns|µs|ms|d|h|m|s))+\b`), "SPAN"},
	{regexp.MustCompile(`\d[\d,]*(\.\d+)?`), "N"},
	{regexp.MustCompile(` +`), " "},
}

// shape is a text without its numbers, times and IDs.
func shape(text string) string {
	for _, a := range alike {
		text = a.pattern.ReplaceAllString(text, a.name)
	}
	return strings.TrimSpace(text)
}

// setUps are what happens before the commands of a section.
var setUps = map[string]func(*story){
	"A receiver is down": func(s *story) {
		s.orders.Store(http.StatusServiceUnavailable)
		s.emit(60)
	},
	"It is back":    func(s *story) { s.orders.Store(http.StatusOK) },
	"Redis is down": func(s *story) { s.redis.Kill() },
	"Redis is back": func(s *story) { s.redis.Start() },
}

// looking are the commands that change nothing. They are repeated until they print what is expected, because what
// they look at takes a moment.
var looking = []string{"relay -status ", "relay -dead ", "grep ", "redis-cli "}

var exitsWith = regexp.MustCompile(`# exits with (\d)`)

// Every command on the page is run, with a real Redis, and prints what the page says, up to numbers, times and IDs.
func TestTheOperationsPageIsTrue(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Fatal("this test needs bash")
	}
	s := newStory(t)
	blocks := pageBlocks(t, operationsPage)
	heading, ran := "", 0
	for i, b := range blocks {
		if b.heading != heading {
			heading = b.heading
			if setUp := setUps[heading]; setUp != nil {
				setUp(s)
			}
		}
		where := fmt.Sprintf("%s:%d (%s)", operationsPage, b.line, heading)
		switch b.language {
		case "json":
			s.saveConfig(b.text)
		case "sh":
			var want string
			if i+1 < len(blocks) && blocks[i+1].language == "text" {
				want = blocks[i+1].text
			}
			s.command(where, b.text, want)
			ran++
		case "text":
			if i == 0 || blocks[i-1].language != "sh" {
				t.Errorf("%s: an output without a command", where)
			}
		case "go":
		default:
			t.Errorf("%s: a block of the language %q is not tested", where, b.language)
		}
	}
	if ran < 10 {
		t.Errorf("%d blocks were run", ran)
	}
}

// command runs a block and compares what it prints.
func (s *story) command(where, script, want string) {
	s.t.Helper()
	code := "0"
	if m := exitsWith.FindStringSubmatch(script); m != nil {
		code = m[1]
	}
	script = s.names.Replace(script)
	if strings.HasPrefix(script, "go build ") {
		root, err := filepath.Abs("../..")
		must(s.t, err)
		script = "(cd " + root + " && " + strings.Replace(strings.TrimSpace(script), "-o relay", "-o "+s.dir+"/relay", 1) + ")"
	}
	looks := slices.ContainsFunc(looking, func(begin string) bool { return strings.HasPrefix(script, begin) })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		out, got := s.shell.run(script)
		out = s.back.Replace(out)
		switch right := got == code && (want == "" || shape(out) == shape(want)); {
		case right:
			return
		case looks && time.Now().Before(deadline):
		case got != code:
			s.t.Fatalf("%s: exit code %s, want %s:\n%s", where, got, code, out)
		default:
			s.t.Errorf("%s: it printed\n%s\nwhich is not like\n%s", where, out, want)
			return
		}
	}
}
