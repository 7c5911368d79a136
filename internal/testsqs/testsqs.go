// Package testsqs runs a real SQS server for tests: fauxqs, an npm package, as a child process on
// 127.0.0.1 that ends with the test binary.
package testsqs

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/pushhooks/webhook/internal/subprocess"
)

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
	//go:embed server.mjs
	script []byte
)

// Region is the region that clients of the server use.
const Region = "us-east-1"

// errMissing says that the machine lacks what the server needs.
var errMissing = errors.New("node and npm are not installed: install Node.js 20 or newer with npm")

var (
	start = sync.OnceValues(run)
	stdin io.WriteCloser //nolint:unused // of the server, which ends when it is closed or collected
)

// Start returns the URL of the server, which is started by the first call in a test binary. Where
// Node is missing, the test is skipped, or fails if WEBHOOK_TEST_SERVERS is "require".
func Start(tb testing.TB) string {
	tb.Helper()
	url, err := start()
	switch {
	case err == nil:
		return url
	case errors.Is(err, errMissing) && os.Getenv("WEBHOOK_TEST_SERVERS") != "require":
		tb.Skip("testsqs:", err)
	default:
		tb.Fatal("testsqs:", err)
	}
	return ""
}

// Client returns a client that talks to the server at url, with made-up credentials.
func Client(url string, options ...func(*sqs.Options)) *sqs.Client {
	return sqs.New(sqs.Options{
		Region:       Region,
		BaseEndpoint: aws.String(url),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	}, options...)
}

// run installs the server if need be, starts it and reads its address.
func run() (url string, err error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return "", errMissing
	}
	dir, err := install()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(node, "server.mjs")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	subprocess.EndWithParent(cmd)
	if stdin, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the server printed no address: %w", err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return strings.TrimSpace(line), nil
}

// install puts the server into the user's cache, under a name that changes with its files, so that
// it is done once for each version. Several test binaries may do it at the same time.
func install() (dir string, err error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errMissing
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(append(append([]byte{}, manifest...), lock...), script...))
	dir = filepath.Join(cache, "pushhooks-testsqs-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(cache, "pushhooks-testsqs-new-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := fill(fresh, npm); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, dir); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return "", err
	}
	return dir, nil
}

func fill(dir, npm string) error {
	for name, data := range map[string][]byte{"package.json": manifest, "package-lock.json": lock, "server.mjs": script} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	cmd := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
}
