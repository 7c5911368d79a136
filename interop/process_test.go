package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/subprocess"
)

// libraries is where scripts/receivers.sh installs what the receivers need.
const libraries = "../bin/receivers"

// token is a key as the receivers read it.
type token struct {
	Key    string `json:"key"`
	Secret string `json:"secret"`
}

func plain(k webhook.Key) token { return token{k.Key, string(k.Secret)} }

func pythonLibrary(t *testing.T) library {
	t.Helper()
	dir := installed(t, "python")
	python := env("PYTHONPATH", dir)
	probe(t, dir, python, "python3", "-c", "import pusher")
	return library{judge: over(run(t, python, "python3", "receivers/python/receiver.py")), keeps: all}
}

func rubyLibrary(t *testing.T) library {
	t.Helper()
	dir := installed(t, "ruby")
	ruby := env("GEM_PATH", dir)
	probe(t, dir, ruby, "ruby", "-e", `require "pusher"`)
	return library{judge: over(run(t, ruby, "ruby", "receivers/ruby/receiver.rb")), keeps: all}
}

func phpLibrary(t *testing.T) library {
	t.Helper()
	dir, php := installed(t, "php"), os.Environ()
	if os.Getenv("PUSHER_AUTOLOAD") == "" {
		php = append(php, "PUSHER_AUTOLOAD="+filepath.Join(dir, "vendor", "autoload.php"))
	}
	probe(t, dir, php, "php", "-r", `require getenv("PUSHER_AUTOLOAD"); exit(class_exists("Pusher\Pusher") ? 0 : 1);`)
	return library{judge: over(run(t, php, "php", "-S", "127.0.0.1:0", "receivers/php/receiver.php")), keeps: all}
}

// installed returns the directory that scripts/receivers.sh fills for the language.
func installed(t *testing.T, language string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join(libraries, language))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// env returns the environment with dir put before what the variable, a list of directories, has.
func env(variable, dir string) []string {
	if had := os.Getenv(variable); had != "" {
		dir += string(os.PathListSeparator) + had
	}
	return append(os.Environ(), variable+"="+dir)
}

// probe skips the test if the library cannot be loaded and is not in dir: tests run without the
// registries of Python, Ruby and PHP too. What is installed must load, and with
// WEBHOOK_TEST_RECEIVERS=require, which "make receivers" sets, it must be installed.
func probe(t *testing.T, dir string, environment []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = environment
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	_, missing := os.Stat(dir)
	if missing == nil || os.Getenv("WEBHOOK_TEST_RECEIVERS") == "require" {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	t.Skipf("the official library for %s is not installed here; make receivers installs it (%v)", filepath.Base(dir), err)
}

var addresses = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// run starts a receiver, which ends with the test or with this process, and returns its URL, which
// it prints.
func run(t *testing.T, environment []string, name string, args ...string) string {
	t.Helper()
	tokens, err := json.Marshal([]token{plain(oldKey), plain(newKey)})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(environment, "PUSHER_TOKENS="+string(tokens))
	output, written, pipeErr := os.Pipe()
	stdin, inputErr := cmd.StdinPipe()
	if err := errors.Join(pipeErr, inputErr); err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = written, written, 5*time.Second
	subprocess.EndWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	written.Close()
	printed := make(chan struct{})
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		<-printed
		output.Close()
	})
	return address(t, output, printed)
}

// address returns the address that the receiver prints. What follows is read and thrown away, so
// that the receiver never waits for a reader.
func address(t *testing.T, output io.Reader, printed chan<- struct{}) string {
	t.Helper()
	var complaints bytes.Buffer
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		complaints.WriteString(line)
		if url := addresses.FindString(line); url != "" {
			go func() {
				defer close(printed)
				_, _ = io.Copy(io.Discard, lines)
			}()
			return url
		}
		if err != nil {
			close(printed)
			t.Fatalf("no address: %v\n%s", err, &complaints)
		}
	}
}
