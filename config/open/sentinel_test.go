package open

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/internal/testredis"
)

// startSentinel starts a sentinel that watches the server as "main", and returns its port.
func startSentinel(t *testing.T, server *testredis.Server) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	host, serverPort, _ := net.SplitHostPort(server.Addr)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor main %s %s 1\n", port, filepath.Dir(file), host, serverPort)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", file, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return port
}

func TestTheMasterThatSentinelsKnowIsOpened(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	port := startSentinel(t, server) // may not listen yet: opening waits
	cfg, err := config.Parse(fmt.Appendf(nil, `{"queue": {"driver": "redis"}, "database": {"redis": {
		"host": "nowhere.invalid", "name": "main", "sentinels": [{"host": "127.0.0.1", "port": %d}]
	}}}`, port), nil)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	roundTrip(t, cfg)
	t.Logf("opened and used after %v", time.Since(begun))
}
