// Package testredis starts real Redis servers and clusters for tests, on loopback, on free ports,
// in temporary directories. They are stopped at the test's end, and die with the test process.
package testredis

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/subprocess"
)

// Require is the environment variable that, when it is "require", makes a missing redis-server a
// failure.
const Require = "WEBHOOK_TEST_SERVERS"

// Available skips the test if there is no redis-server on this machine, or fails it if
// WEBHOOK_TEST_SERVERS is "require".
func Available(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	const missing = "redis-server is not installed: this test needs Debian's package redis-server"
	if os.Getenv(Require) == "require" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// Options says how to start a server.
type Options struct {
	AppendOnly bool     // keep the data on disk, synced at every write
	TLS        bool     // take encrypted connections alone; see Server.CAFile
	Args       []string // further arguments for redis-server
	Env        []string // environment variables for it, besides those of the test
}

// Server is a running redis-server.
type Server struct {
	Addr   string // host:port
	CAFile string // with Options.TLS, the PEM file with the certificate to trust

	tls  *tls.Config
	t    testing.TB
	dir  string
	args []string
	env  []string
	cmd  *exec.Cmd
}

// StartServer starts a server with an empty store and waits until it answers.
func StartServer(t testing.TB, opts Options) *Server {
	t.Helper()
	Available(t)
	s := newServer(t, t.TempDir(), opts)
	s.Start()
	t.Cleanup(s.Kill)
	return s
}

func newServer(t testing.TB, dir string, opts Options) *Server {
	t.Helper()
	port := freePort(t)
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", port), t: t, dir: dir}
	s.args = []string{
		"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--daemonize", "no", "--save", "",
		"--appendonly", yesNo(opts.AppendOnly), "--appendfsync", "always",
	}
	if opts.TLS {
		s.encrypt(port)
	}
	s.args, s.env = append(s.args, opts.Args...), opts.Env
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Start starts the server again after Kill, with the data that it had on disk.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) start() error {
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Env = append(os.Environ(), s.env...)
	subprocess.EndWithParent(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	client := s.Client()
	defer client.Close()
	return eventually(10*time.Second, "redis-server at "+s.Addr+" answers", func(ctx context.Context) bool {
		return client.Ping(ctx).Err() == nil
	})
}

// Kill ends the server with SIGKILL. It is harmless if it has ended.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Pause stops the server as if its machine hung: connections stay open, and nothing answers.
func (s *Server) Pause() { s.must(subprocess.Pause(s.cmd.Process)) }

// Resume lets a paused server go on.
func (s *Server) Resume() { s.must(subprocess.Resume(s.cmd.Process)) }

func (s *Server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("signal redis-server: %v", err)
	}
}

// Client returns a new client of this server. The caller closes it.
func (s *Server) Client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.Addr, TLSConfig: s.tls})
}

// Files returns the contents of all files that the server has written, such as its append-only
// file.
func (s *Server) Files() map[string][]byte {
	s.t.Helper()
	files := make(map[string][]byte)
	err := filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// freePort returns a port that nobody listens on now.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// eventually asks until ok, for d at most.
func eventually(d time.Duration, what string, ok func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %s", d, what)
		}
	}
	return nil
}
