package testredis

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Cluster is a Redis Cluster of three masters with one replica each.
type Cluster struct {
	Nodes []*Server
}

// StartCluster starts a cluster of the test's own, which takes some seconds, and waits until it
// takes writes.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	Available(t)
	c := &Cluster{}
	t.Cleanup(c.kill)
	for range 6 {
		c.Nodes = append(c.Nodes, startNode(t, t.TempDir()))
	}
	c.join(t)
	return c
}

var shared struct {
	sync.Once
	cluster *Cluster
}

// SharedCluster returns a cluster that all tests of this test binary share. It dies with the
// process. Tests must not stop its nodes, and must use key prefixes of their own.
func SharedCluster(t testing.TB) *Cluster {
	t.Helper()
	Available(t)
	shared.Do(func() {
		c := &Cluster{}
		dir, err := os.MkdirTemp("", "testredis")
		if err != nil {
			t.Fatal(err)
		}
		for range 6 {
			sub, err := os.MkdirTemp(dir, "node")
			if err != nil {
				t.Fatal(err)
			}
			c.Nodes = append(c.Nodes, startNode(t, sub))
		}
		c.join(t)
		shared.cluster = c
		closers = append(closers, func() { c.kill(); _ = os.RemoveAll(dir) })
	})
	if shared.cluster == nil {
		t.Fatal("the shared cluster did not start")
	}
	return shared.cluster
}

var closers []func()

// Main runs the tests of a package and then stops what they shared. It is for TestMain.
func Main(m *testing.M) {
	code := m.Run()
	for _, stop := range closers {
		stop()
	}
	os.Exit(code)
}

func startNode(t testing.TB, dir string) *Server {
	t.Helper()
	s := newServer(t, dir, Options{Args: []string{
		"--cluster-enabled", "yes", "--cluster-node-timeout", "1500",
		"--cluster-port", freePort(t), "--repl-diskless-sync-delay", "0",
	}})
	s.Start()
	return s
}

// join makes the nodes one cluster and waits until every master takes writes and has a replica.
func (c *Cluster) join(t testing.TB) {
	t.Helper()
	args := append([]string{"--cluster", "create"}, c.Addrs()...)
	args = append(args, "--cluster-replicas", "1", "--cluster-yes")
	if out, err := exec.Command("redis-cli", args...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli --cluster create: %v\n%s", err, out)
	}
	c.Settle(t)
}

// Settle waits until the cluster takes writes and every replica follows its master. All nodes must
// run.
func (c *Cluster) Settle(t testing.TB) {
	t.Helper()
	err := eventually(30*time.Second, "the cluster takes writes and its replicas follow", func(ctx context.Context) bool {
		for _, s := range c.Nodes {
			if !s.settled(ctx) {
				return false
			}
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}

// settled says that a node sees a working cluster, and, if it is a replica, follows its master.
func (s *Server) settled(ctx context.Context) bool {
	client := s.Client()
	defer client.Close()
	info, err := client.ClusterInfo(ctx).Result()
	if err != nil || !strings.Contains(info, "cluster_state:ok") {
		return false
	}
	repl, err := client.Info(ctx, "replication").Result()
	return err == nil && (strings.Contains(repl, "role:master") || strings.Contains(repl, "master_link_status:up"))
}

// Addrs returns the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.Nodes))
	for i, s := range c.Nodes {
		addrs[i] = s.Addr
	}
	return addrs
}

// Client returns a new client of the cluster. The caller closes it.
func (c *Cluster) Client() *redis.ClusterClient {
	return redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs()})
}

// Behind returns a new client of the cluster, changed by options unless they are nil, that reaches
// its nodes through proxies, and the proxies. The caller closes it.
func (c *Cluster) Behind(t testing.TB, options func(*redis.ClusterOptions)) (*redis.ClusterClient, []*Proxy) {
	t.Helper()
	byAddr := make(map[string]string)
	proxies := make([]*Proxy, len(c.Nodes))
	for i, s := range c.Nodes {
		proxies[i] = StartProxy(t, s.Addr)
		byAddr[s.Addr] = proxies[i].Addr
	}
	opts := &redis.ClusterOptions{
		Addrs: c.Addrs(),
		Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, byAddr[addr])
		},
	}
	if options != nil {
		options(opts)
	}
	return redis.NewClusterClient(opts), proxies
}

// Master returns the node that owns the key's slot.
func (c *Cluster) Master(t testing.TB, key string) *Server {
	t.Helper()
	client := c.Client()
	defer client.Close()
	master, err := client.MasterForKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.Nodes {
		if s.Addr == master.Options().Addr {
			return s
		}
	}
	t.Fatalf("%s is not a node of the cluster", master.Options().Addr)
	return nil
}

func (c *Cluster) kill() {
	for _, s := range c.Nodes {
		s.Kill()
	}
}
