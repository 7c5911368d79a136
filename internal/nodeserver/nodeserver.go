// Package nodeserver runs, for tests, servers that are Node programs with npm packages.
package nodeserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/subprocess"
)

// errMissing says what the machine lacks.
var errMissing = errors.New("node and npm are needed for this test: install Node.js 20 or newer with npm")

// Start installs the program in files (package.json, package-lock.json, server.mjs) and runs it
// until the test ends, with env, such as "NAME=value", added to the environment. The program
// listens on 127.0.0.1, prints its URL as its first line, and exits when its standard input ends,
// as it does even if the test binary is killed. Start returns the URL, and ends the test if there
// is none; without node or npm it is skipped, unless WEBHOOK_TEST_SERVERS is "require".
func Start(tb testing.TB, files fs.FS, env ...string) string {
	tb.Helper()
	dir, err := install(files)
	if errors.Is(err, errMissing) && os.Getenv("WEBHOOK_TEST_SERVERS") != "require" {
		tb.Skip("nodeserver: ", err)
	}
	if err != nil {
		tb.Fatal("nodeserver: ", err)
	}
	url, stop, err := run(dir, env)
	if err != nil {
		tb.Fatal("nodeserver: ", err)
	}
	tb.Cleanup(stop)
	return url
}

// run starts the program and returns the line that it prints, and a function that ends it.
func run(dir string, env []string) (url string, stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", "server.mjs")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	subprocess.EndWithParent(cmd)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	input, inputErr := cmd.StdinPipe()
	output, outputErr := cmd.StdoutPipe()
	if err := errors.Join(inputErr, outputErr); err != nil {
		cancel()
		return "", nil, err
	}
	cmd.Cancel = input.Close        // asks it to exit
	cmd.WaitDelay = 5 * time.Second // and kills it then
	if err := cmd.Start(); err != nil {
		cancel()
		return "", nil, err
	}
	stop = func() {
		cancel()
		_ = cmd.Wait()
	}
	url, err = bufio.NewReader(output).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the server printed no address: %w\n%s", err, &complaints)
	}
	return strings.TrimSpace(url), stop, nil
}
