package testredis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/subprocess"
)

// SentinelMaster is the name under which the sentinel of StartSentinel knows the master.
const SentinelMaster = "main"

// StartReplica starts a server that follows master, and waits until it has all of its data.
func StartReplica(t testing.TB, master *Server) *Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := StartServer(t, Options{Args: []string{"--replicaof", host + " " + port}})
	client := replica.Client()
	defer client.Close()
	err := eventually(30*time.Second, "the replica follows", func(ctx context.Context) bool {
		info, err := client.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	if err != nil {
		t.Fatal(err)
	}
	return replica
}

// StartSentinel starts a sentinel that watches master and its replicas, and promotes a replica when
// the master has been away for half a second. It returns the sentinel's address, and does not wait
// until it listens.
func StartSentinel(t testing.TB, master *Server) string {
	t.Helper()
	Available(t)
	port := freePort(t)
	host, masterPort, _ := net.SplitHostPort(master.Addr)
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %[3]s %s %s 1\n"+
		"sentinel down-after-milliseconds %[3]s 500\nsentinel failover-timeout %[3]s 3000\n",
		port, filepath.Dir(file), SentinelMaster, host, masterPort)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", file, "--sentinel")
	subprocess.EndWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return net.JoinHostPort("127.0.0.1", port)
}

// WaitForSentinel waits until the sentinel at addr answers.
func WaitForSentinel(t testing.TB, addr string) {
	t.Helper()
	client := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer client.Close()
	err := eventually(30*time.Second, "the sentinel answers", func(ctx context.Context) bool { return client.Ping(ctx).Err() == nil })
	if err != nil {
		t.Fatal(err)
	}
}

// WaitForReplicas waits until the sentinel at addr knows a replica of the master that is online.
func WaitForReplicas(t testing.TB, addr string) {
	t.Helper()
	client := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer client.Close()
	err := eventually(30*time.Second, "the sentinel knows the replica", func(ctx context.Context) bool {
		replicas, err := client.Replicas(ctx, SentinelMaster).Result()
		return err == nil && len(replicas) > 0 && replicas[0]["master-link-status"] == "ok" && replicas[0]["flags"] == "slave"
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Replicate waits until a replica has all that the server was told before.
func (s *Server) Replicate() {
	s.t.Helper()
	client := s.Client()
	defer client.Close()
	err := eventually(30*time.Second, "a replica has all data", func(ctx context.Context) bool {
		conn := client.Conn()
		defer conn.Close()
		if conn.Incr(ctx, "testredis:replicated").Err() != nil {
			return false
		}
		n, err := conn.Do(ctx, "WAIT", 1, 1000).Int()
		return err == nil && n > 0
	})
	if err != nil {
		s.t.Fatal(err)
	}
}
