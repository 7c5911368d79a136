package testlambda

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pushhooks/webhook/internal/subprocess"
)

const functionPackage = "github.com/pushhooks/webhook/internal/testlambda/function"

// built is the function's program, built once in a test binary.
var built = sync.OnceValues(build)

var buildDir string // to be removed

func build() (program string, err error) {
	if buildDir, err = os.MkdirTemp("", "testlambda-"); err != nil {
		return "", err
	}
	program = filepath.Join(buildDir, "bootstrap")
	cmd := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", program, functionPackage)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	subprocess.EndWithParent(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
}

// Cleanup removes the function's program. TestMain calls it after the last test.
func Cleanup() {
	if buildDir != "" {
		_ = os.RemoveAll(buildDir)
	}
}

// instance is a process of a function. It runs one invocation at a time.
type instance struct {
	id          string
	function    *function
	invocations chan *invocation
	current     *invocation // what the process runs
	waiting     bool        // for an invocation

	once    sync.Once
	err     error // of the start
	cmd     *exec.Cmd
	started chan struct{} // closed when cmd runs
	exited  chan struct{} // closed when cmd has ended
}

func newInstance(f *function, id string) *instance {
	return &instance{
		id: id, function: f, invocations: make(chan *invocation, 1),
		started: make(chan struct{}), exited: make(chan struct{}),
	}
}

// start starts the process, once. api is where the Runtime API is.
func (i *instance) start(api string) error {
	i.once.Do(func() { i.err = i.launch(api) })
	return i.err
}

func (i *instance) launch(api string) error {
	program, err := built()
	if err != nil {
		return err
	}
	i.cmd = exec.Command(program)
	i.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + api + "/" + i.id, "FUNCTION_DOES=" + i.function.Does,
	}, i.function.Env...)
	subprocess.EndWithParent(i.cmd)
	if err := i.cmd.Start(); err != nil {
		return err
	}
	close(i.started)
	go func() {
		_ = i.cmd.Wait()
		close(i.exited)
	}()
	return nil
}

// ended says whether the process is no more.
func (i *instance) ended() bool {
	select {
	case <-i.exited:
		return true
	default:
		return i.err != nil
	}
}

// state says how the process ended.
func (i *instance) state() string { return i.cmd.ProcessState.String() }

// kill ends the process, if it runs, and waits until it has ended.
func (i *instance) kill() {
	select {
	case <-i.started:
		_ = i.cmd.Process.Kill()
		<-i.exited
	default:
	}
}

// Run runs a program to its end and returns what it wrote. The test ends if it fails.
func Run(tb testing.TB, stdin, name string, args ...string) string {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	subprocess.EndWithParent(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		tb.Fatalf("testlambda: %s: %v\n%s", name, err, out)
	}
	return string(out)
}
