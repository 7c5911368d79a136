package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pushhooks/webhook/internal/subprocess"
	"github.com/pushhooks/webhook/internal/testredis"
)

// asRelay makes the test binary the command: the tests of whole processes run it again with this
// variable.
const asRelay = "RELAY_TEST_COMMAND"

func TestMain(m *testing.M) {
	switch os.Getenv(asRelay) {
	case "relay":
		main()
	case "briefly":
		workBriefly(os.Args[2])
	case "node":
		runNode(os.Args[1])
	case "in sync":
		emitInSync(os.Args[2], os.Args[3], os.Args[4])
	}
	testredis.Main(m)
}

// process is a relay in a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout output
	stderr output
	ended  chan struct{}
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// childEnv is what every relay has: made-up credentials for SQS, and nothing of the caller's
// configuration.
var childEnv = []string{
	"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
	"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
}

// spawn starts relay as a process. It ends with the test at the latest.
func spawn(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return spawnAs(t, "relay", env, args...)
}

func spawnAs(t *testing.T, command string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), ended: make(chan struct{})}
	p.cmd.Env = append(append(childEnv[:len(childEnv):len(childEnv)], asRelay+"="+command), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	subprocess.EndWithParent(p.cmd)
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	must(t, err)
	must(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if log := p.stderr.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic:") {
			t.Error("relay went wrong:\n" + tail(log))
		}
	})
	return p
}

// kill ends the process with SIGKILL and waits until it is gone. It is harmless if it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// terminate asks the process to end, and returns what it has come to.
func (p *process) terminate() *result {
	p.t.Helper()
	if runtime.GOOS == "windows" {
		p.t.Skip("Windows has no SIGTERM")
	}
	must(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	return p.wait()
}

// wait returns what the process has come to.
func (p *process) wait() *result {
	p.t.Helper()
	<-p.ended
	return read(p.t, p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String())
}

// send writes to the process's input. One that ended early tells about it in its result.
func (p *process) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, text); err != nil && !errors.Is(err, syscall.EPIPE) {
		p.t.Fatal(err)
	}
}

// spawned runs relay as a process with this input, to its end.
func spawned(t *testing.T, stdin io.Reader, env []string, args ...string) *result {
	t.Helper()
	p := spawn(t, env, args...)
	_, err := io.Copy(p.stdin, stdin)
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		t.Fatal(err)
	}
	must(t, p.stdin.Close())
	return p.wait()
}
